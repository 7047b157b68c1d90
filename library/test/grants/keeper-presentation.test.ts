import { expect, test } from 'vitest'
import { clientCredentials } from '../../src/grants/definition.ts'
import type { ProviderProfile } from '../../src/providers/profile.ts'
import { practised } from './practised.ts'

async function shop() {
  const at = await practised()
  const definition = (api?: ProviderProfile['api']) =>
    clientCredentials({
      profile: { id: 'shop', name: 'Shop', token_url: at.server.tokenEndpoint, ...(api && { api }) },
      clientId: 'practice-service',
      clientSecret: 'practice-service-secret',
    })
  return { ...at, definition }
}

test('a token says how an API wants it as the profile does, and so does its grant', async () => {
  const { keeper, run, definition } = await shop()
  await keeper.add('shop', definition({ header: 'X-Shop-Access-Token', scheme: '' }))
  const token = await run(keeper.getToken('shop'))
  expect(token.presentation).toEqual({ header: 'X-Shop-Access-Token', scheme: '' })
  expect(token.markedStale().presentation).toBe(token.presentation)
  expect((await keeper.show('shop')).api).toEqual({ header: 'X-Shop-Access-Token', scheme: '' })
})

test('without a word of it the token is presented as RFC 6750 has it', async () => {
  const { keeper, run, definition, service } = await shop()
  await keeper.add('shop', definition())
  await keeper.add('plain', service())
  expect((await run(keeper.getToken('shop'))).presentation).toBeUndefined()
  expect((await run(keeper.getToken('plain'))).presentation).toBeUndefined()
  expect((await keeper.show('shop')).api).toBeUndefined()
})

test('another word in the profile holds for the token that is there already', async () => {
  const { keeper, run, clock, definition } = await shop()
  await keeper.ensure('shop', definition())
  const first = await run(keeper.getToken('shop'))
  await keeper.ensure('shop', definition({ scheme: 'OAuth' }))
  const second = await run(keeper.getToken('shop'))
  expect([second.value, second.presentation]).toEqual([first.value, { scheme: 'OAuth' }])
  await clock.advance(1_001)
  await keeper.ensure('shop', definition({ scheme: 'Shop' }))
  expect((await run(keeper.getToken('shop'))).presentation).toEqual({ scheme: 'Shop' })
})

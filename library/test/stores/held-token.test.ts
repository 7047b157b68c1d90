import { expect, test } from 'vitest'
import { clientCredentials } from '../../src/grants/definition.ts'
import { heldToken } from '../../src/stores/sqlite/held-token.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { practised } from '../grants/practised.ts'
import { newStoreFile } from './sqlite-files.ts'

async function stored(practice = {}) {
  const file = newStoreFile()
  const at = await practised({ practice, store: (clock) => sqliteStore(file, { clock }) })
  const held = (id: string) => heldToken(file, [{ id: 'k1', file: `${file}.key` }], id, {}, at.clock.now())
  return { ...at, held }
}

test('a token that is read past the keeper is the one that a keeper gives, with how an API wants it', async () => {
  const { keeper, run, server, service, held } = await stored()
  const client = { clientId: 'practice-service', clientSecret: 'practice-service-secret' }
  const api = { header: 'X-Shop-Access-Token', scheme: '' }
  const profile = { id: 'shop', name: 'Shop', token_url: server.tokenEndpoint, api }
  await keeper.add('shop', clientCredentials({ ...client, profile }))
  await keeper.add('plain', service())
  for (const [id, presentation] of [
    ['shop', api],
    ['plain', undefined],
  ] as const) {
    const token = await run(keeper.getToken(id))
    const { value, type, expiresAt, scope, generation, metadata } = token
    const facts = { value, type, expiresAt, scope, generation, metadata }
    expect(held(id)).toEqual(presentation === undefined ? facts : { ...facts, presentation })
    expect(token.presentation).toEqual(presentation)
  }
})

// It was handed out while the request that ends it was under way.
test('a token that is being replaced, and dies the moment it is, is left to the keeper', async () => {
  const { keeper, run, imported, answerWith, held } = await stored({ oldTokenDies: true })
  await keeper.add('work', await imported({ oldTokenDies: true }))
  const old = await run(keeper.getToken('work'))
  expect(held('work')?.value).toBe(old.value)
  const meanwhile: unknown[] = []
  answerWith(({ path }) => {
    if (path === '/token') meanwhile.push(held('work'))
    return undefined
  })
  const next = await run(keeper.refresh('work'))
  expect(meanwhile).toEqual([undefined])
  expect(held('work')?.value).toBe(next.value)
})

import { describe, expect, test } from 'vitest'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { practised, redirectUri } from './practised.ts'

const minute = 60_000
const one = 'https://one.example'
const two = 'https://two.example'

describe.each(['memory', 'sqlite'])('a token for less than the grant has, on %s', (kind) => {
  async function loggedIn(change: Parameters<Awaited<ReturnType<typeof practised>>['app']>[0] = {}) {
    const file = newStoreFile()
    const at = await practised(kind === 'sqlite' ? { store: (clock) => sqliteStore(file, { clock }) } : {})
    const sent: { path: string; grantType: string | undefined; resources: readonly string[] }[] = []
    at.answerWith(({ method, path, parameters, body }) => {
      const resources = new URLSearchParams(body).getAll('resource')
      if (method === 'POST' && path === '/token')
        sent.push({ path, grantType: parameters.grant_type, resources })
      return undefined
    })
    await at.keeper.add('work', at.app({ scope: 'read write', ...change }))
    await at.login('work')
    const said = (
      value: string,
    ): { active: boolean; scope?: string | undefined; aud?: readonly string[] | undefined } =>
      at.server.introspect(value)
    return { ...at, sent, said }
  }

  test('is never given to whoever asks for more, in whatever order they come', async () => {
    const { keeper, run, said } = await loggedIn()
    const narrow = await run(keeper.getToken('work', { scope: 'read' }))
    expect(said(narrow.value)).toMatchObject({ active: true, scope: 'read' })
    const own = await run(keeper.getToken('work'))
    const whole = await run(keeper.getToken('work', { scope: ['write', 'read', 'read'] }))
    expect(said(own.value)).toMatchObject({ active: true, scope: 'read write' })
    expect(said(whole.value).scope?.split(' ').sort()).toEqual(['read', 'write'])
    expect(new Set([narrow.value, own.value, whole.value]).size).toBe(3)
    for (const scope of [undefined, 'read', 'read write']) await run(keeper.getToken('work', { scope }))
    expect(keeper.peekToken('work')?.value).toBe(own.value)
    expect(keeper.peekToken('work', { scope: 'read' })?.value).toBe(narrow.value)
    expect(keeper.peekToken('work', { scope: 'write read' })?.value).toBe(whole.value)
    expect(keeper.peekToken('work', { scope: 'write' })).toBeUndefined()
  })

  test('leaves the grant its scope: the next life of its own token is as wide as before', async () => {
    const { keeper, run, pass, said } = await loggedIn()
    await run(keeper.getToken('work', { scope: 'read' }))
    await pass(55 * minute)
    await run(keeper.tend('work'))
    const own = await run(keeper.getToken('work'))
    expect(own).toMatchObject({ generation: 2, scope: ['read', 'write'] })
    expect(said(own.value).scope).toBe('read write')
  })

  test('is replaced by itself when an API refuses it, and the others stay', async () => {
    const { keeper, run, said } = await loggedIn()
    const own = await run(keeper.getToken('work'))
    const narrow = await run(keeper.getToken('work', { scope: 'read' }))
    const next = await run(keeper.rejected('work', { generation: narrow.generation, scope: 'read' }))
    expect(said(next.value)).toMatchObject({ active: true, scope: 'read' })
    expect([next.generation, next.value === narrow.value]).toEqual([2, false])
    expect((await run(keeper.getToken('work'))).value).toBe(own.value)
  })

  test('is for the resource that was asked for and for no other (RFC 8707)', async () => {
    const { keeper, run, said, sent } = await loggedIn()
    const first = await run(keeper.getToken('work', { resource: one }))
    const second = await run(keeper.getToken('work', { resource: two }))
    const narrow = await run(keeper.getToken('work', { resource: one, scope: 'read' }))
    const own = await run(keeper.getToken('work'))
    expect([first, second, narrow].map(({ value }) => said(value).aud)).toEqual([[one], [two], [one]])
    expect([own, first].map(({ value }) => said(value).scope)).toEqual(['read write', 'read write'])
    expect(said(narrow.value).scope).toBe('read')
    expect(new Set([first, second, narrow, own].map(({ value }) => value)).size).toBe(4)
    expect(sent.map(({ grantType, resources }) => [grantType, ...resources])).toEqual([
      ['authorization_code'],
      ['refresh_token', one],
      ['refresh_token', two],
      ['refresh_token', one],
    ])
  })

  test('the resources of a grant go into its authorization, its exchange and every refresh', async () => {
    const at = await loggedIn({ resource: [one, two] })
    const { url } = await at.run(at.keeper.beginConsent('work', { redirectUri }))
    expect(new URL(url).searchParams.getAll('resource')).toEqual([one, two])
    await at.run(at.keeper.refresh('work'))
    await at.run(at.keeper.getToken('work', { scope: 'read' }))
    const narrowed = await at.run(at.keeper.getToken('work', { resource: two }))
    expect(at.sent.map(({ grantType, resources }) => [grantType, ...resources])).toEqual([
      ['authorization_code', one, two],
      ['refresh_token', one, two],
      ['refresh_token', one, two],
      ['refresh_token', two],
    ])
    expect(at.said(narrowed.value).aud).toEqual([two])
    expect(at.said((await at.run(at.keeper.getToken('work'))).value).aud).toEqual([one, two])
  })

  // It was taken for a failure of the grant, which then backed off: readers of its own token waited for one who asked amiss.
  test('that the provider refuses harms neither the grant nor another reader', async () => {
    const { keeper, run, failure, sent, told, pass } = await loggedIn()
    const amiss = () => failure(keeper.getToken('work', { resource: 'no-uri' }))
    expect(await amiss()).toMatchObject({
      code: 'invalid_target',
      advice: 'Ask for a resource that the provider knows, or consent again with it (RFC 8707).',
      message: expect.stringContaining('the provider refused the resource (invalid_target'),
    })
    expect(await keeper.show('work')).toMatchObject({ state: 'active', failures: 0 })
    expect((await keeper.show('work')).lastError).toBeUndefined()
    await amiss()
    expect(sent.filter(({ resources }) => resources.includes('no-uri'))).toHaveLength(1)
    expect((await run(keeper.refresh('work'))).generation).toBe(2)
    expect((await run(keeper.getToken('work', { resource: one }))).generation).toBe(1)
    expect(told.filter(([event]) => event === 'reauthorization_required')).toEqual([])
    await pass(minute)
    await amiss()
    expect(sent.filter(({ resources }) => resources.includes('no-uri'))).toHaveLength(2)
  })
})

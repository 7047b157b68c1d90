import { fingerprint } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import type { GrantDefinition } from '../../src/grants/definition.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { dueIds, practised } from './practised.ts'

const minute = 60_000

describe('adding a grant', () => {
  test('twice is refused, and the first stays', async () => {
    const { keeper, failure, service } = await practised()
    await keeper.add('billing', service(), { labels: { a: '1' } })
    expect(await failure(keeper.add('billing', service(), { labels: { a: '2' } }))).toMatchObject({
      code: 'grant_exists',
      grant: 'billing',
    })
    expect((await keeper.show('billing')).labels).toEqual({ a: '1' })
  })

  test.each(['', ' ', 'a b', 'a/b', '../a', '-a', '.a', 'ü', 'a\n', 'x'.repeat(129)])(
    'as %j is refused',
    async (id) => {
      const { keeper, failure, service } = await practised()
      expect(await failure(keeper.add(id, service()))).toMatchObject({ code: 'invalid_grant_id' })
      expect(await failure(keeper.ensure(id, service()))).toMatchObject({ code: 'invalid_grant_id' })
    },
  )

  test('with labels that are none is refused', async () => {
    const { keeper, failure, service } = await practised()
    const tooMany = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`label-${index}`, 'x']))
    for (const labels of [tooMany, { '': 'x' }, { a: 'x'.repeat(201) }, { a: 1 as unknown as string }])
      expect(await failure(keeper.add('a', service(), { labels }))).toMatchObject({
        code: 'invalid_configuration',
      })
    expect(await keeper.list()).toEqual([])
  })

  test('of a thousand: they are listed by name, page by page', async () => {
    const { keeper, service } = await practised()
    const ids = Array.from({ length: 1000 }, (_, index) => `grant-${String(index).padStart(4, '0')}`)
    await Promise.all(ids.map((id) => keeper.add(id, service())))
    expect((await keeper.list()).map(({ id }) => id)).toEqual(ids)
    expect((await keeper.list({ after: 'grant-0497', limit: 2 })).map(({ id }) => id)).toEqual(
      ids.slice(498, 500),
    )
  })
})

describe('a pause', () => {
  test('stops reading and refreshing, and its end brings the same token back', async () => {
    const { keeper, clock, run, failure, service, tokenRequests } = await practised()
    await keeper.add('billing', service())
    const token = await run(keeper.getToken('billing'))
    expect(await keeper.pause('billing')).toMatchObject({ state: 'paused', nextAttemptAt: undefined })
    expect(keeper.peekToken('billing')).toBeUndefined()
    expect(await failure(keeper.getToken('billing'))).toMatchObject({ code: 'grant_paused' })
    expect(await failure(keeper.refresh('billing'))).toMatchObject({ code: 'grant_paused' })
    await clock.advance(90 * minute)
    expect(await dueIds(keeper)).toEqual([])
    await clock.setUtc(-90 * minute)
    expect(await keeper.resume('billing')).toMatchObject({ state: 'active' })
    expect((await run(keeper.getToken('billing'))).value).toBe(token.value)
    expect(tokenRequests()).toHaveLength(1)
  })

  test('keeps the answer that is under way: the rotated refresh token is not lost', async () => {
    const { keeper, clock, run, imported, answerWith } = await practised()
    await keeper.add('work', await imported())
    await run(keeper.getToken('work'))
    await clock.advance(61 * minute)
    let answer = (): void => undefined
    const asked = new Promise<void>((resolve) => {
      answerWith(() => {
        resolve()
        return new Promise((go) => (answer = () => go(undefined)))
      })
    })
    const refreshing = keeper.tend('work')
    await asked
    await keeper.pause('work')
    answer()
    expect((await run(refreshing)).kind).toBe('refreshed')
    expect(await keeper.show('work')).toMatchObject({ state: 'paused', generation: 2 })
    answerWith(undefined)
    await keeper.resume('work')
    await clock.advance(61 * minute)
    expect((await run(keeper.getToken('work'))).generation).toBe(3)
  })

  // The second request met the first at the provider, which takes that for theft.
  test('and its end, while a strict refresh is under way, does not send the refresh token twice', async () => {
    const file = newStoreFile()
    const { keeper, another, clock, run, imported, answerWith, tokenRequests } = await practised({
      store: (clock) => sqliteStore(file, { clock }),
    })
    await keeper.add('work', await imported())
    await run(keeper.getToken('work'))
    await clock.advance(61 * minute)
    let answer = (): void => undefined
    const asked = new Promise<void>((resolve) => {
      answerWith(() => {
        resolve()
        return new Promise((go) => (answer = () => go(undefined)))
      })
    })
    const first = keeper.getToken('work')
    await asked
    const other = await another()
    await other.pause('work')
    await other.resume('work')
    const second = other.getToken('work')
    await clock.advance(1000)
    answer()
    answerWith(undefined)
    const [one, two] = await run(Promise.all([first, second]))
    expect([one.generation, two.generation, one.value === two.value]).toEqual([2, 2, true])
    const presented = tokenRequests()
      .filter(({ grantType }) => grantType === 'refresh_token')
      .map(({ presented }) => presented)
    expect(new Set(presented).size).toBe(presented.length)
  })

  test('is for grants that refresh', async () => {
    const { keeper, failure, app } = await practised()
    await keeper.add('work', app())
    expect(await failure(keeper.pause('work'))).toMatchObject({ code: 'invalid_request' })
    expect(await failure(keeper.pause('nobody'))).toMatchObject({ code: 'unknown_grant' })
    expect(await failure(keeper.resume('nobody'))).toMatchObject({ code: 'unknown_grant' })
  })
})

describe('removing a grant', () => {
  test('forgets its tokens in memory and in the store', async () => {
    const { keeper, run, failure, service } = await practised()
    await keeper.add('billing', service())
    await run(keeper.getToken('billing'))
    await run(keeper.getToken('billing', { scope: 'read' }))
    await keeper.remove('billing')
    expect(keeper.peekToken('billing')).toBeUndefined()
    expect(keeper.peekToken('billing', { scope: 'read' })).toBeUndefined()
    for (const work of [
      () => keeper.getToken('billing'),
      () => keeper.show('billing'),
      () => keeper.refresh('billing'),
      () => keeper.remove('billing'),
    ])
      expect(await failure(work())).toMatchObject({ code: 'unknown_grant', grant: 'billing' })
    expect(await keeper.list()).toEqual([])
  })

  test('while it is being refreshed ends quietly', async () => {
    const { keeper, run, service, answerWith } = await practised()
    await keeper.add('billing', service())
    answerWith(async () => {
      await keeper.remove('billing')
      return undefined
    })
    expect((await run(keeper.tend('billing'))).kind).toBe('held')
    expect(await keeper.list()).toEqual([])
  })
})

describe('ensure', () => {
  test('adds what is not there, and the same again changes nothing', async () => {
    const { keeper, clock, run, service, account, tokenRequests } = await practised()
    for (let start = 0; start < 3; start++) {
      await keeper.ensure('billing', service({ scope: 'read' }), { labels: { team: 'money' } })
      await keeper.ensure('robot', account())
      await run(keeper.getToken('billing'))
      await run(keeper.getToken('robot'))
      await clock.advance(1000)
    }
    expect(tokenRequests()).toHaveLength(2)
    expect(await keeper.show('billing')).toMatchObject({ generation: 1, updatedAt: 1_800_000_000_000 })
  })

  test('with the right secret lets a grant go on whose client was refused', async () => {
    const { keeper, clock, run, failure, service, told } = await practised()
    await keeper.ensure('billing', service({ clientSecret: 'wrong' }))
    expect(await failure(keeper.getToken('billing'))).toMatchObject({
      code: 'invalid_client',
      error: 'invalid_client',
      status: 401,
    })
    await clock.advance(60 * minute)
    await run(keeper.tend('billing'))
    expect(await keeper.show('billing')).toMatchObject({ state: 'active', failures: 2 })
    await keeper.ensure('billing', service())
    expect((await run(keeper.getToken('billing'))).generation).toBe(1)
    expect(told.at(-1)).toEqual(['recovered', { grant: 'billing', failures: 2 }])
  })

  test('with another scope gets another token; the login of a person keeps the one it has', async () => {
    const { keeper, run, service, app, login } = await practised()
    await keeper.ensure('billing', service({ scope: 'read' }))
    await run(keeper.getToken('billing'))
    await keeper.ensure('billing', service({ scope: 'write' }))
    expect(await run(keeper.getToken('billing'))).toMatchObject({ scope: ['write'] })
    await keeper.ensure('work', app())
    await login('work')
    const token = await run(keeper.getToken('work'))
    await keeper.ensure('work', app({ metadata: ['instance_url'] }))
    expect((await run(keeper.getToken('work'))).value).toBe(token.value)
  })

  test('while a token of the old definition is under way does not take that one', async () => {
    const { keeper, run, service, answerWith } = await practised()
    await keeper.ensure('billing', service({ scope: 'read' }))
    let answer = (): void => undefined
    const asked = new Promise<void>((resolve) => {
      answerWith(() => {
        resolve()
        return new Promise((go) => (answer = () => go(undefined)))
      })
    })
    const waiting = keeper.getToken('billing')
    await asked
    answerWith(undefined)
    await keeper.ensure('billing', service({ scope: 'write' }))
    answer()
    expect(await run(waiting)).toMatchObject({ scope: ['write'], generation: 1 })
  })

  test('with another client is another login', async () => {
    const { keeper, run, failure, app, login, service } = await practised()
    await keeper.ensure('work', app())
    await login('work')
    await keeper.ensure('work', app({ clientId: 'practice-web', clientSecret: 'practice-web-secret' }))
    expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'grant_pending' })
    await keeper.ensure('work', service())
    expect((await run(keeper.getToken('work'))).generation).toBe(1)
  })

  test('with other labels touches neither tokens nor schedule', async () => {
    const { keeper, clock, run, service, tokenRequests } = await practised()
    await keeper.ensure('billing', service(), { labels: { a: '1' } })
    await run(keeper.getToken('billing'))
    const { nextAttemptAt } = await keeper.show('billing')
    expect(await keeper.ensure('billing', service(), { labels: { a: '2' } })).toMatchObject({
      labels: { a: '2' },
      generation: 1,
      nextAttemptAt,
    })
    expect(await dueIds(keeper)).toEqual([])
    await clock.advance(1000)
    expect((await run(keeper.getToken('billing'))).generation).toBe(1)
    expect(tokenRequests()).toHaveLength(1)
    // Without a word about labels they stay.
    expect((await keeper.ensure('billing', service({ scope: 'read' }))).labels).toEqual({ a: '2' })
  })

  // evertoken.yaml still holds the refresh token that the login began with; it was put back and sent, and the login died.
  test.each<[string, (definition: GrantDefinition) => GrantDefinition, Record<string, string>]>([
    ['other labels', (definition) => definition, { a: '2' }],
    ['another window', (definition) => ({ ...definition, refreshBefore: 120 }), { a: '1' }],
    ['another parameter', (definition) => ({ ...definition, parameters: { audience: 'api' } }), { a: '1' }],
  ])('with %s never brings a spent refresh token back', async (_name, change, labels) => {
    const { keeper, clock, run, server, imported } = await practised()
    const definition = await imported()
    await keeper.ensure('work', definition, { labels: { a: '1' } })
    await run(keeper.getToken('work'))
    await keeper.ensure('work', change(definition), { labels })
    await clock.advance(61 * minute)
    const token = await run(keeper.getToken('work'))
    expect(server.introspect(token.value).active).toBe(true)
    expect((await keeper.show('work')).state).toBe('active')
  })

  test('does not bring it back under another first key either', async () => {
    const file = newStoreFile()
    const key = (id: string) => ({ id, file: `${file}.${id}` })
    let keys = [key('k1')]
    const { keeper, another, clock, run, server, imported } = await practised({
      store: (clock) => sqliteStore(file, { clock, keys }),
    })
    const definition = await imported()
    await keeper.ensure('work', definition)
    await run(keeper.getToken('work'))
    keys = [key('k2'), key('k1')]
    const later = await another()
    await later.ensure('work', definition)
    await clock.advance(61 * minute)
    const token = await run(later.getToken('work'))
    expect(server.introspect(token.value).active).toBe(true)
  })

  test('with a new refresh token spends that one from now on, and revives a dead login', async () => {
    const { keeper, run, failure, server, imported, tokenRequests } = await practised({
      timing: { confirmations: [] },
    })
    const first = await imported()
    await keeper.ensure('work', first)
    server.revokeFamily(first.refreshToken?.reveal() ?? '')
    expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'invalid_grant' })
    expect((await keeper.show('work')).state).toBe('reauthorization_required')
    const second = await imported()
    expect(await keeper.ensure('work', second)).toMatchObject({ state: 'active' })
    expect((await run(keeper.getToken('work'))).generation).toBe(1)
    expect(tokenRequests().at(-1)?.presented).toBe(fingerprint(second.refreshToken?.reveal() ?? ''))
  })
})

import { DatabaseSync } from 'node:sqlite'
import type { ScriptedResponse } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import type { Keeper } from '../../src/grants/keeper.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { dueIds, practised, type Script } from './practised.ts'

const minute = 60_000
const json = (body: object, status = 200): ScriptedResponse => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

/** What arrives in place of a token response, and the code it is stored and told with. */
const malformed: readonly [string, ScriptedResponse, string][] = [
  [
    'a login page',
    { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>log in</html>' },
    'provider_answer_unusable',
  ],
  ['nothing', { status: 200 }, 'provider_answer_unusable'],
  ['half a JSON text', { status: 200, body: '{"access_token":"half' }, 'provider_answer_unusable'],
  ['a JSON list', { status: 200, body: '["access_token"]' }, 'provider_answer_unusable'],
  [
    'bytes that are no text',
    { status: 200, body: new Uint8Array([0xff, 0xfe, 0xfd]) },
    'provider_answer_unusable',
  ],
  [
    'more than 64 KiB',
    { status: 200, body: `{"access_token":"${'a'.repeat(70_000)}"}` },
    'provider_answer_unusable',
  ],
  ['no access token', json({ expires_in: 60 }), 'provider_answer_unusable'],
  ['an empty access token', json({ access_token: '' }), 'provider_answer_unusable'],
  ['an access token that is no text', json({ access_token: 5 }), 'provider_answer_unusable'],
  ['an access token with a line break', json({ access_token: 'a\nb' }), 'provider_answer_unusable'],
  ['a redirect', { status: 302, headers: { location: 'https://elsewhere.example/' } }, 'provider_redirect'],
  ['a hung up line', 'close', 'provider_unreachable'],
  ['an error with status 200', json({ error: 'server_error' }), 'provider_error'],
  ['an error without a code', json({ error: {} }), 'provider_error'],
  ['an internal error', { status: 500, body: 'oops' }, 'provider_answer_unusable'],
  ['a rate limit', { status: 429, headers: { 'retry-after': '3' } }, 'provider_answer_unusable'],
  ['a refusal of the request', json({ error: 'invalid_request' }, 400), 'provider_error'],
  ['a refusal of the client', json({ error: 'invalid_client' }, 401), 'invalid_client'],
  ['a refusal of the own scope', json({ error: 'invalid_scope' }, 400), 'invalid_scope'],
]

describe.each(malformed)('when the provider answers with %s', (_name, answer, code) => {
  test('the present token is served to its end, the failure is stored and told, and the grant goes on after it', async () => {
    const { keeper, clock, run, failure, told, service, answerWith } = await practised({
      timing: { patience: 100 },
    })
    await keeper.add('billing', service())
    await run(keeper.getToken('billing'))
    answerWith(answer)
    await clock.advance(56 * minute)
    expect(await run(keeper.getToken('billing'))).toMatchObject({ generation: 1, stale: true })
    const { lastError, failures, state, nextAttemptAt } = await keeper.show('billing')
    expect({ code: lastError?.code, failures, state }).toEqual({ code, failures: 1, state: 'active' })
    expect(nextAttemptAt).toBeGreaterThan(clock.now())
    expect(told.at(-1)).toEqual([
      'failing',
      expect.objectContaining({ grant: 'billing', code, failures: 1, nextAttemptAt }),
    ])
    await clock.advance(5 * minute)
    const error = await failure(keeper.getToken('billing'))
    expect(error).toMatchObject({ code, grant: 'billing', advice: expect.stringMatching(/\w/) })
    answerWith(undefined)
    expect((await run(keeper.refresh('billing'))).generation).toBe(2)
    expect(told.at(-1)?.[0]).toBe('recovered')
    expect(await keeper.show('billing')).toMatchObject({ failures: 0, lastError: undefined })
  })

  test('a strict login is not lost: its refresh token is sent again only when nothing else is left', async () => {
    const { keeper, clock, run, server, tokenRequests, imported, answerWith } = await practised({
      timing: { patience: 100 },
    })
    await keeper.add('work', await imported())
    await run(keeper.getToken('work'))
    const refreshes = () => tokenRequests().filter(({ grantType }) => grantType === 'refresh_token').length
    await clock.advance(50 * minute)
    answerWith(answer)
    await run(keeper.tend('work'))
    answerWith(undefined)
    const { unresolved, lastError } = await keeper.show('work')
    expect(lastError?.code).toBe(code)
    if (unresolved) {
      // Until the mandatory window nobody sends it, by hand neither.
      const before = refreshes()
      await expect(run(keeper.refresh('work'))).rejects.toMatchObject({ code: 'token_unavailable' })
      expect((await run(keeper.getToken('work'))).generation).toBe(1)
      expect(refreshes()).toBe(before)
    }
    await clock.advance(6 * minute)
    const token = await run(keeper.getToken('work'))
    expect(token.generation).toBe(2)
    expect(server.introspect(token.value).active).toBe(true)
  })
})

test.each<[string, object, number, string]>([
  ['without expires_in', {}, 55 * 60, 'assumed'],
  ['with expires_in 0', { expires_in: 0 }, 55 * 60, 'assumed'],
  ['with a negative expires_in', { expires_in: -5 }, 55 * 60, 'assumed'],
  ['with expires_in as words', { expires_in: 'soon' }, 55 * 60, 'assumed'],
  ['with expires_in as text', { expires_in: '120' }, 120, 'stated'],
  ['with expires_in null', { expires_in: null }, 55 * 60, 'assumed'],
  ['with a lifetime of a million years', { expires_in: 1e15 }, 3_155_760_000, 'stated'],
])('a token %s lives as long as can be known', async (_name, members, seconds, lifetimeFrom) => {
  const { keeper, clock, run, service, answerWith } = await practised()
  await keeper.add('billing', service())
  answerWith(json({ access_token: 'access-1', ...members }))
  const token = await run(keeper.getToken('billing'))
  expect(token.expiresAt).toBe(clock.now() + seconds * 1000)
  expect(await keeper.show('billing')).toMatchObject({ lifetimeFrom, state: 'active' })
})

test('a token that is a JWT lives until its own end, unless the provider states another', async () => {
  const { keeper, clock, run, service, answerWith } = await practised()
  await keeper.add('billing', service({ assumedLifetime: 77 }))
  const now = clock.now() / 1000
  const jwt = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`
  const lifeOf = async (answer: object) => {
    answerWith(json(answer))
    const { expiresAt } = await run(keeper.refresh('billing'))
    return [expiresAt / 1000 - now, (await keeper.show('billing')).lifetimeFrom]
  }
  expect(await lifeOf({ access_token: jwt({ iat: now, exp: now + 500 }) })).toEqual([500, 'jwt'])
  expect(await lifeOf({ access_token: jwt({ iat: now, exp: now + 500 }), expires_in: 60 })).toEqual([
    60,
    'stated',
  ])
  // Its clock is far behind ours: what it says has no meaning here.
  expect(await lifeOf({ access_token: jwt({ iat: now - 900, exp: now - 400 }) })).toEqual([77, 'assumed'])
})

describe('a refresh token that the provider refuses', () => {
  async function refused(confirm = true) {
    const at = await practised({ timing: { patience: 100 } })
    await at.keeper.add('work', at.app())
    await at.login('work', 'person-1')
    await at.clock.advance(50 * minute)
    if (confirm) at.server.revokeLogin('person-1')
    return at
  }
  const state = async (keeper: Keeper) => (await keeper.show('work')).state

  test('makes the grant suspect, then certain, and a new consent brings the same grant back', async () => {
    const { keeper, clock, run, failure, told, tokenRequests, login } = await refused()
    await run(keeper.tend('work'))
    expect(await state(keeper)).toBe('suspect')
    expect((await run(keeper.getToken('work'))).generation).toBe(1)
    await clock.advance(minute)
    await run(keeper.tend('work'))
    expect(await state(keeper)).toBe('suspect')
    await clock.advance(10 * minute)
    await run(keeper.tend('work'))
    expect(await state(keeper)).toBe('reauthorization_required')
    expect(told.filter(([event]) => event === 'reauthorization_required')).toHaveLength(1)
    expect(tokenRequests().map(({ outcome }) => outcome)).toEqual([
      'issued',
      'invalid_grant',
      'invalid_grant',
      'invalid_grant',
    ])
    // Nothing is sent any more.
    await clock.advance(60 * minute)
    expect(await dueIds(keeper)).toEqual([])
    expect(await failure(keeper.getToken('work'))).toMatchObject({
      name: 'ReauthorizationRequiredError',
      code: 'reauthorization_required',
    })
    expect(await failure(keeper.refresh('work'))).toMatchObject({ code: 'reauthorization_required' })
    expect(tokenRequests()).toHaveLength(4)

    await login('work', 'person-1')
    expect(await run(keeper.getToken('work'))).toMatchObject({ generation: 2, stale: false })
    expect(await keeper.show('work')).toMatchObject({ state: 'active', failures: 0, lastError: undefined })
  })

  test('once, and is taken the next time, was never refused for the reader', async () => {
    const { keeper, clock, run, answerWith, told } = await refused(false)
    answerWith(json({ error: 'invalid_grant' }, 400))
    await run(keeper.tend('work'))
    expect(await state(keeper)).toBe('suspect')
    answerWith(undefined)
    await clock.advance(minute)
    await run(keeper.tend('work'))
    expect(await keeper.show('work')).toMatchObject({ state: 'active', generation: 2 })
    expect(told.at(-1)).toEqual(['recovered', { grant: 'work', failures: 1 }])
  })

  test('is asked about by hand as often as one likes without becoming certain sooner', async () => {
    const { keeper, run } = await refused()
    for (let time = 0; time < 5; time++)
      await expect(run(keeper.refresh('work'))).rejects.toMatchObject({ code: 'invalid_grant' })
    expect(await state(keeper)).toBe('suspect')
  })

  test('with words that ask for a person, is certain at once', async () => {
    const { keeper, clock, run, failure, answerWith } = await refused(false)
    answerWith(json({ error: 'interaction_required', error_description: 'MFA is needed' }, 400))
    await run(keeper.tend('work'))
    expect(await keeper.show('work')).toMatchObject({
      state: 'reauthorization_required',
      reason: expect.stringContaining('MFA is needed'),
    })
    expect((await run(keeper.getToken('work'))).generation).toBe(1)
    await clock.advance(11 * minute)
    expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'reauthorization_required' })
  })

  test('comes to life when an answer arrives after all', async () => {
    const { keeper, clock, run, answerWith, another, tokenRequests } = await lateAnswer()
    // Until a request that was not processed is taken as dead.
    await clock.advance(121_000)
    const other = await another()
    answerWith(json({ error: 'interaction_required' }, 400))
    await run(other.tend('work'))
    expect((await other.show('work')).state).toBe('reauthorization_required')
    expect(tokenRequests()).toHaveLength(4)
    await keeper.answered()
    expect(await other.show('work')).toMatchObject({ state: 'active', generation: 2 })
  })

  /** A login whose refresh is held by the provider, in the mandatory window. */
  async function lateAnswer() {
    const file = newStoreFile()
    const at = await practised({ store: (clock) => sqliteStore(file, { clock }) })
    await at.keeper.add('work', await at.imported())
    await at.run(at.keeper.getToken('work'))
    await at.clock.advance(56 * minute)
    let go = (): void => undefined
    const asked = new Promise<void>((resolve) =>
      at.answerWith(() => {
        resolve()
        return new Promise((answer) => (go = () => answer(undefined)))
      }),
    )
    const tending = at.keeper.tend('work')
    await asked
    const answered = async () => {
      go()
      expect((await at.run(tending)).kind).toBe('refreshed')
    }
    return { ...at, keeper: { answered } }
  }
})

describe('a row that was changed behind our back', () => {
  async function tampered(sql: string) {
    const file = newStoreFile()
    const at = await practised({ store: (clock) => sqliteStore(file, { clock }) })
    await at.keeper.add('work', await at.imported())
    await at.keeper.add('other', await at.imported())
    await at.run(at.keeper.getToken('work'))
    await at.run(at.keeper.getToken('other'))
    const database = new DatabaseSync(file)
    database.exec(sql)
    database.close()
    await at.clock.advance(50 * minute)
    return at
  }
  const swap = (column: string) =>
    `UPDATE grants SET ${column} = (SELECT ${column} FROM grants WHERE id = 'other') WHERE id = 'work'`

  test.each(['refresh_token', 'definition'])(
    '%s of another grant: it is set aside, and nothing is sent',
    async (column) => {
      const { keeper, run, failure, tokenRequests } = await tampered(swap(column))
      const before = tokenRequests().length
      expect(await run(keeper.tend('work'))).toMatchObject({ kind: 'failed' })
      expect(await keeper.show('work')).toMatchObject({
        state: 'quarantined',
        reason: expect.stringContaining(`its ${column} does not decrypt`),
      })
      expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'grant_quarantined' })
      expect(await failure(keeper.refresh('work'))).toMatchObject({ code: 'grant_quarantined' })
      expect(tokenRequests()).toHaveLength(before)
      expect(await dueIds(keeper)).not.toContain('work')
      expect((await run(keeper.getToken('other'))).generation).toBe(1)
      await keeper.remove('work')
    },
  )

  test('an access token of another grant is given to nobody', async () => {
    const { keeper, failure } = await tampered(
      "UPDATE tokens SET sealed = (SELECT sealed FROM tokens WHERE grant_id = 'other'), generation = 9 WHERE grant_id = 'work'",
    )
    expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'store_damaged', grant: 'work' })
  })
})

describe('an answer that cannot be stored', () => {
  /** A keeper whose store takes no answers until it is mended. */
  async function broken() {
    const at = await practised({ timing: { patience: 3000 } })
    const { store } = at.keeper
    await at.keeper.add('work', at.service())
    let mended = false
    let updates = 0
    const update = store.update.bind(store)
    store.update = (id, decide) => {
      updates += 1
      return updates > 1 && !mended ? Promise.reject(new Error('no room')) : update(id, decide)
    }
    return {
      ...at,
      mend: () => {
        mended = true
      },
    }
  }

  test('is kept and stored when it can be, and told meanwhile', async () => {
    const { keeper, clock, run, failure, told, mend, answerWith, tokenRequests } = await broken()
    expect(await failure(keeper.getToken('work'))).toMatchObject({
      code: 'store_unavailable',
      cause: expect.objectContaining({ message: 'no room' }),
    })
    expect(told[0]).toEqual([
      'failing',
      expect.objectContaining({ code: 'store_unavailable', message: expect.stringContaining('no room') }),
    ])
    mend()
    const token = await run(keeper.getToken('work'))
    expect(token.generation).toBe(1)
    expect(tokenRequests()).toHaveLength(1)
    // It is over: what fails next is told as what it is.
    await clock.advance(61 * minute)
    answerWith({ status: 500 })
    expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'provider_answer_unusable' })
  })
})

test('a grant whose key is not configured is left as it is, and goes on when the key is back', async () => {
  const file = newStoreFile()
  const key = (id: string) => ({ id, file: `${file}.${id}` })
  let keys = [key('k1')]
  const { keeper, another, clock, run, failure, service } = await practised({
    store: (clock) => sqliteStore(file, { clock, keys }),
    timing: { patience: 100 },
  })
  await keeper.add('billing', service())
  keys = [key('k2')]
  const without = await another()
  expect(await failure(without.getToken('billing'))).toMatchObject({
    name: 'EvertokenError',
    code: 'wrong_encryption_key',
    message: expect.stringMatching(/^grant billing: its definition is encrypted with key "k1"/),
    advice: expect.stringContaining('Put that key back'),
  })
  expect(await without.show('billing')).toMatchObject({ state: 'active', failures: 1 })
  keys = [key('k2'), key('k1')]
  const again = await another()
  await clock.advance(30 * minute)
  expect((await run(again.getToken('billing'))).generation).toBe(1)
})

test('a listener that throws disturbs neither the refresh nor the other listeners', async () => {
  const { keeper, run, service, told } = await practised()
  const thrown = new Promise<unknown>((resolve) => {
    const before = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.once('uncaughtException', (error) => {
      for (const listener of before) process.on('uncaughtException', listener)
      resolve(error)
    })
  })
  keeper.on('refreshed', () => {
    throw new Error('a listener of ours')
  })
  await keeper.add('billing', service())
  expect((await run(keeper.getToken('billing'))).generation).toBe(1)
  expect(told.map(([event]) => event)).toEqual(['refreshed'])
  expect(await thrown).toMatchObject({ message: 'a listener of ours' })
})

test('nothing that a keeper tells, throws or shows holds a secret', async () => {
  const { keeper, run, failure, told, service, answerWith } = await practised({ timing: { patience: 100 } })
  await keeper.add('billing', service())
  const token = await run(keeper.getToken('billing'))
  const echo: Script = ({ headers, body }) =>
    json(
      { error: 'invalid_request', error_description: `bad: ${headers.authorization} ${body} ${token.value}` },
      400,
    )
  answerWith(echo)
  const error = await failure(keeper.refresh('billing'))
  const shown = JSON.stringify([
    told,
    await keeper.show('billing'),
    await keeper.list(),
    error,
    error.message,
    error.stack,
  ])
  expect(shown).not.toContain('practice-service-secret')
  expect(shown).not.toContain(Buffer.from('practice-service:practice-service-secret').toString('base64'))
})

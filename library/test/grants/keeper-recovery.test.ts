import type { PracticeServerOptions } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import type { Keeper } from '../../src/grants/keeper.ts'
import type { LifetimeOptions } from '../../src/grants/lifetime-options.ts'
import { type Practised, practised } from './practised.ts'

const second = 1000
const minute = 60 * second

/** A login with its first token, which has lived for that time of its hour: it is due. */
async function login(
  practice: PracticeServerOptions,
  lifetimes: (server: Practised['server']) => LifetimeOptions & { introspectionUrl?: string },
  lived = 50 * minute,
) {
  const at = await practised({ practice })
  const definition = await at.imported(lifetimes(at.server))
  await at.keeper.add('work', definition)
  await at.run(at.keeper.getToken('work'))
  await at.clock.advance(lived)
  const before = at.tokenRequests().length
  return {
    ...at,
    tend: () => at.run(at.keeper.tend('work')),
    /** Refreshes since then. */
    sends: () => at.tokenRequests().slice(before),
    asked: (path: string) => at.server.requests.filter((request) => request.path === path).length,
    /** Whether the provider still honours the login. */
    honoured: async () => at.server.introspect((await at.run(at.keeper.getToken('work'))).value).active,
  }
}

const kinds = async (keeper: Keeper) => (await keeper.show('work')).notices.map(({ kind }) => kind)

const introspection = {
  practice: {},
  lifetimes: ({ issuer }: Practised['server']) => ({
    introspection: true,
    introspectionUrl: `${issuer}/introspect`,
  }),
  path: '/introspect',
  lived: 50 * minute,
}
const canary = {
  practice: { oldTokenDies: true },
  lifetimes: ({ issuer }: Practised['server']) => ({ oldTokenDies: true, canary: `${issuer}/api/whoami` }),
  path: '/api/whoami',
  // Where the old token dies it is due with its mandatory window.
  lived: 55 * minute,
}

describe('an answer that was lost inside the reuse window', () => {
  test.each(['idempotent', 'last_child_wins', 'fork'] as const)(
    'of class %s is had by sending again at once',
    async (replayClass) => {
      const at = await login({ rotation: replayClass }, () => ({ replayClass, reuseWindow: 30 }))
      at.server.fault({ kind: 'drop_answer' })
      expect(await at.tend()).toMatchObject({ kind: 'failed', outcome: { verdict: 'ambiguous' } })
      expect(await at.keeper.show('work')).toMatchObject({ generation: 1, unresolved: true, failures: 1 })
      await at.pass(second)
      expect(await at.tend()).toMatchObject({ kind: 'refreshed' })
      const again = replayClass === 'idempotent' ? 'repeated' : 'issued'
      expect(at.sends().map(({ outcome }) => outcome)).toEqual(['issued', again])
      expect(await at.honoured()).toBe(true)
      expect(await kinds(at.keeper)).toEqual([])
    },
  )

  test('of last_child_wins is followed by a proof: the child is used while its parent could still help', async () => {
    const at = await login({ rotation: 'last_child_wins' }, () => ({
      replayClass: 'last_child_wins',
      reuseWindow: 30,
    }))
    at.server.fault({ kind: 'drop_answer' })
    await at.tend()
    await at.pass(second)
    await at.tend()
    // The window of 30 s begins with the first send, and leaves room for two requests of 12.5 s.
    await at.pass(4 * second)
    expect(await at.tend()).toMatchObject({ kind: 'refreshed' })
    expect(at.sends()).toHaveLength(3)
    expect(await at.keeper.show('work')).toMatchObject({ generation: 3, candidates: 0, unresolved: false })
    expect(await at.honoured()).toBe(true)
  })
})

describe.each([
  ['introspection', introspection],
  ['a canary', canary],
])('a strict login with %s, its answer missing', (_name, { practice, lifetimes, path, lived }) => {
  test('is not sent, nor asked about, while the request may still arrive', async () => {
    const at = await login(practice, lifetimes, lived)
    at.server.fault({ kind: 'drop_request' })
    await at.tend()
    const asked = at.asked(path)
    for (let waited = 0; waited < 119; waited += 17) {
      expect(await at.tend()).toMatchObject({ kind: expect.stringMatching(/^(fresh|backoff)$/) })
      await expect(at.run(at.keeper.refresh('work'))).rejects.toMatchObject({ code: 'token_unavailable' })
      await at.pass(17 * second)
    }
    expect(at.sends()).toHaveLength(1)
    expect(at.asked(path)).toBe(asked)
    expect(await kinds(at.keeper)).toEqual(['at_risk'])
  })

  test('goes on when the provider says that it never got the request', async () => {
    const at = await login(practice, lifetimes, lived)
    at.server.fault({ kind: 'drop_request' })
    await at.tend()
    await at.pass(121 * second)
    expect(await at.tend()).toMatchObject({ kind: 'refreshed' })
    expect(at.sends()).toHaveLength(2)
    expect(await at.keeper.show('work')).toMatchObject({ state: 'active', generation: 2, unresolved: false })
    expect(await at.honoured()).toBe(true)
    expect(await kinds(at.keeper)).toEqual(['at_risk', 'recovered'])
  })

  test('needs a person when the provider has replaced it, and nothing is sent that looks like theft', async () => {
    const at = await login(practice, lifetimes, lived)
    at.server.fault({ kind: 'drop_answer' })
    await at.tend()
    await at.pass(121 * second)
    await at.tend()
    expect(await at.keeper.show('work')).toMatchObject({
      state: 'reauthorization_required',
      reason: expect.stringMatching(/^lost_rotation/),
    })
    expect(at.sends()).toHaveLength(1)
    expect(await kinds(at.keeper)).toEqual(['at_risk', 'reauthorization_required'])
    expect(at.server.truth.some(({ type }) => type === 'family_killed')).toBe(false)
    // Its access token is served to the end.
    expect((await at.run(at.keeper.getToken('work'))).generation).toBe(1)
    await at.pass(8 * minute)
    expect(await at.failure(at.keeper.getToken('work'))).toMatchObject({ code: 'reauthorization_required' })
  })
})

test('a probe that says nothing is asked again, and in the mandatory window the refresh token is sent all the same', async () => {
  const at = await login({}, introspection.lifetimes)
  at.server.fault({ kind: 'drop_request' })
  await at.tend()
  at.answerWith(({ path }) => (path === '/introspect' ? { status: 503 } : undefined))
  await at.pass(121 * second)
  expect(await at.tend()).toMatchObject({ kind: 'backoff' })
  await at.pass(30 * second)
  expect(await at.tend()).toMatchObject({ kind: 'backoff' })
  expect(at.asked('/introspect')).toBe(2)
  expect(at.sends()).toHaveLength(1)
  await at.pass(3 * minute)
  expect(await at.tend()).toMatchObject({ kind: 'refreshed' })
  expect(at.sends()).toHaveLength(2)
})

describe('a strict login that cannot be asked about', () => {
  test('is sent once more in the mandatory window, and goes on if its request was never processed', async () => {
    const at = await login({}, () => ({}))
    at.server.fault({ kind: 'drop_request' })
    await at.tend()
    await at.pass(4.9 * minute)
    expect(await at.tend()).toMatchObject({ kind: expect.stringMatching(/^(fresh|backoff)$/) })
    expect(at.sends()).toHaveLength(1)
    await at.pass(0.2 * minute)
    expect(await at.tend()).toMatchObject({ kind: 'refreshed' })
    expect(at.sends()).toHaveLength(2)
    expect(await kinds(at.keeper)).toEqual(['at_risk', 'recovered'])
  })

  test('is doubted after that one replay if the answer was lost', async () => {
    const at = await login({}, () => ({}))
    at.server.fault({ kind: 'drop_answer' })
    await at.tend()
    await at.pass(5.1 * minute)
    await at.tend()
    expect(at.sends().map(({ outcome }) => outcome)).toEqual(['issued', 'invalid_grant'])
    expect(await at.keeper.show('work')).toMatchObject({ state: 'suspect' })
  })
})

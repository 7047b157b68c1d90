// Every kind of server there is, as the practice server plays it, on a clock that the test moves.

import { consent, type PracticeServerOptions } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { authorizationCode } from '../../src/grants/definition.ts'
import {
  type Measurement,
  type MeasureOptions,
  measuredLifetimes,
  measureServer,
} from '../../src/measurement/measure.ts'
import { consentedLogin, sandboxGrant } from '../../src/measurement/sandbox-login.ts'
import { Secret } from '../../src/secret.ts'
import { newRefreshToken, type Practised, practised, redirectUri } from '../grants/practised.ts'

const definitionOf = ({ server }: Practised, change: { validationUrl?: string; scope?: string } = {}) =>
  authorizationCode({ issuer: server.issuer, clientId: 'practice-app', scope: 'read', ...change })

/** Measures a practice server with logins that are consented to one by one. */
async function measured(
  practice: PracticeServerOptions,
  options: Partial<MeasureOptions> = {},
): Promise<{ measurement: Measurement; practice: Practised }> {
  const set = await practised({ practice, lifetime: 3600 })
  const { clock, transport, run, server } = set
  const definition = definitionOf(set, { validationUrl: `${server.issuer}/api/whoami` })
  const logins = () =>
    consentedLogin(
      definition,
      async (keeper) => {
        const { url } = await keeper.beginConsent(sandboxGrant, { redirectUri })
        await keeper.finishConsent(new URL(await consent(url)))
      },
      { clock, transport },
    )
  const measurement = await run(measureServer(definition, { logins, clock, transport, ...options }))
  return { measurement, practice: set }
}

describe('a used refresh token that comes again', () => {
  test('and ends the login: strict, found with two logins and no waiting', async () => {
    const { measurement } = await measured({ rotation: 'strict' })
    expect(measurement).toEqual({
      rotation: 'always',
      replayClass: 'strict',
      windowEndsWith: [],
      refusal: { error: 'invalid_grant', endsLogin: true, endsAccessToken: true },
      oldAccessToken: 'lives_on',
      accessTokenUse: 'call',
      introspection: 'tells_used_tokens',
      logins: 2,
      waited: 0,
    })
    expect(measuredLifetimes(measurement)).toEqual({
      rotation: 'always',
      replay_class: 'strict',
      old_token_dies: false,
      introspection: true,
    })
  })

  test('and is only refused: strict, and the login goes on', async () => {
    const { measurement } = await measured({ reuseKillsFamily: false, oldTokenDies: true })
    expect(measurement).toMatchObject({
      replayClass: 'strict',
      refusal: { error: 'invalid_grant', endsLogin: false, endsAccessToken: false },
      oldAccessToken: 'ends_at_refresh',
    })
    expect(measuredLifetimes(measurement)).toMatchObject({ replay_class: 'strict', old_token_dies: true })
  })

  test('and works as before: non_rotating, found with one login', async () => {
    const { measurement, practice } = await measured({ rotation: 'none' })
    expect(measurement).toMatchObject({
      rotation: 'never',
      replayClass: 'non_rotating',
      introspection: 'no_used_tokens',
      logins: 1,
      waited: 0,
    })
    expect(measurement.refusal).toBeUndefined()
    expect(practice.tokenRequests().map(({ outcome }) => outcome)).toEqual(['issued', 'issued', 'issued'])
    expect(measuredLifetimes(measurement)).toEqual({
      rotation: 'never',
      replay_class: 'non_rotating',
      old_token_dies: false,
    })
  })

  test.each([
    ['idempotent', 30, { sameAccessToken: true, windowEndsWith: [] }],
    ['last_child_wins', 30, { windowEndsWith: ['use_of_the_new_refresh_token'] }],
    ['fork', 45, { windowEndsWith: [] }],
  ] as const)(
    'and brings tokens again: %s, with a window of %i seconds to the second',
    async (rotation, reuseWindow, seen) => {
      const { measurement } = await measured({ rotation, reuseWindow })
      expect(measurement).toMatchObject({
        rotation: 'always',
        replayClass: rotation,
        reuseWindow: { atLeast: reuseWindow - 1, below: reuseWindow },
        refusal: { error: 'invalid_grant', endsLogin: true, endsAccessToken: true },
        ...seen,
      })
      expect(measuredLifetimes(measurement)).toMatchObject({
        replay_class: rotation,
        reuse_window: reuseWindow - 1,
      })
    },
  )
})

test('a server that breaks at a used refresh token, and only there, is strict', async () => {
  const set = await practised({ practice: { rotation: 'strict' } })
  const { clock, transport, run, server } = set
  const seen = new Set<string>()
  set.answerWith(({ parameters: { refresh_token: token } }) => {
    if (token === undefined) return undefined
    const used = seen.has(token)
    seen.add(token)
    return used ? { status: 500, body: '<html>' } : undefined
  })
  const logins = async () => ({ refreshToken: new Secret(await newRefreshToken(server)) })
  const measurement = await run(measureServer(definitionOf(set), { logins, clock, transport }))
  expect(measurement).toMatchObject({
    replayClass: 'strict',
    refusal: { error: 'status 500', endsLogin: false },
  })
})

test('a server that is away by then ends the measurement', async () => {
  const set = await practised({ practice: { rotation: 'strict' } })
  const { clock, transport, server, failure } = set
  const seen = new Set<string>()
  let away = false
  set.answerWith(({ parameters: { refresh_token: token } }) => {
    if (token === undefined) return undefined
    away ||= seen.has(token)
    seen.add(token)
    return away ? { status: 502, body: '<html>' } : undefined
  })
  const logins = async () => ({ refreshToken: new Secret(await newRefreshToken(server)) })
  const error = await failure(measureServer(definitionOf(set), { logins, clock, transport }))
  expect(error).toMatchObject({ code: 'provider_answer_unusable', message: expect.stringContaining('502') })
})

test('a server whose introspection ends the login is told so, and is strict', async () => {
  const set = await practised({ practice: { rotation: 'strict' } })
  const { clock, transport, run, server } = set
  const asked = new Set<string>()
  set.answerWith(({ path, parameters: { token, refresh_token: spent } }) => {
    if (path === '/introspect' && token !== undefined) asked.add(token)
    return spent !== undefined && asked.has(spent)
      ? { status: 400, body: '{"error":"invalid_grant"}' }
      : undefined
  })
  const logins = async () => ({ refreshToken: new Secret(await newRefreshToken(server)) })
  const measurement = await run(measureServer(definitionOf(set), { logins, clock, transport }))
  expect(measurement).toMatchObject({
    replayClass: 'strict',
    introspection: 'ends_logins',
    unclear: 'an ordinary refresh was refused after questions about its token (invalid_grant)',
  })
  expect(measuredLifetimes(measurement)).toMatchObject({ introspection: false })
})

test('a server at which one of two children ends the other, whichever is used first, fits no class', async () => {
  const set = await practised({ practice: { rotation: 'fork', reuseWindow: 600 } })
  const { clock, transport, run, server } = set
  const sent: string[] = []
  set.answerWith(({ parameters: { refresh_token: token } }) => {
    if (token !== undefined) sent.push(token)
    // The replay is the one that stands there twice; of its two children the second to be used is refused.
    const replayed = sent.findIndex((one, at) => sent.indexOf(one) !== at)
    const since = replayed < 0 ? 0 : sent.length - 1 - replayed
    return token !== undefined && since === 2 ? { status: 400, body: '{"error":"invalid_grant"}' } : undefined
  })
  const logins = async () => ({ refreshToken: new Secret(await newRefreshToken(server)) })
  const measurement = await run(measureServer(definitionOf(set), { logins, clock, transport }))
  expect(measurement).toMatchObject({
    replayClass: 'strict',
    unclear: 'it brought another refresh token, and that does not work',
  })
})

describe('the search for a window', () => {
  test('ends at the longest wait, and says what was seen: at least so long', async () => {
    const { measurement } = await measured({ rotation: 'fork', reuseWindow: 600 }, { longestWindow: 20 })
    expect(measurement.reuseWindow).toEqual({ atLeast: 20 })
    // One login that is tried again and again, and one that is tried once at the end.
    expect(measurement).toMatchObject({ logins: 6, waited: 40 })
    expect(measurement.refusal).toBeUndefined()
  })

  test('is as exact as it is asked to be', async () => {
    const { measurement } = await measured({ rotation: 'fork', reuseWindow: 30 }, { precision: 10 })
    expect(measurement.reuseWindow).toEqual({ atLeast: 20, below: 30 })
  })

  test('a window below a second is none, and the profile is strict', async () => {
    const { measurement } = await measured({ rotation: 'idempotent', reuseWindow: 0.5 })
    expect(measurement).toMatchObject({ replayClass: 'idempotent', reuseWindow: { atLeast: 0, below: 1 } })
    expect(measuredLifetimes(measurement)).toMatchObject({ replay_class: 'strict' })
    expect(measuredLifetimes(measurement)).not.toHaveProperty('reuse_window')
  })

  test('ends with the logins, and states what was seen until then', async () => {
    const { measurement } = await measured({ rotation: 'fork', reuseWindow: 30 }, { mostLogins: 5 })
    expect(measurement).toMatchObject({ logins: 5, reuseWindow: { atLeast: 1, below: 32 } })
  })

  test('can be ended by whoever asked for it', async () => {
    const ended = new AbortController()
    const work = measured(
      { rotation: 'fork', reuseWindow: 30 },
      { signal: ended.signal, onStep: (step) => step === 'window' && ended.abort(new Error('enough')) },
    )
    await expect(work).rejects.toThrow('enough')
  })
})

describe('logins', () => {
  test('that are handed over as refresh tokens alone are refreshed once first', async () => {
    const set = await practised({ practice: { rotation: 'strict' } })
    const { clock, transport, run, server } = set
    const given = [await newRefreshToken(server), await newRefreshToken(server)]
    const logins = async () => {
      const next = given.shift()
      return next === undefined ? undefined : { refreshToken: new Secret(next) }
    }
    const measurement = await run(measureServer(definitionOf(set), { logins, clock, transport }))
    expect(measurement).toMatchObject({ replayClass: 'strict', logins: 2, accessTokenUse: 'introspection' })
  })

  test('are too few with one where refresh tokens rotate', async () => {
    const set = await practised({ practice: { rotation: 'strict' } })
    const given = [new Secret(await newRefreshToken(set.server))]
    const logins = async () => {
      const refreshToken = given.shift()
      return refreshToken && { refreshToken }
    }
    const { clock, transport } = set
    const error = await set.failure(measureServer(definitionOf(set), { logins, clock, transport }))
    expect(error).toMatchObject({ code: 'no_refresh_token', message: '1 logins are too few to measure with' })
  })

  test('one that was used elsewhere is told from a used token that is refused', async () => {
    const set = await practised({ practice: { rotation: 'strict' } })
    const { clock, transport, server, failure } = set
    const token = await newRefreshToken(server)
    const logins = async () => ({ refreshToken: new Secret(token) })
    const error = await failure(measureServer(definitionOf(set), { logins, clock, transport }))
    expect(error).toMatchObject({
      code: 'invalid_grant',
      message: 'a refresh token that this measurement had not used before was refused',
      advice: expect.stringContaining('used elsewhere'),
    })
  })

  test('without a refresh token are refused, with what to ask for', async () => {
    const set = await practised()
    const { clock, transport, failure, server } = set
    set.answerWith(({ path, parameters }) =>
      path === '/token' && parameters.grant_type === 'authorization_code'
        ? {
            status: 200,
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ access_token: 'only', token_type: 'Bearer', expires_in: 60 }),
          }
        : undefined,
    )
    const work = consentedLogin(
      authorizationCode({ issuer: server.issuer, clientId: 'practice-app', scope: 'read' }),
      async (keeper) => {
        const { url } = await keeper.beginConsent(sandboxGrant, { redirectUri })
        await keeper.finishConsent(new URL(await consent(url)))
      },
      { clock, transport },
    )
    expect(await failure(work)).toMatchObject({
      code: 'no_refresh_token',
      advice: expect.stringContaining('offline_access'),
    })
  })
})

test.each([
  [503, '{"error":"temporarily_unavailable"}', 'provider_error'],
  [500, '<html>', 'provider_answer_unusable'],
  [401, '{"error":"invalid_client"}', 'invalid_client'],
])(
  'an answer of %i says nothing about a token, and ends the measurement after one send',
  async (status, body, code) => {
    const set = await practised({ practice: { rotation: 'strict' } })
    const { clock, transport, server, failure } = set
    const login = { refreshToken: new Secret(await newRefreshToken(server)), accessToken: new Secret('any') }
    const before = set.tokenRequests().length
    set.answerWith(({ path }) => (path === '/token' ? { status, body } : undefined))
    const error = await failure(
      measureServer(definitionOf(set), { logins: async () => login, clock, transport }),
    )
    expect(error.code).toBe(code)
    expect(error.message).toMatch(/so the measurement ends here$/)
    expect(set.tokenRequests().length - before).toBe(1)
  },
)

test.each([
  ['the longest window', { longestWindow: 0 }],
  ['the precision', { precision: 0.5 }],
  ['the number of logins', { mostLogins: 1 }],
])('%s out of its bounds is refused before anything is sent', async (what, wrong) => {
  const set = await practised()
  const error = await set.failure(
    measureServer(definitionOf(set), { logins: async () => undefined, transport: set.transport, ...wrong }),
  )
  expect(error).toMatchObject({ code: 'invalid_request', message: expect.stringContaining(what) })
  expect(set.server.requests).toEqual([])
})

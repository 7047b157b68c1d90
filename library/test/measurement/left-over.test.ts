import { consent, type PracticeServerOptions } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { authorizationCode } from '../../src/grants/definition.ts'
import { type LeftTokens, type MeasureOptions, measureServer } from '../../src/measurement/measure.ts'
import { consentedLogin, type SandboxLogin, sandboxGrant } from '../../src/measurement/sandbox-login.ts'
import type { Transport } from '../../src/oauth/transport.ts'
import { type Practised, practised, redirectUri } from '../grants/practised.ts'

/** Measures a practice server, and tells what it was told of tokens at its revocation endpoint. */
async function measured(
  practice: PracticeServerOptions,
  options: Partial<MeasureOptions> = {},
  through: (set: Practised) => Transport = ({ transport }) => transport,
) {
  const set = await practised({ practice, lifetime: 3600 })
  const { clock, run, server } = set
  const transport = through(set)
  const definition = authorizationCode({ issuer: server.issuer, clientId: 'practice-app', scope: 'read' })
  const logins = (): Promise<SandboxLogin> =>
    consentedLogin(
      definition,
      async (keeper) => {
        const { url } = await keeper.beginConsent(sandboxGrant, { redirectUri })
        await keeper.finishConsent(new URL(await consent(url)))
      },
      { clock, transport },
    )
  const left: LeftTokens[] = []
  const measuring = run(
    measureServer(definition, {
      logins,
      clock,
      transport,
      onLeft: (tokens) => left.push(tokens),
      ...options,
    }),
  )
  const outcome = await measuring.then(
    () => 'measured',
    (error: { code?: string }) => error.code,
  )
  const told = server.requests.filter(({ path }) => path === '/revoke').length
  return { set, left, outcome, told }
}

describe('what a measurement leaves', () => {
  test.each([
    [{ rotation: 'none' }, 2],
    [{ rotation: 'strict', reuseKillsFamily: false }, 4],
    [{ rotation: 'fork', reuseWindow: 600 }, 14],
  ] as const)('of %j is revoked, each token once', async (practice, least) => {
    const { left, told, outcome, set } = await measured(practice, { longestWindow: 2 })
    expect(outcome).toBe('measured')
    expect(left).toEqual([{ outcome: 'revoked', revoked: told, left: 0 }])
    expect(told).toBeGreaterThanOrEqual(least)
    expect(set.server.requests.at(-1)?.path).toBe('/revoke')
  })

  test('lives on where somebody wants to keep it', async () => {
    const { left, told } = await measured({ rotation: 'none' }, { keep: true })
    expect({ left, told }).toEqual({ left: [], told: 0 })
  })

  test('is revoked too where the measurement fails', async () => {
    let count = 0
    const { left, outcome } = await measured({ rotation: 'strict' }, { mostLogins: 2 }, ({ transport }) => {
      return async (request) => {
        const isRefresh = request.body?.includes('grant_type=refresh_token') === true
        if (isRefresh) count += 1
        if (isRefresh && count === 3)
          return {
            status: 401,
            headers: { 'content-type': 'application/json' },
            body: '{"error":"invalid_client"}',
          }
        return transport(request)
      }
    })
    expect(outcome).toBe('invalid_client')
    expect(left).toEqual([{ outcome: 'revoked', revoked: expect.any(Number), left: 0 }])
  })

  test('is counted where the server has no way to revoke, refuses, or is away, which changes no finding', async () => {
    const answering =
      (status: number, body = '') =>
      ({ transport }: Practised): Transport =>
      async (request) =>
        request.url.endsWith('/revoke')
          ? { status, headers: { 'content-type': 'application/json' }, body }
          : transport(request)
    const refused = await measured({ rotation: 'none' }, {}, answering(403))
    expect(refused.left).toEqual([{ outcome: 'failed', revoked: 0, left: 2, why: 'status 403' }])
    const kind = await measured(
      { rotation: 'none' },
      {},
      answering(400, '{"error":"unsupported_token_type"}'),
    )
    expect(kind.left).toEqual([{ outcome: 'unsupported', revoked: 0, left: 2 }])
    expect([refused.outcome, kind.outcome]).toEqual(['measured', 'measured'])
  })

  test('is not spoken of once somebody wants an end', async () => {
    const end = new AbortController()
    const { left, told } = await measured(
      { rotation: 'fork', reuseWindow: 600 },
      { signal: end.signal, onStep: (step) => step === 'window' && end.abort() },
    )
    expect(told).toBe(0)
    expect(left).toMatchObject([{ outcome: 'interrupted', revoked: 0 }])
    expect(left[0]?.left).toBeGreaterThan(4)
  })
})

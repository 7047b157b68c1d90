import type { ScriptedResponse } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import type { RequestDialect } from '../../src/providers/profile.ts'
import { practised } from './practised.ts'

const minute = 60_000
type Kind = 'refresh_token' | 'access_token'

/** A login at a provider that answers each kind of token as the test says; `kinds` are those that it was told of. */
async function revocable(answerTo: (kind: Kind) => ScriptedResponse | undefined, revoke?: RequestDialect) {
  const at = await practised()
  const definition = await at.imported({ revocationUrl: `${at.server.issuer}/revoke` })
  const dialect = revoke && { id: 'acme', variables: {}, requests: { revoke } }
  await at.keeper.add('work', { ...definition, client: { ...definition.client, dialect } })
  await at.run(at.keeper.getToken('work'))
  const kinds: Kind[] = []
  at.answerWith(({ path, parameters }) => {
    if (path !== '/revoke') return undefined
    const kind = parameters.token_type_hint as Kind
    kinds.push(kind)
    return answerTo(kind)
  })
  return { ...at, kinds }
}

const answers =
  (by: Partial<Record<Kind, ScriptedResponse>>) =>
  (kind: Kind): ScriptedResponse | undefined =>
    by[kind]
const says = (status: number, error: string): ScriptedResponse => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ error }),
})

describe('what becomes of each token of a login that is revoked', () => {
  test('is told by kind: the refresh tokens first, then the access token', async () => {
    const { keeper, run, kinds, clock } = await revocable(() => undefined)
    const { told: said } = await run(keeper.revoke('work'))
    expect(said).toMatchObject({ refreshToken: { outcome: 'revoked' }, accessToken: { outcome: 'revoked' } })
    expect(said?.refreshToken?.at).toBeLessThanOrEqual(clock.now())
    expect(kinds).toEqual(['refresh_token', 'refresh_token', 'access_token'])
  })

  test('is both unsupported where there is no endpoint', async () => {
    const at = await practised()
    await at.keeper.add('work', await at.imported())
    await at.run(at.keeper.getToken('work'))
    expect(await at.run(at.keeper.revoke('work'))).toMatchObject({
      upstream: 'unsupported',
      told: { refreshToken: { outcome: 'unsupported' }, accessToken: { outcome: 'unsupported' } },
    })
  })

  test('is pending with the time of the next try while the provider cannot take it, and no more is asked of it', async () => {
    const { keeper, run, kinds, clock } = await revocable(answers({ refresh_token: { status: 503 } }))
    const summary = await run(keeper.revoke('work'))
    expect(summary).toMatchObject({
      state: 'revoking',
      upstream: undefined,
      told: {
        refreshToken: { outcome: 'pending', why: 'status 503' },
        accessToken: { outcome: 'pending', why: 'status 503' },
      },
    })
    expect(summary.nextAttemptAt).toBeGreaterThanOrEqual(clock.now())
    expect(kinds).toEqual(['refresh_token'])
  })

  test('is failed once that is given up', async () => {
    const { keeper, run, clock } = await revocable(answers({ refresh_token: says(401, 'invalid_client') }))
    await run(keeper.revoke('work'))
    await clock.advance(7 * 24 * 60 * minute + 1)
    await run(keeper.tend('work'))
    expect(await keeper.show('work')).toMatchObject({
      state: 'revoked',
      upstream: 'failed',
      // The access token has expired by then.
      told: { refreshToken: { outcome: 'failed', why: 'invalid_client' }, accessToken: undefined },
    })
  })

  test.each([
    ['does not revoke access tokens', says(400, 'unsupported_token_type'), { outcome: 'unsupported' }],
    ['refuses access tokens', says(400, 'invalid_request'), { outcome: 'failed', why: 'invalid_request' }],
  ])('ends the login all the same where the provider %s', async (_name, answer, accessToken) => {
    const { keeper, run } = await revocable(answers({ access_token: answer }))
    expect(await run(keeper.revoke('work'))).toMatchObject({
      state: 'revoked',
      upstream: 'revoked',
      told: { refreshToken: { outcome: 'revoked' }, accessToken },
    })
  })

  test('is told again of the access token alone until that has expired', async () => {
    const { keeper, run, kinds, clock } = await revocable(answers({ access_token: { status: 503 } }))
    expect(await run(keeper.revoke('work'))).toMatchObject({
      state: 'revoking',
      told: { refreshToken: { outcome: 'revoked' }, accessToken: { outcome: 'pending' } },
    })
    await clock.advance(2 * 60 * minute)
    await run(keeper.tend('work'))
    expect(await keeper.show('work')).toMatchObject({ state: 'revoked', upstream: 'revoked' })
    expect(kinds.filter((kind) => kind === 'access_token')).toHaveLength(1)
  })

  test('follows the profile: an access token may be all that is taken, and take the login along', async () => {
    const only = { tokens: ['access_token'] } as const
    const without = await revocable(() => undefined, only)
    expect(await without.run(without.keeper.revoke('work'))).toMatchObject({
      upstream: 'unsupported',
      told: { refreshToken: { outcome: 'unsupported' }, accessToken: { outcome: 'revoked' } },
    })
    const along = await revocable(() => undefined, { ...only, ends_login: true })
    expect(await along.run(along.keeper.revoke('work'))).toMatchObject({
      upstream: 'revoked',
      told: { refreshToken: { outcome: 'revoked' }, accessToken: { outcome: 'revoked' } },
    })
    expect(along.kinds).toEqual(['access_token'])
  })

  test('is told of tokens for other scopes as well', async () => {
    const at = await practised()
    await at.keeper.add('billing', at.service({ revocationUrl: `${at.server.issuer}/revoke` }))
    const own = await at.run(at.keeper.getToken('billing'))
    const narrow = await at.run(at.keeper.getToken('billing', { scope: 'read' }))
    expect(await at.run(at.keeper.revoke('billing'))).toMatchObject({
      upstream: 'revoked',
      told: { refreshToken: undefined, accessToken: { outcome: 'revoked' } },
    })
    for (const { value } of [own, narrow]) expect(at.server.introspect(value).active).toBe(false)
  })
})

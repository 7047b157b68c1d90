import { describe, expect, test } from 'vitest'
import { type GrantState, grantTypes, needsLogin, ownToken } from '../../src/grants/grant.ts'
import { loginAdvice } from '../../src/grants/login-advice.ts'
import { adviceOn } from '../../src/grants/outcome.ts'
import { readingOf, reauthorizationRequired } from '../../src/grants/reading.ts'
import { grantRecord, statuses, utc } from './records.ts'

// Who had handed in a refresh token was told to log in, which such a grant never can.
describe.each(grantTypes)('what is advised on a grant of type %s', (grantType) => {
  const grant = { id: 'work', grantType }
  const ways = {
    authorization_code:
      /evertoken login work, POST \/v1\/grants\/work\/connect on the broker, or beginConsent/,
    password: /evertoken login work, or keeper\.login/,
    refresh_token: /refresh token of a new login by evertoken replace work/,
    client_credentials: /evertoken resume work/,
    jwt_bearer: /evertoken resume work/,
    token_exchange: /evertoken resume work/,
    request: /evertoken resume work/,
  }

  test.each(['invalid_grant', 'reauthorization_required'] as const)('%s: only what it can do', (code) => {
    const advice = adviceOn(grant, code)
    expect(advice).toMatch(ways[grantType])
    if (!needsLogin(grantType)) expect(advice).not.toMatch(/login work|connect|consent/i)
    if (grantType === 'password') expect(advice).not.toMatch(/connect|consent/i)
  })

  test('the same once it is given up', () => {
    expect(reauthorizationRequired(grant, 'why').advice).toBe(loginAdvice(grant))
  })

  test.each<GrantState>(['quarantined', 'revoked'])(
    'and of one that is %s no login that it cannot have',
    (state) => {
      const got = readingOf(grantRecord({ ...grant, status: statuses[state] }), ownToken, 0, utc)
      const advice = got.kind === 'refuse' ? got.error.advice : undefined
      expect(advice?.includes('evertoken login work')).toBe(needsLogin(grantType))
    },
  )
})

test('a login that came beside another is renewed with that', () => {
  expect(loginAdvice({ id: 'work.user', grantType: 'refresh_token' })).toContain('beside work')
  expect(loginAdvice({ id: 'work', grantType: 'refresh_token' })).not.toContain('beside')
})

import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import type { TokenResponse } from '../../src/oauth/token-answer.ts'
import { readTokenAnswer } from '../../src/oauth/token-response.ts'

/** What is read from a successful answer with these members. */
function read(members: object): TokenResponse {
  const body = JSON.stringify({ access_token: 'at-1', refresh_token: 'rt-1', ...members })
  const answer = readTokenAnswer({ status: 200, headers: {}, body }, [], 0)
  if (answer.kind !== 'tokens') throw new Error(answer.kind)
  return answer.response
}

const base64url = (text: string) => Buffer.from(text).toString('base64url')
const idToken = (claims: string) => `${base64url('{"alg":"RS256"}')}.${base64url(claims)}.c2lnbmF0dXJl`

test.each([
  [{ refresh_token_expires_in: 15_552_000 }, 15_552_000],
  [{ refresh_token_expires_in: '15552000' }, 15_552_000],
  [{ x_refresh_token_expires_in: 8_640_000 }, 8_640_000],
  [{ refresh_expires_in: 1800 }, 1800],
  [{ refresh_token_expires_in: 100, refresh_expires_in: 200 }, 100],
  // Keycloak says 0 for an offline token, which has no age limit.
  [{ refresh_expires_in: 0 }, undefined],
  [{ refresh_token_expires_in: null, x_refresh_token_expires_in: 50 }, 50],
  [{ refresh_token_expires_in: 'never' }, undefined],
  [{ refresh_token_expires_in: -1 }, undefined],
  [{}, undefined],
])('with %j the refresh token lives %s seconds', (members, seconds) => {
  expect(read(members).refreshTokenExpiresIn).toBe(seconds)
})

test.each([
  ['{"sub":"248289761001"}', '248289761001'],
  ['{"sub":"jürgen|123"}', 'jürgen|123'],
  ['{"sub":""}', undefined],
  ['{"sub":5}', undefined],
  ['{}', undefined],
  ['[]', undefined],
  [`{"sub":"${'x'.repeat(256)}"}`, undefined],
])('an id_token with the claims %s is of the subject %s', (claims, subject) => {
  const response = read({ id_token: idToken(claims) })
  expect(response.subject).toBe(subject)
  expect(response.idToken?.reveal()).toBe(idToken(claims))
})

test.each(['garbage', 'a.b', 'a.!!!.c', `a.${base64url('no json')}.c`, 5, null, ['a.b.c']])(
  'an id_token of %j names no subject',
  (value) => {
    expect(read({ id_token: value })).not.toHaveProperty('subject')
  },
)

test('a subject is not printed with the tokens', () => {
  expect(inspect(read({ id_token: idToken('{"sub":"ann"}') }).idToken)).not.toContain('eyJ')
})

import { expect, test } from 'vitest'
import { PracticeState } from '../src/practice-state.ts'

const login = {
  id: 'login',
  clientId: 'app',
  subject: 'ann',
  grantType: 'authorization_code',
  scope: [],
  openedAt: 0,
}
const access = (digest: string, expiresAt: number, id = 'login') => ({
  digest,
  login: id,
  scope: [],
  audience: [],
  issuedAt: 0,
  expiresAt,
})
const refreshToken = (digest: string) => ({ digest, login: 'login', issuedAt: 0, expiresAt: 1_000_000 })

test('what expired is forgotten after many events, but never that a refresh token was used', () => {
  const state = new PracticeState(undefined, 0)
  state.commit({
    type: 'tokens_issued',
    at: 0,
    opens: login,
    accessToken: access('a1', 100),
    refreshToken: refreshToken('r1'),
  })
  state.commit({
    type: 'tokens_issued',
    at: 0,
    accessToken: access('a2', 1_000),
    refreshToken: refreshToken('r2'),
    spentRefreshToken: 'r1',
  })
  const service = { ...login, id: 'service', grantType: 'client_credentials' }
  state.commit({
    type: 'tokens_issued',
    at: 0,
    opens: service,
    accessToken: access('a3', 100, 'service'),
  })
  state.commit({ type: 'assertion_accepted', at: 0, issuer: 'i', jti: 'old', expiresAt: 100 })
  state.commit({ type: 'assertion_accepted', at: 0, issuer: 'i', jti: 'new', expiresAt: 1_000 })
  for (let count = 0; count < 10_000; count++)
    state.commit({ type: 'access_token_revoked', at: 500, digest: 'none' })

  expect(state.accessToken('a1')).toBeUndefined()
  expect(state.accessToken('a2')?.expiresAt).toBe(1_000)
  expect(state.login('service')).toBeUndefined()
  expect(state.login('login')).toEqual(login)
  expect(state.refreshToken('r1')?.child).toBe('r2')
  expect(state.assertionWasUsed('i', 'old')).toBe(false)
  expect(state.assertionWasUsed('i', 'new')).toBe(true)
})

import { type Answer, emptyAnswer, OAuthError } from './answer.ts'
import { needClient } from './client-verification.ts'
import { type Exchange, type Practice, readForm } from './exchange.ts'
import { digest, fingerprint } from './request-record.ts'

/**
 * RFC 7009. A refresh token takes its family and all access tokens with it, an access token only itself; a token that
 * is not known is answered as if it had been revoked (section 2.2).
 */
export async function revocationEndpoint(exchange: Exchange, practice: Practice): Promise<Answer> {
  const form = readForm(exchange)
  const client = await needClient(exchange, form, practice)
  const token = form.need('token')
  exchange.record.presented = fingerprint(token)
  const { state } = practice
  const tokenDigest = digest(token)
  const access = state.accessToken(tokenDigest)
  const loginId = access?.login ?? state.refreshToken(tokenDigest)?.login
  const login = loginId === undefined ? undefined : state.login(loginId)
  if (login === undefined) return emptyAnswer(200)
  exchange.record.login = login.id
  exchange.record.subject = login.subject
  // Section 2.1: the server verifies "whether the token was issued to the client making the revocation request".
  if (login.clientId !== client.clientId)
    throw new OAuthError('invalid_grant', 'the token was issued to another client')
  if (access) state.commit({ type: 'access_token_revoked', at: practice.now(), digest: tokenDigest })
  else if (login.revoked === undefined) {
    state.commit({ type: 'login_revoked', at: practice.now(), login: login.id, reason: 'revoked_by_client' })
    practice.truth.of(exchange.record.number)({ type: 'revoked', login: login.id, by: 'client' })
  }
  return emptyAnswer(200)
}

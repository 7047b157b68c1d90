import { type Answer, jsonAnswer, OAuthError } from './answer.ts'
import type { Exchange, Practice } from './exchange.ts'
import { liveAccessToken } from './introspection.ts'
import { fingerprint } from './request-record.ts'

const realm = 'Bearer realm="practice server"'

/** An API that wants an access token of this server, RFC 6750: says whose token it is. */
export function whoami(exchange: Exchange, practice: Practice): Answer {
  const { authorization } = exchange.headers
  // RFC 6750 section 3.1: a request without a token gets no error code.
  if (authorization === undefined) {
    exchange.record.outcome = 'token_missing'
    return jsonAnswer(401, { error: 'token_missing' }, { 'www-authenticate': realm })
  }
  const [, token] = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization) ?? []
  if (token === undefined)
    throw refusal('invalid_request', 400, 'the Authorization header holds no Bearer token')
  exchange.record.presented = fingerprint(token)
  const live = liveAccessToken(token, practice)
  if (live === undefined)
    throw refusal('invalid_token', 401, 'the access token is expired, revoked or not known')
  const { login, stored } = live
  exchange.record.outcome = 'accepted'
  exchange.record.clientId = login.clientId
  exchange.record.login = login.id
  exchange.record.subject = login.subject
  return jsonAnswer(200, {
    client_id: login.clientId,
    sub: login.subject,
    scope: stored.scope.join(' '),
    expires_in: Math.floor((stored.expiresAt - practice.now()) / 1000),
  })
}

function refusal(
  error: 'invalid_token' | 'invalid_request',
  status: number,
  description: string,
): OAuthError {
  const challenge = `${realm}, error="${error}", error_description="${description}"`
  return new OAuthError(error, description, { status, headers: { 'www-authenticate': challenge } })
}

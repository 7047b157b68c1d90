import { type Answer, jsonAnswer, OAuthError, type OAuthErrorCode } from './answer.ts'
import type { Exchange, Practice } from './exchange.ts'
import { liveAccessToken } from './introspection.ts'
import { proofAlgorithms, verifyProof } from './proof-verification.ts'
import { fingerprint } from './request-record.ts'

const realm = 'realm="practice server"'
const challenges = { bearer: `Bearer ${realm}`, dpop: `DPoP ${realm}, algs="${proofAlgorithms.join(' ')}"` }
type Scheme = keyof typeof challenges

/**
 * An API that wants an access token of this server, RFC 6750, and with one that is bound to a key its proof, RFC 9449
 * section 7: says whose token it is.
 */
export async function whoami(exchange: Exchange, practice: Practice): Promise<Answer> {
  const { authorization } = exchange.headers
  // RFC 6750 section 3.1: a request without a token gets no error code.
  if (authorization === undefined) {
    exchange.record.outcome = 'token_missing'
    return jsonAnswer(401, { error: 'token_missing' }, { 'www-authenticate': challenges.bearer })
  }
  const [, named = '', token] = /^(bearer|dpop) +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization) ?? []
  if (token === undefined)
    throw refusal('bearer', 'invalid_request', 400, 'the Authorization header holds no Bearer or DPoP token')
  const scheme = named.toLowerCase() as Scheme
  exchange.record.presented = fingerprint(token)
  const jkt = scheme === 'dpop' ? await provedBy(token, exchange, practice) : undefined
  const live = liveAccessToken(token, practice)
  if (live === undefined)
    throw refusal(scheme, 'invalid_token', 401, 'the access token is expired, revoked or not known')
  const { login, stored } = live
  // RFC 9449 section 7.2: a bound token is none for the Bearer scheme.
  if (stored.jkt !== jkt)
    throw refusal(scheme, 'invalid_token', 401, 'the access token is not bound to the key of a proof')
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

async function provedBy(token: string, exchange: Exchange, practice: Practice): Promise<string> {
  try {
    const jkt = await verifyProof(exchange, practice, token)
    if (jkt === undefined) throw new OAuthError('invalid_dpop_proof', 'the DPoP header is missing')
    return jkt
  } catch (error) {
    if (error instanceof OAuthError) throw refusal('dpop', error.error, 401, error.message)
    throw error
  }
}

function refusal(scheme: Scheme, error: OAuthErrorCode, status: number, description: string): OAuthError {
  const challenge = `${challenges[scheme]}, error="${error}", error_description="${description}"`
  return new OAuthError(error, description, { status, headers: { 'www-authenticate': challenge } })
}

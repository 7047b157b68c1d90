import { createHash } from 'node:crypto'
import { type Answer, OAuthError } from './answer.ts'
import type { Exchange, Parameters, Practice } from './exchange.ts'
import { issueTokens, newLogin } from './issue.ts'
import type { ResolvedClient } from './practice-options.ts'
import { digest, fingerprint } from './request-record.ts'

/** RFC 6749 section 4.1.3 with the proof of RFC 7636 section 4.6. */
export function authorizationCodeGrant(
  client: ResolvedClient,
  form: Parameters,
  exchange: Exchange,
  practice: Practice,
): Answer {
  const presented = form.need('code')
  const verifier = form.need('code_verifier')
  exchange.record.presented = fingerprint(presented)
  const code = practice.state.code(digest(presented))
  if (code === undefined || code.clientId !== client.clientId)
    throw new OAuthError('invalid_grant', 'the code is not known or belongs to another client')
  exchange.record.subject = code.subject
  if (code.login !== undefined) {
    // RFC 6749 section 4.1.2: whoever came first may have been the thief.
    const revoked = { login: code.login, reason: 'code_reused' }
    practice.state.commit({ type: 'login_revoked', at: practice.now(), ...revoked })
    exchange.note({ type: 'revoked', login: code.login, by: 'client' })
    throw new OAuthError('invalid_grant', 'the code was used before; what it gave is revoked')
  }
  if (code.expiresAt <= practice.now()) throw new OAuthError('invalid_grant', 'the code has expired')
  if (form.get('redirect_uri') !== code.redirectUri)
    throw new OAuthError('invalid_grant', 'redirect_uri is not that of the authorization request')
  if (challengeOf(verifier) !== code.codeChallenge)
    throw new OAuthError('invalid_grant', 'code_verifier does not match the code_challenge')
  if (code.jkt !== undefined && code.jkt !== exchange.jkt)
    throw new OAuthError('invalid_grant', 'the code is bound to another key (dpop_jkt)')
  const { clientId, subject, scope, audience } = code
  return issueTokens(
    {
      login: newLogin({ clientId, subject, grantType: 'authorization_code', scope }, practice.now()),
      opens: true,
      scope,
      audience,
      withRefreshToken: client.grantTypes.has('refresh_token'),
      accessTokenLifetime: client.accessTokenLifetime,
      spentCode: code.digest,
    },
    exchange,
    practice,
  )
}

/** S256 of RFC 7636 section 4.2. */
function challengeOf(verifier: string): string {
  if (!/^[A-Za-z0-9._~-]{43,128}$/.test(verifier))
    throw new OAuthError('invalid_request', 'code_verifier must be 43 to 128 unreserved characters')
  return createHash('sha256').update(verifier).digest('base64url')
}

import { type Answer, OAuthError } from './answer.ts'
import type { Exchange, Parameters, Practice } from './exchange.ts'
import { issueTokens, newLogin } from './issue.ts'
import type { ResolvedClient } from './practice-options.ts'
import { digest, fingerprint } from './request-record.ts'

/** Seconds, RFC 8628 section 3.5. */
const slowDown = 5

/** RFC 8628 sections 3.4 and 3.5. */
export function deviceCodeGrant(
  client: ResolvedClient,
  form: Parameters,
  exchange: Exchange,
  practice: Practice,
): Answer {
  const presented = form.need('device_code')
  exchange.record.presented = fingerprint(presented)
  const code = practice.state.deviceCode(digest(presented))
  if (code === undefined || code.clientId !== client.clientId)
    throw new OAuthError('invalid_grant', 'the device code is not known or belongs to another client')
  if (code.login !== undefined) throw new OAuthError('invalid_grant', 'the device code was used before')
  const now = practice.now()
  if (code.expiresAt <= now) throw new OAuthError('expired_token', 'the device code has expired')
  const { decision, polledAt, scope, audience, clientId } = code
  if (decision === undefined) {
    const early = polledAt !== undefined && now - polledAt < code.interval * 1000
    const interval = code.interval + (early ? slowDown : 0)
    practice.state.commit({ type: 'device_code_polled', at: now, digest: code.digest, interval })
    if (early) throw new OAuthError('slow_down', `ask every ${interval} seconds from now on`)
    throw new OAuthError('authorization_pending', 'the person has not decided yet')
  }
  if (!decision.allowed) throw new OAuthError('access_denied', 'the person denied the request')
  const { subject } = decision
  const grantType = 'urn:ietf:params:oauth:grant-type:device_code'
  return issueTokens(
    {
      login: newLogin({ clientId, subject, grantType, scope }, now),
      opens: true,
      scope,
      audience,
      withRefreshToken: client.grantTypes.has('refresh_token'),
      accessTokenLifetime: client.accessTokenLifetime,
      spentDeviceCode: code.digest,
    },
    exchange,
    practice,
  )
}

import type { Secret } from '../secret.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import { consentScope, isSent } from './request-dialect.ts'
import type { TokenAnswer } from './token-answer.ts'
import { requestToken, type TokenRequestMessage } from './token-endpoint.ts'
import type { Wire } from './transport.ts'

export interface RefreshTokenMessage extends TokenRequestMessage {
  readonly refreshToken: Secret
  /** What was asked for at the consent, for providers that want to hear it again. */
  readonly consentedScope?: readonly string[] | undefined
}

/**
 * Spends a refresh token, RFC 6749 section 6. Whatever comes of it short of `sent: false`, the refresh token may be
 * spent. `scope`, where given, must lie within what was granted.
 */
export function refreshTokenGrant(
  server: ServerMetadata,
  client: ClientRegistration,
  message: RefreshTokenMessage,
  wire: Wire,
): Promise<TokenAnswer> {
  const { refreshToken, consentedScope = [], ...said } = message
  const own: Record<string, string | Secret> = { refresh_token: refreshToken }
  if (client.redirectUri !== undefined && isSent(client, 'redirect_uri'))
    own.redirect_uri = client.redirectUri
  const silent = said.scope === undefined || said.scope.length === 0
  const scope =
    silent && consentedScope.length > 0 && isSent(client, 'scope')
      ? consentScope(client, consentedScope)
      : said.scope
  return requestToken(server, client, 'refresh', own, { ...said, scope }, wire)
}

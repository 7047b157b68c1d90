import type { Secret } from '../secret.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import type { TokenAnswer } from './token-answer.ts'
import { requestToken, type TokenRequestMessage } from './token-endpoint.ts'
import type { Wire } from './transport.ts'

export interface RefreshTokenMessage extends TokenRequestMessage {
  readonly refreshToken: Secret
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
  return requestToken(server, client, 'refresh_token', { refresh_token: message.refreshToken }, message, wire)
}

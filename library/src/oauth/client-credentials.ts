import type { ClientRegistration, ServerMetadata } from './client.ts'
import type { TokenAnswer } from './token-answer.ts'
import { requestToken, type TokenRequestMessage } from './token-endpoint.ts'
import type { Wire } from './transport.ts'

/** A token for the client itself, RFC 6749 section 4.4. */
export function clientCredentialsGrant(
  server: ServerMetadata,
  client: ClientRegistration,
  message: TokenRequestMessage,
  wire: Wire,
): Promise<TokenAnswer> {
  return requestToken(server, client, 'client_credentials', {}, message, wire)
}

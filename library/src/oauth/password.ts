import type { Secret } from '../secret.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import type { TokenAnswer } from './token-answer.ts'
import { requestToken, type TokenRequestMessage } from './token-endpoint.ts'
import type { Wire } from './transport.ts'

export interface PasswordMessage extends TokenRequestMessage {
  readonly username: string
  readonly password: Secret
}

/** A person's user name and password for tokens, RFC 6749 section 4.3.2. */
export function passwordGrant(
  server: ServerMetadata,
  client: ClientRegistration,
  { username, password, ...message }: PasswordMessage,
  wire: Wire,
): Promise<TokenAnswer> {
  return requestToken(server, client, 'login', { username, password }, message, wire)
}

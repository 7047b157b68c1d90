import { type AssertionTemplate, signAssertion } from './assertion.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import type { TokenAnswer } from './token-answer.ts'
import { requestToken, type TokenRequestMessage } from './token-endpoint.ts'
import type { Wire } from './transport.ts'

export interface JwtBearerMessage extends TokenRequestMessage {
  /** Signed anew for each request, so that no provider sees one twice. */
  readonly assertion: AssertionTemplate
}

/**
 * A token for a signed assertion, RFC 7523 section 2.1. A client with an empty `clientId` and method `none` sends no
 * `client_id` at all: the assertion alone says who asks.
 *
 * @throws EvertokenError `invalid_configuration` when the key cannot be read.
 */
export async function jwtBearerGrant(
  server: ServerMetadata,
  client: ClientRegistration,
  message: JwtBearerMessage,
  wire: Wire,
): Promise<TokenAnswer> {
  const assertion = await signAssertion(message.assertion, wire)
  return requestToken(server, client, 'jwt_bearer', { assertion }, message, wire)
}

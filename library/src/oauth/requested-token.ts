import { type AssertionTemplate, signAssertion } from './assertion.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import { requestDeclared } from './declared-request.ts'
import type { TokenAnswer } from './token-answer.ts'
import type { TokenRequestMessage } from './token-endpoint.ts'
import type { Wire } from './transport.ts'

export interface RequestedTokenMessage extends TokenRequestMessage {
  /** Signed anew for each request; the profile says where it goes. */
  readonly assertion?: AssertionTemplate | undefined
}

/**
 * A token by the request that the profile declares under `request`, where a provider mints tokens by something that no RFC
 * describes.
 *
 * @throws EvertokenError `invalid_configuration` when the key cannot be read.
 */
export async function requestedTokenGrant(
  server: ServerMetadata,
  client: ClientRegistration,
  { assertion, ...message }: RequestedTokenMessage,
  wire: Wire,
): Promise<TokenAnswer> {
  const values = assertion === undefined ? {} : { assertion: await signAssertion(assertion, wire) }
  return requestDeclared(server, client, 'request', values, message, wire)
}

import type { Secret } from '../secret.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import type { TokenAnswer } from './token-answer.ts'
import { requestToken, type TokenRequestMessage } from './token-endpoint.ts'
import { readTokenFile } from './token-file.ts'
import type { Wire } from './transport.ts'

/** A token that is exchanged for another: itself, or the whole path of a file in which somebody else renews it. */
export type ExchangedToken = { readonly type: string } & (
  | { readonly token: Secret }
  | { readonly file: string }
)

/** What RFC 8693 section 2.1 has beside scope and resource. */
export interface TokenExchange {
  /** On whose behalf. */
  readonly subject: ExchangedToken
  /** Who acts for the subject, where that is somebody else. */
  readonly actor?: ExchangedToken | undefined
  /** A URI of section 3. */
  readonly requestedTokenType?: string | undefined
  /** Names of services for which the new token is. */
  readonly audience: readonly string[]
}

/** RFC 6750 section 2.1 and wider, as what is read of a provider's answer. */
const tokenText = /^[\x21-\x7e]+$/

const textOf = async (exchanged: ExchangedToken, name: string): Promise<Secret> =>
  'token' in exchanged
    ? exchanged.token
    : readTokenFile(exchanged.file, { name, shape: tokenText, kind: 'one token' })

/**
 * A token for another token, RFC 8693 section 2.1. Files are read now, so that the subject is as fresh as whoever renews it
 * keeps it.
 *
 * @throws ConfigurationError `key_file_unreadable` for a file that holds no token; nothing has left then.
 */
export async function tokenExchangeGrant(
  server: ServerMetadata,
  client: ClientRegistration,
  { exchange, ...message }: TokenRequestMessage & { readonly exchange: TokenExchange },
  wire: Wire,
): Promise<TokenAnswer> {
  const { subject, actor, requestedTokenType, audience } = exchange
  const own: Record<string, string | Secret | readonly string[]> = {
    subject_token: await textOf(subject, 'subject token'),
    subject_token_type: subject.type,
  }
  if (actor !== undefined) {
    own.actor_token = await textOf(actor, 'actor token')
    own.actor_token_type = actor.type
  }
  if (requestedTokenType !== undefined) own.requested_token_type = requestedTokenType
  if (audience.length > 0) own.audience = audience
  return requestToken(server, client, 'token_exchange', own, message, wire)
}

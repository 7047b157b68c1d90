import * as oauth from 'oauth4webapi'
import type { RevokedRule } from '../providers/profile.ts'
import type { Secret } from '../secret.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import { holds } from './error-rules.ts'
import { exchangeForm, type Silence } from './form-exchange.ts'
import { parseJson } from './json-object.ts'
import { readRefusedAnswer, wordsOf } from './refused-answer.ts'
import { endpointOf, filledEndpoint, rulesOf } from './request-dialect.ts'
import { retryAfter } from './retry-after.ts'
import type { Wire } from './transport.ts'

/** A token and what it is, so that the provider finds it (RFC 7009 section 2.1, RFC 7662 section 2.1). */
export interface PresentedToken {
  readonly token: Secret
  readonly hint: 'refresh_token' | 'access_token'
}

/** What came of one revocation request: a fact, not yet a judgement. */
export type RevocationAnswer =
  /** The token is worth nothing: by this request, or it was already. */
  | { readonly kind: 'revoked'; readonly status: number }
  /** There is no revocation endpoint, or it revokes no tokens of this kind (RFC 7009 section 2.2.1). */
  | { readonly kind: 'unsupported' }
  | {
      readonly kind: 'failed'
      readonly status: number
      /** RFC 6749 section 5.2 `error`, bounded to 100 printable characters. */
      readonly error?: string | undefined
      /** Bounded to 500 printable characters. */
      readonly description?: string | undefined
      /** Seconds; with 503 the token still works (RFC 7009 section 2.2.1). */
      readonly retryAfter?: number | undefined
    }
  | Silence

/**
 * Tells the provider that a token is not used any more, RFC 7009 section 2.1. A refresh token takes the access tokens of
 * its login along. May be repeated: an unknown token counts as revoked (section 2.2).
 *
 * @throws EvertokenError `invalid_configuration` or `key_file_unreadable` when a key or an assertion of the client cannot
 *   be read.
 */
export async function revokeToken(
  server: ServerMetadata,
  client: ClientRegistration,
  { token, hint }: PresentedToken,
  wire: Wire,
): Promise<RevocationAnswer> {
  const rules = client.dialect === undefined ? {} : rulesOf(client.dialect, 'revoke')
  if (rules.tokens !== undefined && !rules.tokens.includes(hint)) return { kind: 'unsupported' }
  const address = endpointOf(client, 'revoke', server.revocationEndpoint)
  if (address === undefined) return { kind: 'unsupported' }
  const endpoint =
    rules.url === undefined
      ? address
      : filledEndpoint(address, { token: token.reveal(), client_id: client.clientId })
  if (endpoint === undefined) return { kind: 'unsupported' }
  const answer = await exchangeForm({ endpoint, operation: 'revoke' }, server, client, wire, (request) =>
    oauth.revocationRequest(
      { ...request.server, revocation_endpoint: request.url.href },
      request.client,
      request.authenticate,
      token.reveal(),
      { ...request.options, additionalParameters: { token_type_hint: hint } },
    ),
  )
  if (answer.kind === 'silence') return answer
  if (answer.kind === 'unreadable') return { kind: 'failed', status: answer.status }
  const { response, sent } = answer
  const { status } = response
  const said = readRefusedAnswer(response, sent, wire.now(), client.dialect)
  // RFC 7009 section 2.2 knows no error for a dead token; Google sends this one all the same, and others their own.
  if (said?.error === 'invalid_token' || said?.means === 'dead') return { kind: 'revoked', status }
  if (said?.error === 'unsupported_token_type') return { kind: 'unsupported' }
  const isRevoked =
    rules.revoked === undefined
      ? status >= 200 && status < 300 && said === undefined
      : rules.revoked.some((rule) => matches(rule, status, said?.error, parseJson(response.body)?.value))
  if (isRevoked) return { kind: 'revoked', status }
  const asked = said?.retryAfter ?? retryAfter(response.headers, wire.now())
  return { kind: 'failed', status, ...wordsOf(said), ...(asked === undefined ? {} : { retryAfter: asked }) }
}

function matches(rule: RevokedRule, status: number, error: string | undefined, document: unknown): boolean {
  const { pointer } = rule
  if (rule.status !== undefined && rule.status !== status) return false
  if (rule.code !== undefined && rule.code !== error) return false
  return pointer === undefined || holds(document, { ...rule, pointer })
}

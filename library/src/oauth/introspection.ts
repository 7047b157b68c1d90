import * as oauth from 'oauth4webapi'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import { exchangeForm, type Silence } from './form-exchange.ts'
import { isJsonObject, member, parseJson } from './json-object.ts'
import { readRefusedAnswer, wordsOf } from './refused-answer.ts'
import { endpointOf } from './request-dialect.ts'
import { retryAfter } from './retry-after.ts'
import type { PresentedToken } from './revocation.ts'
import type { Wire } from './transport.ts'

/** What came of one introspection request: a fact, not yet a judgement. */
export type IntrospectionAnswer =
  | {
      readonly kind: 'introspected'
      /** RFC 7662 section 2.2; false also for a token that the server does not know. */
      readonly active: boolean
      /** UTC seconds. */
      readonly exp?: number | undefined
    }
  /** There is no introspection endpoint. */
  | { readonly kind: 'unsupported' }
  /** An answer that says nothing about the token. */
  | {
      readonly kind: 'unusable'
      readonly status: number
      /** RFC 6749 section 5.2 `error`, bounded to 100 printable characters. */
      readonly error?: string | undefined
      /** Bounded to 500 printable characters. */
      readonly description?: string | undefined
      /** Seconds. */
      readonly retryAfter?: number | undefined
    }
  | Silence

/**
 * Asks whether a token works, RFC 7662 section 2.1. Only a plain `true` or `false` with status 200 counts: what follows
 * from a misread one is a login given up, or ended.
 *
 * @throws EvertokenError `invalid_configuration` or `key_file_unreadable` when a key or an assertion of the client cannot
 *   be read.
 */
export async function introspectToken(
  server: ServerMetadata,
  client: ClientRegistration,
  { token, hint }: PresentedToken,
  wire: Wire,
): Promise<IntrospectionAnswer> {
  const endpoint = endpointOf(client, 'introspect', server.introspectionEndpoint)
  if (endpoint === undefined) return { kind: 'unsupported' }
  const answer = await exchangeForm({ endpoint, operation: 'introspect' }, server, client, wire, (request) =>
    oauth.introspectionRequest(
      { ...request.server, introspection_endpoint: request.url.href },
      request.client,
      request.authenticate,
      token.reveal(),
      { ...request.options, additionalParameters: { token_type_hint: hint } },
    ),
  )
  if (answer.kind === 'silence') return answer
  if (answer.kind === 'unreadable') return { kind: 'unusable', status: answer.status }
  const { response, sent } = answer
  const { status } = response
  const said = readRefusedAnswer(response, sent, wire.now(), client.dialect)
  const body = parseJson(response.body)?.value
  const active = isJsonObject(body) ? member(body, 'active') : undefined
  if (status !== 200 || said !== undefined || !isJsonObject(body) || typeof active !== 'boolean') {
    const asked = said?.retryAfter ?? retryAfter(response.headers, wire.now())
    return {
      kind: 'unusable',
      status,
      ...wordsOf(said),
      ...(asked === undefined ? {} : { retryAfter: asked }),
    }
  }
  const exp = member(body, 'exp')
  return {
    kind: 'introspected',
    active,
    ...(typeof exp === 'number' && Number.isFinite(exp) && exp > 0 ? { exp } : {}),
  }
}

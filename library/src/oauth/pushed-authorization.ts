import * as oauth from 'oauth4webapi'
import { type AuthorizationRequest, authorizationUrl } from './authorization-code.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import type { ErrorAnswer } from './error-response.ts'
import { exchangeForm, type Silence } from './form-exchange.ts'
import { member } from './json-object.ts'
import { readObjectAnswer } from './object-answer.ts'
import { readSeconds } from './read-seconds.ts'
import type { Wire } from './transport.ts'

/** What came of one pushed authorization request: a fact, not yet a judgement. */
export type PushedAuthorizationAnswer =
  | {
      readonly kind: 'pushed'
      /** Where to send the person: the authorization endpoint with `client_id` and `request_uri`, and nothing else. */
      readonly url: string
      /** Seconds in which the person must have come there, from 1 to a day. */
      readonly expiresIn: number
    }
  /** There is no pushed authorization request endpoint. */
  | { readonly kind: 'unsupported' }
  | ErrorAnswer
  | {
      readonly kind: 'unusable'
      readonly status: number
      /** The member that is missing or cannot be used; absent where the answer as a whole cannot be read. */
      readonly member?: 'request_uri' | 'expires_in' | undefined
    }
  | Silence

/** An absolute URI (RFC 3986) that stands in a query; the bound is ours, several times the longest one seen. */
const requestUriText = /^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]{1,2000}$/
/** Seconds; RFC 9126 section 2.2 expects 5 to 600. */
const longestLife = 86_400

/**
 * Hands an authorization request to the provider before the person is sent there, RFC 9126 section 2.1.
 *
 * @throws EvertokenError `invalid_configuration` when a key of the client cannot be read, or there is no authorization
 *   endpoint; `key_file_unreadable` when a file with an assertion cannot be read.
 */
export async function pushAuthorizationRequest(
  server: ServerMetadata,
  client: ClientRegistration,
  { parameters }: Pick<AuthorizationRequest, 'parameters'>,
  wire: Wire,
): Promise<PushedAuthorizationAnswer> {
  if (server.pushedAuthorizationRequestEndpoint === undefined) return { kind: 'unsupported' }
  const url = authorizationUrl(server, client)
  const answer = await exchangeForm(
    { endpoint: server.pushedAuthorizationRequestEndpoint, operation: 'push' },
    server,
    client,
    wire,
    (request) =>
      oauth.pushedAuthorizationRequest(
        { ...request.server, pushed_authorization_request_endpoint: request.url.href },
        request.client,
        request.authenticate,
        parameters,
        request.options,
      ),
  )
  const read = readObjectAnswer(answer, wire.now(), client.dialect)
  if (read.kind !== 'object') return read
  const { status, body } = read
  const requestUri = member(body, 'request_uri')
  const expiresIn = readSeconds(member(body, 'expires_in'), longestLife)
  if (typeof requestUri !== 'string' || !requestUriText.test(requestUri))
    return { kind: 'unusable', status, member: 'request_uri' }
  if (expiresIn === undefined) return { kind: 'unusable', status, member: 'expires_in' }
  url.searchParams.set('client_id', client.clientId)
  url.searchParams.set('request_uri', requestUri)
  return { kind: 'pushed', url: url.href, expiresIn }
}

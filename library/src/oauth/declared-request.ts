import * as oauth from 'oauth4webapi'
import type { Secret } from '../secret.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import type { FormRequest } from './form-exchange.ts'
import type { TokenAnswer } from './token-answer.ts'
import { exchangeForTokens, parametersOf, type TokenRequestMessage } from './token-endpoint.ts'
import type { Wire } from './transport.ts'

/**
 * A request that no RFC has: all that it says beside scope, resource and who the client is stands in the profile. Its answer is
 * read as that of a token endpoint.
 *
 * @param values what templates of the profile may name and nothing else carries: `{assertion}`, `{access_token}`.
 */
export function requestDeclared(
  server: ServerMetadata,
  client: ClientRegistration,
  operation: 'request' | 'second_exchange',
  values: Readonly<Record<string, Secret>>,
  message: TokenRequestMessage,
  wire: Wire,
): Promise<TokenAnswer> {
  const target = { operation, given: message.parameters, values }
  return exchangeForTokens(target, server, client, wire, (request) =>
    composed(request, parametersOf({}, message)),
  )
}

/** What oauth4webapi does with a form, but for the `grant_type` that it puts into each. */
async function composed(
  { url, server, client, authenticate, options }: FormRequest,
  body: URLSearchParams,
): Promise<void> {
  const headers = new Headers({ ...options.headers, accept: 'application/json' })
  await authenticate(server, client, body, headers)
  await options[oauth.customFetch](url.href, {
    method: 'POST',
    headers: Object.fromEntries(headers),
    body,
    redirect: 'manual',
  })
}

import * as oauth from 'oauth4webapi'
import type { Secret } from '../secret.ts'
import { mayCarrySecrets, webAddress } from './address.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import { clientAuthentication } from './client-authentication.ts'
import type { TokenAnswer } from './token-answer.ts'
import { readTokenAnswer } from './token-response.ts'
import { type Wire, WireError, type WireResponse } from './transport.ts'

/** What every token request may say besides its own parameters. */
export interface TokenRequestMessage {
  /** RFC 6749 section 3.3. */
  readonly scope?: readonly string[] | undefined
  /** RFC 8707: the resource the token is for, or several. */
  readonly resource?: string | readonly string[] | undefined
  /** Whatever else this provider wants to hear. Never overrides a parameter of the protocol. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
}

/** Parameters that hold no secret, so that an error may quote them. All others are taken for secrets. */
const publicParameters = new Set(
  'grant_type scope resource audience client_id redirect_uri client_assertion_type requested_token_type subject_token_type actor_token_type'.split(
    ' ',
  ),
)
/** An unknown parameter's value of fewer characters is a word like `true`; hiding it would only garble texts. */
const shortestSecret = 8
const credentials = new Set(
  'refresh_token code code_verifier assertion client_secret client_assertion password device_code subject_token actor_token'.split(
    ' ',
  ),
)

/** RFC 6749 section 4.5: sends one token request and says what came of it. */
export async function requestToken(
  server: ServerMetadata,
  client: ClientRegistration,
  grantType: string,
  own: Readonly<Record<string, string | Secret>>,
  message: TokenRequestMessage,
  wire: Wire,
): Promise<TokenAnswer> {
  const url = tokenEndpoint(server)
  if (!mayCarrySecrets(url, client.insecureHttp))
    return {
      kind: 'silence',
      sent: false,
      reason: 'insecure_http',
      detail: `plain http to ${url.host} refused`,
    }
  const authenticate = await clientAuthentication(server, client, wire)

  const sent: string[] = []
  let response: WireResponse | undefined
  const exchange = async (address: string, init: oauth.CustomFetchOptions<'POST', URLSearchParams>) => {
    sent.push(...secretsOf(init.body, init.headers, client))
    response = await wire.transport({
      method: 'POST',
      url: address,
      // RFC 6749 fixes the encoding; some servers compare this header as a whole and choke on a charset.
      headers: { ...init.headers, 'content-type': 'application/x-www-form-urlencoded' },
      body: init.body.toString(),
      deadline: wire.deadline,
      insecureHttp: client.insecureHttp,
    })
    // oauth4webapi hands it on unread: its own reading refuses much of what real providers send, and a refused
    // answer may hold the only copy of a rotated refresh token. readTokenAnswer reads what really came.
    return new Response(null)
  }
  try {
    await oauth.genericTokenEndpointRequest(
      { issuer: server.issuer ?? url.origin, token_endpoint: url.href },
      { client_id: client.clientId === '' ? 'anonymous' : client.clientId },
      authenticate,
      grantType,
      parametersOf(own, message),
      {
        headers: { 'user-agent': 'evertoken' },
        [oauth.customFetch]: exchange,
        [oauth.allowInsecureRequests]: url.protocol === 'http:',
      },
    )
  } catch (error) {
    return readFailure(error)
  }
  return readTokenAnswer(response as WireResponse, sent, wire.now())
}

function tokenEndpoint(server: ServerMetadata): URL {
  const url = webAddress(server.tokenEndpoint)
  if (url === undefined)
    throw new TypeError('the token endpoint must be an http address without user information')
  return url
}

function parametersOf(
  own: Readonly<Record<string, string | Secret>>,
  message: TokenRequestMessage,
): URLSearchParams {
  const parameters = new URLSearchParams(message.parameters)
  if (message.scope !== undefined && message.scope.length > 0)
    parameters.set('scope', message.scope.join(' '))
  if (message.resource !== undefined) {
    parameters.delete('resource')
    for (const resource of [message.resource].flat()) parameters.append('resource', resource)
  }
  for (const [name, value] of Object.entries(own))
    parameters.set(name, typeof value === 'string' ? value : value.reveal())
  return parameters
}

/** Every secret of the request in every spelling in which it travelled or may be quoted. */
function secretsOf(
  body: URLSearchParams,
  headers: Readonly<Record<string, string>>,
  client: ClientRegistration,
): readonly string[] {
  const found: string[] = []
  for (const [name, value] of body)
    if (credentials.has(name) || (!publicParameters.has(name) && value.length >= shortestSecret))
      found.push(value)
  if ('secret' in client.authentication) found.push(client.authentication.secret.reveal())
  const spellings = found.flatMap((text) => [text, new URLSearchParams([['', text]]).toString().slice(1)])
  const basic = headers.authorization?.split(' ')[1]
  return [...new Set(basic === undefined ? spellings : [...spellings, basic])].filter((text) => text !== '')
}

function readFailure(error: unknown): TokenAnswer {
  // A transport that breaks its promise may have sent everything; its words may hold anything.
  if (!(error instanceof WireError))
    return { kind: 'silence', sent: true, reason: 'local', detail: 'the transport failed in an unknown way' }
  switch (error.reason) {
    case 'too_large':
    case 'cut':
    case 'bad_encoding':
      return error.status === undefined
        ? { kind: 'silence', sent: error.sent, reason: 'reset', detail: error.message }
        : { kind: 'unusable', status: error.status, reason: error.reason }
    default:
      return { kind: 'silence', sent: error.sent, reason: error.reason, detail: error.message }
  }
}

import { calculatePKCECodeChallenge } from 'oauth4webapi'
import { EvertokenError, InvalidScopeError, ProviderError } from '../errors.ts'
import { Secret } from '../secret.ts'
import { webAddress } from './address.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import { fragmentOf, writeAuthorization } from './consent-dialect.ts'
import { printable } from './printable.ts'
import { randomText } from './random-text.ts'
import { consentScope, endpointOf } from './request-dialect.ts'
import type { TokenAnswer } from './token-answer.ts'
import { requestToken, type TokenRequestMessage } from './token-endpoint.ts'
import type { Wire } from './transport.ts'

export interface AuthorizationMessage extends TokenRequestMessage {
  readonly redirectUri: string
  /** RFC 9449 section 10: thumbprint of the key that the code is to be bound to. */
  readonly proofKeyThumbprint?: string | undefined
}

/** Where to send the person, and what must be remembered until they are back. */
export interface AuthorizationRequest {
  readonly url: string
  /** 256 bits; comes back with the code and says which request it answers. */
  readonly state: string
  /** RFC 7636; proves at the token endpoint that the code was asked for by us. Absent where the provider takes none. */
  readonly codeVerifier?: Secret | undefined
  /** Comes back in the id_token (OpenID Connect Core section 3.1.2.1). Absent where `openid` is not asked for. */
  readonly nonce?: string | undefined
  /** What the URL asks for, without what the endpoint has in its query by itself. */
  readonly parameters: URLSearchParams
}

/**
 * Begins an authorization code grant (RFC 6749 section 4.1.1) with PKCE S256 (RFC 7636), unless the provider's dialect says that
 * it takes none, and a random state; with the scope `openid` also a nonce (OpenID Connect Core section 3.1.2.1).
 *
 * @throws EvertokenError `invalid_configuration` when the provider has no authorization endpoint.
 * @throws TypeError when `parameters` names one that the protocol sets itself.
 */
export async function authorizationRequest(
  server: ServerMetadata,
  client: Pick<ClientRegistration, 'clientId' | 'dialect'>,
  message: AuthorizationMessage,
  random?: Wire['random'],
): Promise<AuthorizationRequest> {
  const { dialect } = client
  const url = authorizationUrl(server, client)
  const state = randomText(random)
  const codeVerifier = dialect?.consent?.pkce === 'none' ? undefined : randomText(random)
  const own: Record<string, string> = {
    response_type: 'code',
    client_id: client.clientId,
    redirect_uri: message.redirectUri,
    state,
  }
  if (codeVerifier !== undefined) {
    const challenge = await calculatePKCECodeChallenge(codeVerifier)
    own.code_challenge = dialect?.consent?.pkce === 'S256_hex' ? hexadecimal(challenge) : challenge
    own.code_challenge_method = 'S256'
  }
  if (message.proofKeyThumbprint !== undefined) own.dpop_jkt = message.proofKeyThumbprint
  const scope = consentScope(client, message.scope)
  if (scope.length > 0) own.scope = scope.join(' ')
  const given = message.parameters ?? {}
  // What a user sets is the same each time: it is his, and says nothing of this request.
  if (scope.includes('openid') && !Object.hasOwn(given, 'nonce')) own.nonce = randomText(random)
  const composed = new URLSearchParams()
  for (const [name, value] of Object.entries(given)) {
    if (Object.hasOwn(own, name)) throw new TypeError(`the parameter ${name} is set by the protocol`)
    composed.set(name, value)
  }
  for (const [name, value] of Object.entries(own)) composed.set(name, value)
  for (const name of composed.keys()) url.searchParams.delete(name)
  for (const resource of [message.resource ?? []].flat()) composed.append('resource', resource)
  const parameters = dialect === undefined ? composed : writeAuthorization(dialect, composed, given)
  if (dialect !== undefined) for (const name of parameters.keys()) url.searchParams.delete(name)
  for (const [name, value] of parameters) url.searchParams.append(name, value)
  const fragment = fragmentOf(dialect)
  if (fragment !== undefined) url.hash = fragment
  return {
    url: url.href,
    state,
    ...(codeVerifier === undefined ? {} : { codeVerifier: new Secret(codeVerifier) }),
    // A profile may leave it out, for providers that never send it back.
    ...(own.nonce !== undefined && [...parameters.values()].includes(own.nonce) ? { nonce: own.nonce } : {}),
    parameters,
  }
}

/** Bytes that are written as base64url, without what only Node has. */
const hexadecimal = (base64url: string): string =>
  Array.from(atob(base64url.replaceAll('-', '+').replaceAll('_', '/')), (byte) =>
    byte.charCodeAt(0).toString(16).padStart(2, '0'),
  ).join('')

/**
 * The authorization endpoint, RFC 6749 section 3.1; a query of its own stays.
 *
 * @throws EvertokenError `invalid_configuration` when the provider has none.
 */
export function authorizationUrl(server: ServerMetadata, client: Pick<ClientRegistration, 'dialect'>): URL {
  const url = webAddress(endpointOf(client, 'authorize', server.authorizationEndpoint) ?? '')
  if (url === undefined)
    throw new EvertokenError('invalid_configuration', 'the provider has no authorization endpoint', {
      advice: 'Name the issuer, or the authorization endpoint beside the token endpoint.',
    })
  return url
}

/** RFC 6749 appendix A.11; the bound is ours, several times the longest code seen. */
const codeText = /^[\x20-\x7e]{1,8192}$/

/**
 * The state of a callback, to find the request it answers.
 *
 * @throws EvertokenError `state_missing`, also when it is there twice or unreasonably long.
 */
export function callbackState(callback: URL | URLSearchParams): string {
  const states = (callback instanceof URL ? callback.searchParams : callback).getAll('state')
  const [state] = states
  if (states.length !== 1 || state === undefined || state === '' || state.length > 512)
    throw new EvertokenError('state_missing', 'the callback carries no state', {
      advice: 'Start the consent again from its link.',
    })
  return state
}

/**
 * Reads what the provider sent the person back with (RFC 6749 section 4.1.2, RFC 9207) and gives the code.
 *
 * @param state the one of the request that this callback must answer.
 * @throws EvertokenError `state_missing`, `state_unknown`, `issuer_mismatch` (RFC 9207), `consent_denied`
 *   (`access_denied`), `invalid_request` (no code, a code beside an error, a parameter twice); InvalidScopeError;
 *   ProviderError `provider_error` with the provider's own words for any other error.
 */
export function readCallback(
  server: ServerMetadata,
  callback: URL | URLSearchParams,
  state: string,
): { readonly code: Secret } {
  const parameters = callback instanceof URL ? callback.searchParams : callback
  if (!sameText(callbackState(parameters), state))
    throw new EvertokenError('state_unknown', 'the callback answers another request', {
      advice: 'Start the consent again from its link.',
    })
  // Judged before anything else is believed: another provider's error is none of ours either (mix-up).
  checkIssuer(server, once(parameters, 'iss'))
  const error = once(parameters, 'error')
  const code = once(parameters, 'code')
  if (error !== undefined && code !== undefined)
    throw noAnswer('the callback carries both a code and an error')
  if (error !== undefined) throw refusal(error, once(parameters, 'error_description'))
  if (code === undefined || !codeText.test(code)) throw noAnswer('the callback carries no usable code')
  return { code: new Secret(code) }
}

export interface AuthorizationCodeMessage extends TokenRequestMessage {
  readonly code: Secret
  /** The same as in the authorization request. */
  readonly redirectUri: string
  readonly codeVerifier?: Secret | undefined
}

/** Exchanges a code for tokens, RFC 6749 section 4.1.3 and RFC 7636 section 4.5. A code works once. */
export function authorizationCodeGrant(
  server: ServerMetadata,
  client: ClientRegistration,
  message: AuthorizationCodeMessage,
  wire: Wire,
): Promise<TokenAnswer> {
  const { code, redirectUri, codeVerifier } = message
  const own = {
    code,
    redirect_uri: redirectUri,
    ...(codeVerifier === undefined ? {} : { code_verifier: codeVerifier }),
  }
  return requestToken(server, client, 'exchange', own, message, wire)
}

function once(parameters: URLSearchParams, name: string): string | undefined {
  const values = parameters.getAll(name)
  if (values.length > 1) throw noAnswer(`the callback carries ${name} more than once`)
  return values[0]
}

/** No answer that a provider gives. */
const noAnswer = (what: string): EvertokenError =>
  new EvertokenError('invalid_request', what, {
    advice: 'Begin the consent again, and hand over the whole address at which the browser ends.',
  })

function checkIssuer(server: ServerMetadata, issuer: string | undefined): void {
  // Without a known issuer there is nothing to compare: a redirect URI of its own must then keep providers apart.
  if (server.issuer === undefined) return
  if (issuer === undefined && server.authorizationResponseIssSupported !== true) return
  if (issuer === server.issuer) return
  const claimed = issuer === undefined ? 'nobody' : printable(issuer, 200)
  throw new EvertokenError(
    'issuer_mismatch',
    `the callback comes from ${claimed}, not from ${server.issuer}`,
    {
      advice:
        'Nothing was sent. Begin the consent again; if it stays so, the answer is another provider’s: do not go on.',
    },
  )
}

function refusal(error: string, description: string | undefined): EvertokenError {
  const facts = {
    error: printable(error, 100),
    ...(description === undefined ? {} : { errorDescription: printable(description, 500) }),
  }
  const words =
    facts.errorDescription === undefined ? facts.error : `${facts.error}: ${facts.errorDescription}`
  if (error === 'access_denied')
    return new ProviderError('consent_denied', `the person or the provider denied consent (${words})`, {
      ...facts,
      advice: 'Begin again once whoever is asked agrees.',
    })
  if (error === 'invalid_scope')
    return new InvalidScopeError('invalid_scope', `the provider refused the scope (${words})`, {
      ...facts,
      advice: 'Describe the grant with a scope that the client may have, and begin the consent again.',
    })
  return new ProviderError(
    'provider_error',
    `the provider answered with an error instead of a code (${words})`,
    {
      ...facts,
      advice: 'See its words, and begin the consent again.',
    },
  )
}

/** Takes the same time wherever the first difference is. */
function sameText(one: string, other: string): boolean {
  let difference = one.length ^ other.length
  for (let at = 0; at < one.length; at++) difference |= one.charCodeAt(at) ^ other.charCodeAt(at)
  return difference === 0
}

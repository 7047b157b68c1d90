import { OAuthError } from './answer.ts'
import { type Parameters, type Practice, readParameters } from './exchange.ts'
import type { ResolvedClient } from './practice-options.ts'
import { firstScope, readAudience } from './scope.ts'

/** Where the person is sent back to; known before anything else of the request is believed. */
export interface ReturnAddress {
  readonly client: ResolvedClient
  readonly redirectUri: string
  readonly state: string | undefined
}

/** An authorization request that is in order, RFC 6749 section 4.1.1. */
export interface AuthorizationRequest extends ReturnAddress {
  readonly scope: readonly string[]
  readonly audience: readonly string[]
  readonly codeChallenge: string
  /** Thumbprint of the key that the code is to be bound to (RFC 9449 section 10). */
  readonly jkt: string | undefined
  /** False when the client left it out because only one is registered. */
  readonly redirectUriGiven: boolean
  readonly loginHint: string | undefined
}

/**
 * RFC 6749 section 4.1.2.1: with a wrong client or redirect URI nobody is redirected. Throws then; the person gets a
 * page. Every later mistake goes back to the client by redirect.
 */
export function readReturnAddress(query: URLSearchParams, practice: Practice): ReturnAddress {
  const parameters = readParameters(query)
  const client = practice.options.clients.get(parameters.need('client_id'))
  if (client === undefined) throw new OAuthError('invalid_request', 'the client is not registered')
  const asked = parameters.get('redirect_uri')
  const [only, ...others] = client.redirectUris
  if (asked === undefined) {
    if (only === undefined || others.length > 0)
      throw new OAuthError('invalid_request', 'the parameter redirect_uri is missing')
    return { client, redirectUri: only, state: parameters.get('state') }
  }
  if (!client.redirectUris.some((registered) => matchesRedirectUri(asked, registered)))
    throw new OAuthError('invalid_request', 'redirect_uri is not registered for the client')
  return { client, redirectUri: asked, state: parameters.get('state') }
}

/** Exact (RFC 9700 section 2.1), but a native app's loopback port is free (RFC 8252 section 7.3). */
function matchesRedirectUri(asked: string, registered: string): boolean {
  if (asked === registered) return true
  const loopback = /^http:\/\/(127\.0\.0\.1|\[::1\])(?::\d{1,5})?(\/[^#]*)?$/
  const [, askedHost, askedRest = ''] = loopback.exec(asked) ?? []
  const [, host, rest = ''] = loopback.exec(registered) ?? []
  return URL.canParse(asked) && askedHost !== undefined && askedHost === host && askedRest === rest
}

/** What is left to check once the return address is known. */
export function readAuthorizationRequest(
  query: URLSearchParams,
  address: ReturnAddress,
): AuthorizationRequest {
  const parameters = readParameters(query)
  if (parameters.need('response_type') !== 'code')
    throw new OAuthError('unsupported_response_type', 'response_type must be code')
  if (!address.client.grantTypes.has('authorization_code'))
    throw new OAuthError('unauthorized_client', 'the client is not registered for this grant type')
  return {
    ...address,
    codeChallenge: readCodeChallenge(parameters),
    jkt: readThumbprint(parameters),
    scope: firstScope(parameters, address.client),
    audience: readAudience(parameters),
    redirectUriGiven: parameters.get('redirect_uri') !== undefined,
    loginHint: parameters.get('login_hint'),
  }
}

/** SHA-256 as base64url, RFC 9449 section 10. */
function readThumbprint(parameters: Parameters): string | undefined {
  const jkt = parameters.get('dpop_jkt')
  if (jkt !== undefined && !/^[A-Za-z0-9_-]{43}$/.test(jkt))
    throw new OAuthError('invalid_request', 'dpop_jkt is not a thumbprint')
  return jkt
}

/** RFC 7636 section 4.3, where a missing method means `plain`; RFC 9700 section 2.1.1 wants S256. */
function readCodeChallenge(parameters: Parameters): string {
  const challenge = parameters.need('code_challenge')
  if (parameters.get('code_challenge_method') !== 'S256')
    throw new OAuthError('invalid_request', 'code_challenge_method must be S256')
  if (!/^[A-Za-z0-9_-]{43}$/.test(challenge))
    throw new OAuthError('invalid_request', 'code_challenge is not an S256 challenge')
  return challenge
}

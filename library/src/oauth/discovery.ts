import { EvertokenError } from '../errors.ts'
import { allowsPlain, allowsPrivate, isLoopback, mayCarrySecrets, webAddress } from './address.ts'
import type { MtlsEndpointAliases, Reach, ServerMetadata } from './client.ts'
import { isJsonObject, type JsonObject, member, parseJson } from './json-object.ts'
import { printable } from './printable.ts'
import { type Wire, WireError, type WireResponse } from './transport.ts'

const namesEndpoints = 'Name the endpoints themselves instead of the issuer.'

/**
 * A provider's endpoints from its issuer: OpenID Connect Discovery 1.0 section 4 first, then RFC 8414 section 3. Each
 * of the two requests has half of `wire.deadline`.
 *
 * @throws EvertokenError `discovery_failed`, `issuer_mismatch` (RFC 8414 section 3.3: the document must name exactly
 *   the issuer that was asked), `insecure_http`, `private_address`, each with advice.
 */
export async function discover(issuer: string, reach: Reach, wire: Wire): Promise<ServerMetadata> {
  const url = issuerUrl(issuer, reach.insecureHttp)
  let last = ''
  for (const algorithm of ['oidc', 'oauth2'] as const) {
    const response = await request(url, algorithm, reach, wire)
    const document = response.status === 200 ? parseJson(response.body)?.value : undefined
    if (isJsonObject(document)) return readMetadata(issuer, url, document, reach.insecureHttp)
    last = response.status === 200 ? 'something that is no JSON object' : `status ${response.status}`
  }
  throw new EvertokenError('discovery_failed', `${issuer} publishes no metadata (${last})`, {
    advice: namesEndpoints,
  })
}

function issuerUrl(issuer: string, insecureHttp: boolean): URL {
  const url = webAddress(issuer)
  if (url === undefined || /[?#]/.test(issuer))
    throw new EvertokenError(
      'discovery_failed',
      'the issuer is no https address without query, fragment and user information',
      { advice: 'An issuer looks like https://auth.example.com or https://auth.example.com/tenant.' },
    )
  if (!mayCarrySecrets(url, insecureHttp)) throw insecure(`the issuer ${issuer}`)
  return url
}

async function request(
  url: URL,
  algorithm: 'oidc' | 'oauth2',
  reach: Reach,
  wire: Wire,
): Promise<WireResponse> {
  // Loaded by who discovers: whoever imports evertoken need not.
  const oauth = await import('./discovery-request.ts')
  let response: WireResponse | undefined
  try {
    await oauth.discoveryRequest(url, {
      algorithm,
      headers: { 'user-agent': 'evertoken' },
      [oauth.allowInsecureRequests]: url.protocol === 'http:',
      [oauth.customFetch]: async (address, { headers }) => {
        const deadline = wire.deadline / 2
        const { insecureHttp, privateNetwork } = reach
        response = await wire.transport({
          method: 'GET',
          url: address,
          headers,
          deadline,
          insecureHttp,
          privateNetwork,
        })
        return new Response(null)
      },
    })
  } catch (error) {
    if (error instanceof WireError && error.reason === 'private_address')
      throw new EvertokenError('private_address', `no metadata from ${url.host}: ${error.message}`, {
        advice: allowsPrivate,
        cause: error,
      })
    const why = error instanceof WireError ? error.message : 'the transport failed in an unknown way'
    throw new EvertokenError('discovery_failed', `no metadata from ${url.host}: ${why}`, {
      advice: `Check the address and the network. ${namesEndpoints}`,
      cause: error instanceof WireError ? error : undefined,
    })
  }
  return response as WireResponse
}

function readMetadata(issuer: string, url: URL, document: JsonObject, insecureHttp: boolean): ServerMetadata {
  const named = member(document, 'issuer')
  if (named !== issuer) {
    const shown = typeof named === 'string' ? printable(named, 200) : 'nothing'
    throw new EvertokenError('issuer_mismatch', `${issuer} calls itself ${shown}`, {
      advice: 'The issuer must be written exactly as the provider writes it, down to the last slash.',
    })
  }
  const endpoint = (name: string): string | undefined => {
    const value = member(document, name)
    if (value === undefined || value === null) return undefined
    return readEndpoint(name, value, url, insecureHttp)
  }
  const tokenEndpoint = endpoint('token_endpoint')
  if (tokenEndpoint === undefined)
    throw new EvertokenError('discovery_failed', `${issuer} names no token endpoint`, {
      advice: namesEndpoints,
    })
  return {
    issuer,
    tokenEndpoint,
    authorizationEndpoint: endpoint('authorization_endpoint'),
    authorizationResponseIssSupported:
      member(document, 'authorization_response_iss_parameter_supported') === true,
    // Required of an OpenID provider (OpenID Connect Discovery section 3), and of nobody else.
    openid: Array.isArray(member(document, 'id_token_signing_alg_values_supported')),
    revocationEndpoint: endpoint('revocation_endpoint'),
    introspectionEndpoint: endpoint('introspection_endpoint'),
    userinfoEndpoint: endpoint('userinfo_endpoint'),
    deviceAuthorizationEndpoint: endpoint('device_authorization_endpoint'),
    pushedAuthorizationRequestEndpoint: endpoint('pushed_authorization_request_endpoint'),
    mtlsEndpointAliases: readAliases(document, (name, value) => readEndpoint(name, value, url, insecureHttp)),
    requirePushedAuthorizationRequests: member(document, 'require_pushed_authorization_requests') === true,
  }
}

/**
 * Where secrets of the client and tokens go, by the names of RFC 8414; each may have an alias for certificates (RFC 8705 section 5). The
 * authorization endpoint is none of them: a browser goes there.
 */
export const endpointNames = {
  token_endpoint: 'tokenEndpoint',
  revocation_endpoint: 'revocationEndpoint',
  introspection_endpoint: 'introspectionEndpoint',
  userinfo_endpoint: 'userinfoEndpoint',
  device_authorization_endpoint: 'deviceAuthorizationEndpoint',
  pushed_authorization_request_endpoint: 'pushedAuthorizationRequestEndpoint',
} as const satisfies Record<string, keyof MtlsEndpointAliases>

function readAliases(
  document: JsonObject,
  read: (name: string, value: unknown) => string,
): MtlsEndpointAliases | undefined {
  const aliases = member(document, 'mtls_endpoint_aliases')
  if (!isJsonObject(aliases)) return undefined
  const found = Object.entries(endpointNames).flatMap(([name, endpoint]) => {
    const value = member(aliases, name)
    return value === undefined || value === null
      ? []
      : [[endpoint, read(`mtls_endpoint_aliases.${name}`, value)] as const]
  })
  return Object.fromEntries(found)
}

function readEndpoint(name: string, value: unknown, issuer: URL, insecureHttp: boolean): string {
  const url = typeof value === 'string' ? webAddress(value) : undefined
  if (url === undefined)
    throw new EvertokenError('discovery_failed', `the provider's ${name} is no https address`, {
      advice: namesEndpoints,
    })
  // An issuer elsewhere must not send our secrets to a plain port of this machine.
  const local = isLoopback(issuer.hostname) && isLoopback(url.hostname)
  if (url.protocol === 'http:' && !insecureHttp && !local) throw insecure(`the provider's ${name}`)
  return url.href
}

function insecure(what: string): EvertokenError {
  return new EvertokenError('insecure_http', `${what} is plain http`, {
    advice: allowsPlain,
  })
}

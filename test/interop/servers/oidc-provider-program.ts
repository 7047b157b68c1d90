// oidc-provider with everything switched on that it has and this project speaks; its own code, but for the test's settings.

import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { Provider } from 'oidc-provider'

interface Options {
  readonly clients: readonly object[]
  readonly jwks: object
  /** Seconds that an access token lives. */
  readonly lifetime: number
  /** Seconds. */
  readonly refreshTokenLifetime: number
  /** Absent: the policy that oidc-provider has by itself. */
  readonly rotateRefreshToken?: boolean
  /** Whether a proof must hold its nonce. */
  readonly dpopNonce: boolean
  /** Of its second listener, where clients show certificates; `ca` signs theirs. PEM. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string }
}

const options = JSON.parse(process.env.INTEROP_OPTIONS ?? '{}') as Options
const { clients, jwks, lifetime, refreshTokenLifetime, rotateRefreshToken, dpopNonce, tls } = options

/** Apart from the pages for people, whose browser is to be asked for no certificate (RFC 8705 section 5). */
const certified = https.createServer({ ...tls, requestCert: true, rejectUnauthorized: false })
const server = http.createServer()
const originOf = (listener: http.Server, scheme: string): Promise<string> =>
  new Promise((resolve) =>
    listener.listen(0, '127.0.0.1', () =>
      resolve(`${scheme}://127.0.0.1:${(listener.address() as AddressInfo).port}`),
    ),
  )
process.stdin.once('end', () => process.exit(0)).resume()

interface Connected {
  readonly socket: Socket | TLSSocket
}
const certificateOf = ({ socket }: Connected) =>
  'getPeerX509Certificate' in socket ? socket.getPeerX509Certificate() : undefined

const provider = (issuer: string, mtlsOrigin: string): Provider =>
  new Provider(issuer, {
    clients,
    jwks,
    cookies: { keys: ['test'] },
    scopes: ['openid', 'offline_access', 'api:read', 'api:write'],
    pkce: { required: () => true },
    clientAuthMethods: [
      'client_secret_basic',
      'client_secret_post',
      'client_secret_jwt',
      'private_key_jwt',
      'tls_client_auth',
      'self_signed_tls_client_auth',
      'none',
    ],
    // It has no switch for these; what stands here it publishes.
    discovery: {
      mtls_endpoint_aliases: {
        token_endpoint: `${mtlsOrigin}/token`,
        introspection_endpoint: `${mtlsOrigin}/token/introspection`,
        revocation_endpoint: `${mtlsOrigin}/token/revocation`,
        userinfo_endpoint: `${mtlsOrigin}/me`,
      },
    },
    ...(rotateRefreshToken === undefined ? {} : { rotateRefreshToken }),
    ttl: {
      AccessToken: lifetime,
      ClientCredentials: lifetime,
      RefreshToken: refreshTokenLifetime,
      AuthorizationCode: 60,
      DeviceCode: 600,
      IdToken: 300,
      Grant: 86_400,
      Session: 86_400,
      Interaction: 600,
    },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      dPoP: {
        enabled: true,
        ...(dpopNonce ? { nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true } : {}),
      },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        selfSignedTlsClientAuth: true,
        getCertificate: certificateOf,
        certificateAuthorized: ({ socket }: Connected) => 'authorized' in socket && socket.authorized,
        certificateSubjectMatches: (context: Connected, property: string, expected: string) =>
          property === 'tls_client_auth_san_dns' &&
          certificateOf(context)?.subjectAltName === `DNS:${expected}`,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          audience: resource,
          scope: 'api:read api:write',
          accessTokenTTL: lifetime,
          accessTokenFormat: 'opaque',
        }),
      },
      rpInitiatedLogout: { enabled: false },
    },
    findAccount: (_context: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
  })

function version(): string {
  const manifest = new URL('../../../node_modules/oidc-provider/package.json', import.meta.url)
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}

const origin = await originOf(server, 'http')
const mtlsOrigin = await originOf(certified, 'https')
const answer = provider(origin, mtlsOrigin).callback()
server.on('request', answer)
certified.on('request', answer)
console.log(JSON.stringify({ origin, mtlsOrigin, version: version() }))

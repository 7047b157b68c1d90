// oidc-provider with everything switched on that it has and this project speaks; its own code, but for the test's settings.

import { readFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
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
}

const { clients, jwks, lifetime, refreshTokenLifetime, rotateRefreshToken } = JSON.parse(
  process.env.INTEROP_OPTIONS ?? '{}',
) as Options
const server = http.createServer()
server.listen(0, '127.0.0.1', () => {
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  server.on('request', provider(origin).callback())
  console.log(JSON.stringify({ origin, version: version() }))
})
process.stdin.once('end', () => process.exit(0)).resume()

const provider = (issuer: string): Provider =>
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
      'none',
    ],
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
      dPoP: { enabled: true },
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

import { fileURLToPath } from 'node:url'
import { consentForDevice, consentInBrowser } from '../../oidc-provider/browser.ts'
import {
  clientKey,
  clientKeyId,
  clients,
  issuerKeys,
  redirectUri,
  secrets,
} from '../../oidc-provider/clients.ts'
import { startServer } from '../server-process.ts'
import {
  certifiedClients,
  certifiedRegistrations,
  impostors,
  listenerCertificate,
} from './certified-clients.ts'
import { introspected, type RealServer } from './real-server.ts'

export interface OidcProviderSettings {
  /** Absent: the policy that oidc-provider has by itself. */
  readonly rotateRefreshToken?: boolean
  /** Whether the client of the logins is a public one. Default false. */
  readonly publicClient?: boolean
  /** Seconds. Default a day. */
  readonly refreshTokenLifetime?: number
  /** Whether a proof must hold its nonce. Default false. */
  readonly dpopNonce?: boolean
}

const byIssuer =
  'the issuer, or the endpoints that its metadata names in `mtls_endpoint_aliases`: only those ask for certificates'

export async function startOidcProvider({
  rotateRefreshToken,
  publicClient = false,
  refreshTokenLifetime = 86_400,
  dpopNonce = false,
}: OidcProviderSettings): Promise<RealServer> {
  const program = fileURLToPath(import.meta.resolve('./oidc-provider-program.ts'))
  const options = {
    clients: [...clients, ...certifiedRegistrations],
    jwks: issuerKeys,
    lifetime: 600,
    refreshTokenLifetime,
    rotateRefreshToken,
    dpopNonce,
    tls: listenerCertificate,
  }
  const server = await startServer(process.execPath, ['--conditions=evertoken:source', program], options)
  const { origin, mtlsOrigin, version } = server
  const basic = { clientId: 'basic', clientSecret: secrets.basic }
  const introspectionUrl = `${origin}/token/introspection`
  return {
    name: 'oidc-provider',
    version,
    base: origin,
    issuer: origin,
    endpoints: {
      tokenUrl: `${origin}/token`,
      authorizationUrl: `${origin}/auth`,
      introspectionUrl,
      revocationUrl: `${origin}/token/revocation`,
      userinfoUrl: `${origin}/me`,
      deviceAuthorizationUrl: `${origin}/device/auth`,
      pushedAuthorizationRequestUrl: `${origin}/request`,
    },
    api: `${origin}/me`,
    redirectUri,
    // Without prompt the provider gives no refresh token (OpenID Connect Core section 11).
    login: { scope: 'openid offline_access api:read', authorizationParameters: { prompt: 'consent' } },
    jobScope: 'api:read',
    loginClient: publicClient ? { clientId: 'public' } : basic,
    jobClient: basic,
    authenticated: {
      client_secret_basic: basic,
      client_secret_post: {
        clientId: 'post',
        clientSecret: secrets.post,
        clientAuthentication: 'client_secret_post',
      },
      client_secret_jwt: {
        clientId: 'jwt-secret',
        clientSecret: secrets['jwt-secret'],
        clientAuthentication: 'client_secret_jwt',
      },
      private_key_jwt: {
        clientId: 'signs',
        signingKey: { algorithm: 'ES256', key: clientKey, keyId: clientKeyId },
      },
      ...certifiedClients,
    },
    impostors,
    mtls: { ca: listenerCertificate.cert, api: `${mtlsOrigin}/me` },
    wants: {
      refresh:
        'scope `offline_access` and `authorization_parameters: { prompt: consent }`, else no refresh token comes',
      tls_client_auth: byIssuer,
      self_signed_tls_client_auth: byIssuer,
      certificate_bound: byIssuer,
    },
    lacks: {
      jwt_bearer: 'has no such grant type of its own',
      token_exchange: 'has no such grant type of its own',
    },
    consent: (url) => consentInBrowser(url, redirectUri),
    consentOnDevice: (verificationUri, userCode) =>
      consentForDevice(`${verificationUri}?${new URLSearchParams({ user_code: userCode })}`),
    truth: (token) =>
      introspected(introspectionUrl, { id: 'resource-server', secret: 'resource-server-secret' }, token),
    wantingNonce: () => startOidcProvider({ rotateRefreshToken: true, dpopNonce: true }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

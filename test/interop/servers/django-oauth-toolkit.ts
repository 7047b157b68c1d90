import { fileURLToPath } from 'node:url'
import { redirectUri } from '../login-by-hand.ts'
import { consentByForms } from '../person.ts'
import { startServer } from '../server-process.ts'
import { introspected, type RealServer } from './real-server.ts'

export interface ToolkitSettings {
  /** Seconds. */
  readonly grace: number
  /** Default true. */
  readonly rotates?: boolean
}

export async function startToolkit(
  python: string,
  { grace, rotates = true }: ToolkitSettings,
): Promise<RealServer> {
  const program = fileURLToPath(import.meta.resolve('../django-oauth-toolkit/server.py'))
  const server = await startServer(python, [program], { lifetime: 600, grace, rotates })
  const { origin, version } = server
  const web = { clientId: 'web', clientSecret: 'web-secret' }
  const job = { clientId: 'api', clientSecret: 'api-secret' }
  const introspectionUrl = `${origin}/o/introspect/`
  const old = 'not in this version'
  return {
    name: 'django-oauth-toolkit',
    version,
    base: `${origin}/o`,
    endpoints: {
      tokenUrl: `${origin}/o/token/`,
      authorizationUrl: `${origin}/o/authorize/`,
      introspectionUrl,
      revocationUrl: `${origin}/o/revoke_token/`,
      userinfoUrl: `${origin}/o/userinfo/`,
    },
    api: `${origin}/api/whoami`,
    redirectUri,
    login: { scope: 'openid read' },
    jobScope: 'read',
    loginClient: web,
    jobClient: job,
    authenticated: {
      client_secret_basic: job,
      client_secret_post: { ...job, clientAuthentication: 'client_secret_post' },
    },
    lacks: {
      openid_discovery: 'publishes it at an address with a slash behind, which is not that of the standard',
      server_metadata: old,
      issuer_in_callback: old,
      pushed_authorization: old,
      device_authorization: old,
      client_secret_jwt: old,
      private_key_jwt: old,
      jwt_bearer: old,
      token_exchange: old,
      resource_indicators: old,
      dpop: old,
      dpop_nonce: old,
      tls_client_auth: old,
      self_signed_tls_client_auth: old,
      certificate_bound: old,
    },
    consent: (url) =>
      consentByForms(url, redirectUri, {
        username: 'alice',
        password: 'alice-password',
        allow: 'Authorize',
      }),
    truth: (token) => introspected(introspectionUrl, { id: 'web', secret: 'web-secret' }, token),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

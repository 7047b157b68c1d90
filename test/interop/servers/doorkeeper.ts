import { fileURLToPath } from 'node:url'
import { redirectUri } from '../login-by-hand.ts'
import { consentByForms } from '../person.ts'
import { startServer } from '../server-process.ts'
import { introspected, type RealServer } from './real-server.ts'

export interface DoorkeeperSettings {
  /** Whether its table has the column `previous_refresh_token`. */
  readonly previous: boolean
}

export async function startDoorkeeper(ruby: string, { previous }: DoorkeeperSettings): Promise<RealServer> {
  const program = fileURLToPath(import.meta.resolve('../doorkeeper/server.rb'))
  const server = await startServer(ruby, [program], { lifetime: 600, previous })
  const { origin, version } = server
  const web = { clientId: 'web', clientSecret: 'web-secret' }
  const introspectionUrl = `${origin}/oauth/introspect`
  const none = 'not in this version'
  return {
    name: 'doorkeeper',
    version,
    base: origin,
    issuer: origin,
    endpoints: {
      tokenUrl: `${origin}/oauth/token`,
      authorizationUrl: `${origin}/oauth/authorize`,
      introspectionUrl,
      revocationUrl: `${origin}/oauth/revoke`,
      userinfoUrl: `${origin}/oauth/userinfo`,
    },
    api: `${origin}/oauth/userinfo`,
    redirectUri,
    login: { scope: 'openid read' },
    jobScope: 'read',
    loginClient: web,
    jobClient: web,
    authenticated: {
      client_secret_basic: web,
      client_secret_post: { ...web, clientAuthentication: 'client_secret_post' },
    },
    wants: {
      authorization_code:
        'an authorization page that hands the nonce on where `openid` is asked for (README of doorkeeper-openid_connect, Nonces), else `consent: { parameters: { nonce: null } }` in the profile',
    },
    lacks: {
      server_metadata: none,
      issuer_in_callback: none,
      pushed_authorization: none,
      device_authorization: 'a gem of its own, which Debian does not have',
      client_secret_jwt: none,
      private_key_jwt: none,
      jwt_bearer: none,
      token_exchange: none,
      resource_indicators: none,
      dpop: none,
      dpop_nonce: none,
      tls_client_auth: none,
      self_signed_tls_client_auth: none,
      certificate_bound: none,
    },
    consent: (url) => consentByForms(url, redirectUri, { user: 'alice', password: 'alice-password' }),
    truth: (token) => introspected(introspectionUrl, { id: 'web', secret: 'web-secret' }, token),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

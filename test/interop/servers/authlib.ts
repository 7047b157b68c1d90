import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { startAuthlib as startProcess } from '../authlib/authlib-process.ts'
import { introspected, type RealServer } from './real-server.ts'

const clientKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const assertionKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pkcs8 = (key: KeyObject) => String(key.export({ type: 'pkcs8', format: 'pem' }))
const jwk = (key: KeyObject) => key.export({ format: 'jwk' })

export interface AuthlibSettings {
  /** What its application decides: whether a refresh brings another refresh token and revokes the one before. */
  readonly rotates: boolean
}

export async function startAuthlib(python: string, { rotates }: AuthlibSettings): Promise<RealServer> {
  const server = await startProcess(python, {
    clientKey: jwk(clientKey.publicKey),
    assertionKeys: { 'https://assertions.example': jwk(assertionKey.publicKey) },
    lifetime: 600,
    rotates,
  })
  const { issuer, version, tokenEndpoint } = server
  const web = { clientId: 'web', clientSecret: 'web-secret' }
  const introspectionUrl = `${issuer}/introspect`
  const none = 'not in this version'
  return {
    name: 'authlib',
    version,
    base: issuer,
    issuer,
    endpoints: {
      tokenUrl: tokenEndpoint,
      authorizationUrl: `${issuer}/authorize`,
      introspectionUrl,
      revocationUrl: `${issuer}/revoke`,
      deviceAuthorizationUrl: `${issuer}/device_authorization`,
    },
    redirectUri: 'http://127.0.0.1/callback',
    login: { scope: 'read write' },
    jobScope: 'read',
    loginClient: web,
    jobClient: web,
    authenticated: {
      client_secret_basic: web,
      client_secret_post: {
        clientId: 'post',
        clientSecret: 'post-secret',
        clientAuthentication: 'client_secret_post',
      },
      client_secret_jwt: {
        clientId: 'jwt-secret',
        clientSecret: 'jwt-secret-jwt-secret-jwt-secret',
        clientAuthentication: 'client_secret_jwt',
        clientAssertionAudience: 'token_endpoint',
      },
      private_key_jwt: {
        clientId: 'signs',
        signingKey: { algorithm: 'ES256', key: pkcs8(clientKey.privateKey) },
        clientAssertionAudience: 'token_endpoint',
      },
    },
    assertion: {
      issuer: 'https://assertions.example',
      subject: 'alice',
      key: { algorithm: 'ES256', key: pkcs8(assertionKey.privateKey) },
    },
    wants: {
      client_secret_jwt: '`client_assertion_audience: token_endpoint`, the only audience it takes',
      private_key_jwt: '`client_assertion_audience: token_endpoint`, the only audience it takes',
    },
    lacks: {
      openid_discovery: 'publishes the document of RFC 8414',
      issuer_in_callback: none,
      pushed_authorization: none,
      userinfo: 'the application has no such page',
      token_exchange: none,
      resource_indicators: none,
      dpop: none,
      dpop_nonce: none,
      tls_client_auth: none,
      self_signed_tls_client_auth: none,
      certificate_bound: none,
    },
    consent: (url) => server.consent(url),
    async consentOnDevice(verificationUri, userCode) {
      const body = new URLSearchParams({ user_code: userCode, password: 'alice-password' })
      const answer = await fetch(verificationUri, { method: 'POST', body })
      if (!answer.ok) throw new Error(`authlib did not take the code: ${answer.status}`)
    },
    truth: (token) => introspected(introspectionUrl, { id: 'web', secret: 'web-secret' }, token),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

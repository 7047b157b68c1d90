import { generateKeyPairSync } from 'node:crypto'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const issuerKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey

/** What the provider signs with. */
export const issuerKeys = {
  keys: [{ ...issuerKey.export({ format: 'jwk' }), kid: 'issuer', alg: 'RS256', use: 'sig' }],
}

/** What the client `signs` signs with, PKCS #8 PEM. */
export const clientKey = String(privateKey.export({ type: 'pkcs8', format: 'pem' }))
export const clientKeyId = 'client-key'

/** Nothing listens there: the answer is read off the redirect. */
export const redirectUri = 'http://127.0.0.1/callback'

const deviceCode = 'urn:ietf:params:oauth:grant-type:device_code'

const everything = {
  redirect_uris: [redirectUri],
  response_types: ['code'],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials', deviceCode],
}

export const secrets = {
  basic: 'basic-secret',
  post: 'post-secret',
  // HS256 wants at least 32 bytes.
  'jwt-secret': 'jwt-secret-jwt-secret-jwt-secret',
  // RFC 6749 section 2.3.1: both are form-encoded before they are joined by a colon.
  'odd:id+%': 'p@ss:w/rd+% &=?~',
} as const

/** Registrations, by how they authenticate. */
export const clients: readonly object[] = [
  {
    client_id: 'basic',
    client_secret: secrets.basic,
    token_endpoint_auth_method: 'client_secret_basic',
    ...everything,
  },
  {
    client_id: 'odd:id+%',
    client_secret: secrets['odd:id+%'],
    token_endpoint_auth_method: 'client_secret_basic',
    ...everything,
  },
  {
    client_id: 'post',
    client_secret: secrets.post,
    token_endpoint_auth_method: 'client_secret_post',
    ...everything,
  },
  {
    client_id: 'jwt-secret',
    client_secret: secrets['jwt-secret'],
    token_endpoint_auth_method: 'client_secret_jwt',
    ...everything,
  },
  {
    client_id: 'signs',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: {
      keys: [{ ...publicKey.export({ format: 'jwk' }), kid: clientKeyId, alg: 'ES256', use: 'sig' }],
    },
    ...everything,
  },
  {
    client_id: 'public',
    token_endpoint_auth_method: 'none',
    application_type: 'native',
    ...everything,
    grant_types: ['authorization_code', 'refresh_token', deviceCode],
  },
  {
    client_id: 'resource-server',
    client_secret: 'resource-server-secret',
    token_endpoint_auth_method: 'client_secret_basic',
    redirect_uris: [],
    response_types: [],
    grant_types: [],
  },
]

import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from 'node:crypto'

/** The grant types that the practice server knows, by the names of RFC 6749, RFC 7523, RFC 8628 and RFC 8693. */
export const practiceGrantTypes = [
  'client_credentials',
  'authorization_code',
  'refresh_token',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
  'urn:ietf:params:oauth:grant-type:device_code',
  'urn:ietf:params:oauth:grant-type:token-exchange',
] as const

export type PracticeGrantType = (typeof practiceGrantTypes)[number]

/** A public JWK (RFC 7517), by whichever library's type: those of Node, Web Crypto and jose do not fit each other. */
export interface PracticeJwk {
  readonly kty?: string | undefined
}

/** A key that verifies a JWT. */
export interface PracticeKey {
  readonly algorithm: 'HS256' | 'RS256' | 'ES256' | 'EdDSA'
  /** For HS256 the shared secret's text; otherwise a public key, as JWK, JSON text of a JWK, or PEM. */
  readonly key: string | PracticeJwk
  /** If given, the JWT's `kid` must be this. Default: any `kid` or none. */
  readonly keyId?: string | undefined
}

/** How a client must authenticate (RFC 6749 section 2.3, RFC 7523 section 2.2); no other method is accepted from it. */
export type PracticeClientAuthentication =
  | { readonly method: 'none' }
  | {
      readonly method: 'client_secret_basic' | 'client_secret_post' | 'client_secret_jwt'
      /** Each of a list is good, as while one takes the other's place; see `PracticeServer.setClientSecret`. */
      readonly secret: string | readonly string[]
    }
  | ({
      readonly method: 'private_key_jwt'
      /**
       * Where a platform signs for the client: the `iss` and `sub` of its JWT, which then needs no `jti` and is good until it
       * expires, however often it comes. Default: the client signs, both are its id, and each JWT is good once.
       */
      readonly platform?: { readonly issuer: string; readonly subject: string } | undefined
    } & PracticeKey)

/** A client that is registered at the practice server (RFC 6749 section 2). */
export interface PracticeClient {
  readonly clientId: string
  readonly authentication: PracticeClientAuthentication
  /** Compared exactly, but for the port of `http://127.0.0.1` and `http://[::1]` (RFC 8252 section 7.3). Default none. */
  readonly redirectUris?: readonly string[] | undefined
  /** What it may use at the token endpoint. Default: `client_credentials`. */
  readonly grantTypes?: readonly PracticeGrantType[] | undefined
  /** The scope that it may ask for, and gets when it asks for none. Default: it gets whatever it asks for. */
  readonly scope?: readonly string[] | undefined
  /** Whether it must prove every token request, so that all its tokens are bound to a key (RFC 9449 section 5.2). Default false. */
  readonly dpopBoundAccessTokens?: boolean | undefined
  /** Lifetime of its access tokens in seconds. Default: the server's. */
  readonly accessTokenLifetime?: number | undefined
}

/** One whose signed assertions buy tokens (RFC 7523 section 2.1). Give one entry per key. */
export interface PracticeAssertionIssuer extends PracticeKey {
  /** `iss` of its assertions. */
  readonly issuer: string
}

/** The clients that a practice server has when none are given; documented at `startPracticeServer`. */
export const defaultClients: readonly PracticeClient[] = [
  {
    clientId: 'practice-service',
    authentication: { method: 'client_secret_basic', secret: 'practice-service-secret' },
    grantTypes: [
      'client_credentials',
      'urn:ietf:params:oauth:grant-type:jwt-bearer',
      'urn:ietf:params:oauth:grant-type:token-exchange',
    ],
  },
  {
    clientId: 'practice-app',
    authentication: { method: 'none' },
    redirectUris: ['http://127.0.0.1/callback', 'http://127.0.0.1/oauth/callback'],
    grantTypes: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  },
  {
    clientId: 'practice-web',
    authentication: { method: 'client_secret_post', secret: 'practice-web-secret' },
    redirectUris: ['http://127.0.0.1/callback', 'http://127.0.0.1/oauth/callback'],
    grantTypes: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  },
]

/** The assertion issuer that a practice server has when none is given. */
export const defaultAssertionIssuers: readonly PracticeAssertionIssuer[] = [
  { issuer: 'practice-issuer', algorithm: 'HS256', key: 'practice-issuer-secret-of-32-bytes-or-more' },
]

/** A {@link PracticeKey}, parsed. */
export interface VerificationKey {
  readonly algorithms: readonly string[]
  readonly key: KeyObject
  readonly keyId: string | undefined
}

// RFC 9864 renamed EdDSA with Ed25519 to `Ed25519`; both names are in use.
const algorithmNames = {
  HS256: ['HS256'],
  RS256: ['RS256'],
  ES256: ['ES256'],
  EdDSA: ['EdDSA', 'Ed25519'],
} satisfies Record<PracticeKey['algorithm'], string[]>

/** Throws a `TypeError` that names the owner, and never shows the key, when the key cannot be used. */
export function verificationKey(practiceKey: PracticeKey, owner: string): VerificationKey {
  const { algorithm, key, keyId } = practiceKey
  const algorithms = algorithmNames[algorithm]
  if (algorithms === undefined) throw new TypeError(`${owner}: unknown algorithm ${String(algorithm)}`)
  try {
    return { algorithms, key: parseKey(algorithm, key), keyId }
  } catch (cause) {
    throw new TypeError(`${owner}: the ${algorithm} key cannot be read`, { cause })
  }
}

function parseKey(algorithm: PracticeKey['algorithm'], key: string | PracticeJwk): KeyObject {
  if (algorithm === 'HS256') {
    if (typeof key !== 'string' || key === '') throw new TypeError('HS256 needs the text of a secret')
    return createSecretKey(Buffer.from(key))
  }
  if (typeof key === 'string' && !key.trimStart().startsWith('{')) return createPublicKey(key)
  const jwk = (typeof key === 'string' ? JSON.parse(key) : key) as JsonWebKey
  return createPublicKey({ key: jwk, format: 'jwk' })
}

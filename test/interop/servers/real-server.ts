import type { AuthorizationCodeOptions, ClientOptions, JwtBearerOptions } from 'evertoken'

/** How a client authenticates, where the capability is named after it. */
export type AuthenticationMethod =
  | 'client_secret_basic'
  | 'client_secret_post'
  | 'client_secret_jwt'
  | 'private_key_jwt'
  | 'tls_client_auth'
  | 'self_signed_tls_client_auth'

/** A client of a server; what a login and a job need to say is the same for every method. */
export type RegisteredClient = ClientOptions & { readonly clientId: string }

/** What a client can do at a server, each with a row of its own in the table. */
export type Capability =
  | 'openid_discovery'
  | 'server_metadata'
  | 'client_credentials'
  | 'authorization_code'
  | 'refresh'
  | 'issuer_in_callback'
  | 'pushed_authorization'
  | 'device_authorization'
  | AuthenticationMethod
  | 'introspection'
  | 'introspection_harmless'
  | 'revocation'
  | 'userinfo'
  | 'resource_indicators'
  | 'jwt_bearer'
  | 'token_exchange'
  | 'dpop'
  | 'dpop_nonce'
  | 'certificate_bound'

/** What introspection says of a token, RFC 7662 section 2.2. */
export interface Truth {
  readonly active: boolean
  readonly client_id?: string
  readonly sub?: string
  readonly scope?: string
  readonly aud?: string | readonly string[]
  /** What it is bound to. */
  readonly cnf?: { readonly jkt?: string; readonly 'x5t#S256'?: string }
}

/** Where a server asks for certificates (RFC 8705). */
export interface MutualTls {
  /** Who signed the server's own, PEM. */
  readonly ca: string
  /** An API that wants to see the certificate to which a token is bound. */
  readonly api: string
}

/**
 * A server that nobody here wrote, as it runs for the tests: where it is, the clients it knows, a person who consents, and what
 * is true of a token by its own word.
 */
export interface RealServer extends AsyncDisposable {
  readonly name: string
  readonly version: string
  /** What it calls itself, or would. */
  readonly base: string
  /** The same, where it publishes metadata at an address of the standards. */
  readonly issuer?: string
  /** Every endpoint that it has, as options of a client. */
  readonly endpoints: Pick<
    ClientOptions,
    | 'tokenUrl'
    | 'authorizationUrl'
    | 'introspectionUrl'
    | 'revocationUrl'
    | 'userinfoUrl'
    | 'deviceAuthorizationUrl'
    | 'pushedAuthorizationRequestUrl'
  >
  /** An API that answers 401 to a dead access token, 200 to a live one; absent where there is none. */
  readonly api?: string
  readonly redirectUri: string
  /** Of a login, with what a refresh token needs. */
  readonly login: Pick<AuthorizationCodeOptions, 'scope' | 'authorizationParameters'>
  /** Of a job. */
  readonly jobScope: string
  /** A client that logs people in, and the one that acts for itself. */
  readonly loginClient: RegisteredClient
  readonly jobClient: RegisteredClient
  /** By the method with which each authenticates at the token endpoint, for jobs. */
  readonly authenticated: Partial<Record<AuthenticationMethod, RegisteredClient>>
  /** Who names such a client and cannot prove it, where the certificates say who that is. */
  readonly impostors?: Partial<Record<AuthenticationMethod, readonly RegisteredClient[]>>
  readonly mtls?: MutualTls
  /** Assertions that it takes (RFC 7523 section 2.1). */
  readonly assertion?: JwtBearerOptions['assertion']
  /** What it cannot, with why. */
  readonly lacks: Partial<Record<Capability, string>>
  /** What a client must say for it to work. */
  readonly wants?: Partial<Record<Capability, string>>
  /** Plays the person: gives where the browser would be sent back to. */
  consent(authorizationUrl: string): Promise<URL>
  /** The same on another device. */
  consentOnDevice?(verificationUri: string, userCode: string): Promise<void>
  truth(token: string): Promise<Truth>
  /** The same server once more, where it wants a nonce of its own in each proof (RFC 9449 section 8). */
  wantingNonce?(): Promise<RealServer>
}

/** Asks a server about a token as a client that may. */
export async function introspected(
  url: string,
  credentials: { readonly id: string; readonly secret: string },
  token: string,
): Promise<Truth> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${credentials.id}:${credentials.secret}`)}` },
    body: new URLSearchParams({ token }),
  })
  if (!answer.ok) throw new Error(`introspection was refused: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Truth
}

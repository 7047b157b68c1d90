import type { ProviderDialect } from '../providers/dialect.ts'
import type { Secret } from '../secret.ts'

/** Signing algorithms for assertions (RFC 7518 section 3.1, RFC 8037). */
export type AssertionAlgorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA'

/**
 * A key that signs assertions: the shared secret's text for HS256, otherwise a private key as PKCS #8 PEM or as
 * the JSON text of a private JWK.
 */
export interface SigningKey {
  readonly algorithm: AssertionAlgorithm
  readonly key: Secret
  /** `kid` of the JOSE header. */
  readonly keyId?: string | undefined
}

/**
 * `aud` of client assertions (RFC 7523 section 3): a value or several, where `issuer` and `token_endpoint` stand for those of
 * the provider. One alone is written as a text, as RFC 7519 section 4.1.3 allows and some servers expect.
 */
export type AssertionAudience = string | readonly string[]

/** What a client shares with the provider. */
export interface ClientSecrets {
  readonly secret: Secret
  /** Tried where the provider refuses the first, while one takes the other's place. */
  readonly secondSecret?: Secret | undefined
}

/** How a client proves who it is at the token endpoint (RFC 6749 section 2.3, RFC 7523 section 2.2). */
export type ClientAuthentication =
  | { readonly method: 'none' }
  | ({ readonly method: 'client_secret_basic' } & ClientSecrets)
  | ({ readonly method: 'client_secret_post' } & ClientSecrets)
  | ({
      readonly method: 'client_secret_jwt'
      readonly audience?: AssertionAudience | undefined
    } & ClientSecrets)
  | {
      readonly method: 'private_key_jwt'
      readonly key: SigningKey
      readonly audience?: AssertionAudience | undefined
    }
  /** The certificate of the connection says who the client is (RFC 8705 section 2). */
  | { readonly method: 'tls_client_auth' | 'self_signed_tls_client_auth' }
  /** The JWT is signed by a platform, which renews it in this file: a whole path. */
  | { readonly method: 'private_key_jwt'; readonly assertionFile: string }

/** What a client shows in the TLS handshake: PEM, or whole paths of files with PEM, which are read for every request. */
export type ClientCertificate =
  | { readonly certificate: string; readonly key: Secret }
  | { readonly certificateFile: string; readonly keyFile: string }

/** A provider's endpoints, as RFC 8414 names them. */
export interface ServerMetadata {
  readonly issuer?: string | undefined
  readonly tokenEndpoint: string
  readonly authorizationEndpoint?: string | undefined
  /** RFC 9207: the provider always sends `iss` beside the code. */
  readonly authorizationResponseIssSupported?: boolean | undefined
  /** The provider is one of OpenID Connect: it promises an id_token to who asks for `openid`. */
  readonly openid?: boolean | undefined
  /** RFC 7009. */
  readonly revocationEndpoint?: string | undefined
  /** RFC 7662. */
  readonly introspectionEndpoint?: string | undefined
  /** OpenID Connect Core section 5.3. */
  readonly userinfoEndpoint?: string | undefined
  /** RFC 8628. */
  readonly deviceAuthorizationEndpoint?: string | undefined
  /** RFC 9126. */
  readonly pushedAuthorizationRequestEndpoint?: string | undefined
  /** RFC 9126 section 5: the provider takes no other authorization requests. */
  readonly requirePushedAuthorizationRequests?: boolean | undefined
  /** RFC 8705 section 5: in place of these endpoints, for a client that shows a certificate. */
  readonly mtlsEndpointAliases?: MtlsEndpointAliases | undefined
}

/** The endpoints that may have another address for clients with a certificate. */
export type MtlsEndpointAliases = Partial<
  Pick<
    ServerMetadata,
    | 'tokenEndpoint'
    | 'revocationEndpoint'
    | 'introspectionEndpoint'
    | 'userinfoEndpoint'
    | 'deviceAuthorizationEndpoint'
    | 'pushedAuthorizationRequestEndpoint'
  >
>

/** Where the provider is: an issuer to discover (RFC 8414, OpenID Connect Discovery) or its endpoints. */
export type ProviderAddress =
  | { readonly kind: 'issuer'; readonly issuer: string }
  | { readonly kind: 'endpoints'; readonly metadata: ServerMetadata }

/** Where requests of a client may go. */
export interface Reach {
  /** Allows plain http to hosts that are not a literal loopback address. */
  readonly insecureHttp: boolean
  /** Allows addresses of private networks (RFC 6890), and loopback reached through a name. Default false. */
  readonly privateNetwork?: boolean | undefined
}

/** Our registration at a provider. */
export interface ClientRegistration extends Reach {
  readonly provider: ProviderAddress
  readonly clientId: string
  readonly authentication: ClientAuthentication
  /** Hosts at which an issuer may have its endpoints, though it did not name them when it was first asked. */
  readonly endpointHosts?: readonly string[] | undefined
  /** RFC 7009; in place of what the provider names. */
  readonly revocationEndpoint?: string | undefined
  /** RFC 7662; in place of what the provider names. */
  readonly introspectionEndpoint?: string | undefined
  /** OpenID Connect Core section 5.3; in place of what the provider names. */
  readonly userinfoEndpoint?: string | undefined
  /** Answers a GET with 401 to an access token that is dead, with 2xx to one that is not, and changes nothing. */
  readonly validationUrl?: string | undefined
  /** RFC 8628; in place of what the provider names. */
  readonly deviceAuthorizationEndpoint?: string | undefined
  /** RFC 9126; in place of what the provider names. */
  readonly pushedAuthorizationRequestEndpoint?: string | undefined
  /** Pushes authorization requests also where the provider takes others. */
  readonly pushedAuthorization?: boolean | undefined
  /** Shown on every connection to the provider (RFC 8705). */
  readonly certificate?: ClientCertificate | undefined
  /** Binds tokens to a key of the grant (RFC 9449). */
  readonly dpop?: boolean | undefined
  /** As at the consent, where the provider wants to hear it at a refresh too. */
  readonly redirectUri?: string | undefined
  /** Where the provider speaks otherwise than RFC 6749. */
  readonly dialect?: ProviderDialect | undefined
}

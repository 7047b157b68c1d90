import type { AssertionTemplate } from '../oauth/assertion.ts'
import type {
  AssertionAlgorithm,
  ClientAuthentication,
  ClientRegistration,
  ProviderAddress,
} from '../oauth/client.ts'
import type { TokenExchange } from '../oauth/token-exchange.ts'
import type { ProviderProfile } from '../providers/profile.ts'
import { Secret } from '../secret.ts'
import { type AssertionOptions, assertionTemplate } from './assertion-options.ts'
import { resolveAuthentication } from './authentication-options.ts'
import { resolveCertificate } from './certificate-options.ts'
import type { GrantRecord, GrantType } from './grant.ts'
import type { LifetimeFacts } from './lifetime-facts.ts'
import { type LifetimeOptions, lifetimeFacts } from './lifetime-options.ts'
import {
  checkedFlag,
  checkedHosts,
  checkedLifetime,
  checkedSeconds,
  checkedSecret,
  checkedTarget,
  checkedUrl,
  invalid,
} from './option-check.ts'
import { isIntrospectable, type ProfiledOptions, withProfile } from './profile-options.ts'

/** How a client authenticates, by the names of RFC 8414 `token_endpoint_auth_methods_supported`. */
export type ClientAuthenticationMethod = ClientAuthentication['method']

export interface SigningKeyOptions {
  algorithm: AssertionAlgorithm
  /** The shared secret for HS256; else a private key as PKCS #8 PEM or as the JSON text of a private JWK. */
  key: string | Secret
  /** `kid` in the JOSE header. */
  keyId?: string | undefined
}

/** Our registration at a provider, as users write it. */
export interface ClientOptions extends LifetimeOptions {
  /** The provider as data. What stands beside it here is used in its place. */
  profile?: ProviderProfile | undefined
  /** What the profile's `variables` ask for: a tenant, a shop, a key of a subscription. */
  variables?: Readonly<Record<string, string | Secret>> | undefined
  /** Issuer to discover (RFC 8414, OpenID Connect Discovery); else `tokenUrl`. */
  issuer?: string | undefined
  tokenUrl?: string | undefined
  /** Only where a person consents. */
  authorizationUrl?: string | undefined
  /** RFC 8628, where a person consents on another device; in place of what an issuer names. */
  deviceAuthorizationUrl?: string | undefined
  /** RFC 9126; in place of what an issuer names. It is used as `pushedAuthorization` says. */
  pushedAuthorizationRequestUrl?: string | undefined
  /**
   * Hands each authorization request to the provider first, so that the browser carries only a reference to it (RFC 9126):
   * nobody can read or change it on the way. Default false, because that reference is mostly good for one opening within a
   * minute, too little for a link that is sent to somebody, and it costs a request. Where the metadata of an issuer says
   * `require_pushed_authorization_requests`, it is done all the same.
   */
  pushedAuthorization?: boolean | undefined
  /**
   * Hosts at which the issuer may have its endpoints (`oauth2.example.com`, with a port where it is not 443). Default: its own and those
   * below it, and those that it named when it was first asked for this client; a move to another is refused (`endpoint_moved`)
   * until it stands here. At most 16.
   */
  endpointHosts?: readonly string[] | undefined
  /** RFC 7009; in place of what an issuer names. */
  revocationUrl?: string | undefined
  /** RFC 7662; in place of what an issuer names. */
  introspectionUrl?: string | undefined
  /** OpenID Connect Core section 5.3; in place of what an issuer names. Asked by `validate` about tokens of scope `openid`. */
  userinfoUrl?: string | undefined
  /**
   * A GET of the provider's API that changes nothing and answers 401 to an access token that is dead, 2xx to one that is not:
   * asked by `validate` where there is neither introspection nor userinfo.
   */
  validationUrl?: string | undefined
  /**
   * Where the provider sends a person back to, exactly as at the consent: only for providers that want to hear it at every
   * refresh (`send: [redirect_uri]` in their profile).
   */
  redirectUri?: string | undefined
  clientId?: string | undefined
  /**
   * The client secret, or a list of two while one takes the other's place: the first is used, and the second where the
   * provider answers `invalid_client` (RFC 6749 section 5.2). Which of them worked last is remembered in the process.
   */
  clientSecret?: string | Secret | readonly (string | Secret)[] | undefined
  /**
   * Default: `private_key_jwt` with `signingKey` or `clientAssertionFile`, `client_secret_basic` with a secret,
   * `tls_client_auth` with a certificate alone, else `none`.
   */
  clientAuthentication?: ClientAuthenticationMethod | undefined
  /** For `private_key_jwt`. */
  signingKey?: SigningKeyOptions | undefined
  /**
   * The whole path of a file with a signed JWT that a platform renews (a projected service account token of Kubernetes, an
   * identity of a workload in CI). It is read for every request and sent as `client_assertion` (RFC 7523 section 2.2), in
   * place of a secret or a key. At most 64 KiB. While it is missing nothing is sent, and afterwards the grant goes on.
   */
  clientAssertionFile?: string | undefined
  /**
   * Shown to the provider in the TLS handshake (RFC 8705): it says who the client is with `tls_client_auth` or
   * `self_signed_tls_client_auth`, and tokens may be bound to it however the client authenticates. Both as PEM, the certificate
   * with its chain where there is one.
   */
  clientCertificate?: { certificate: string; key: string | Secret } | undefined
  /** In place of `clientCertificate`: the whole path of a file with it, read for every request. At most 64 KiB. */
  clientCertificateFile?: string | undefined
  /** The whole path of the file with its key; the same file may hold both. */
  clientKeyFile?: string | undefined
  /**
   * `aud` of client assertions: `issuer`, `token_endpoint`, any other value as it is, or a list of up to eight of these.
   * Default: the issuer alone where one is known, so that no other server can use the assertion (draft of RFC 7523bis), else
   * the token endpoint (RFC 7523 section 3).
   */
  clientAssertionAudience?: string | readonly string[] | undefined
  /**
   * Binds the tokens to a key that evertoken makes for the grant and shows to nobody (DPoP, RFC 9449): whoever steals a token
   * alone can do nothing with it. For providers that support it; each API must be sent a proof beside the token, as
   * `authorizedFetch` does. Default: as the profile says, else false.
   */
  dpop?: boolean | undefined
  /** Allows plain http to a host that is not loopback. Default false. */
  insecureHttp?: boolean | undefined
  /**
   * The provider is in a network of one's own: allows addresses that are not on the public internet (RFC 6890), and this
   * machine reached through a name. Default false. Link-local addresses and metadata services of clouds are refused always, and a
   * loopback address written literally, or `localhost`, never. With a `transport` of your own it is for that to heed.
   */
  privateNetwork?: boolean | undefined
}

/** What every kind of grant may say. */
export interface GrantOptions {
  scope?: string | readonly string[] | undefined
  /** RFC 8707. */
  resource?: string | readonly string[] | undefined
  /** Seconds before expiry at which a token is refreshed; never more than half its life. Default: by lifetime. */
  refreshBefore?: number | undefined
  /** Seconds a token is taken to live where the provider does not say. Default 3300. */
  assumedLifetime?: number | undefined
  /** More parameters of the token request. */
  parameters?: Readonly<Record<string, string>> | undefined
  /** Names of members of the provider's answer to hand out beside the token. Never a token. */
  metadata?: readonly string[] | undefined
}

export type ClientCredentialsOptions = ClientOptions & GrantOptions & { clientId: string }

export interface JwtBearerOptions extends ClientOptions, GrantOptions {
  assertion: AssertionOptions
}

export type AuthorizationCodeOptions = ClientOptions &
  GrantOptions & {
    clientId: string
    /** More parameters of the authorization request: `prompt`, `access_type`. */
    authorizationParameters?: Readonly<Record<string, string>> | undefined
  }

/** RFC 6749 section 4.3. The user name and the password are no part of it: they are given to `keeper.login`. */
export type PasswordCredentialsOptions = ClientOptions & GrantOptions

export type RefreshTokenOptions = ClientOptions &
  GrantOptions & {
    clientId: string
    refreshToken: string | Secret
  }

/** Everything that is needed to obtain a grant's next token: options resolved once and frozen. */
export interface GrantDefinition {
  readonly grantType: GrantType
  readonly client: ClientRegistration
  readonly scope: readonly string[]
  readonly resource: readonly string[]
  readonly parameters: Readonly<Record<string, string>>
  readonly metadata: readonly string[]
  readonly facts: LifetimeFacts
  /** Seconds. */
  readonly refreshBefore?: number | undefined
  /** Seconds. */
  readonly assumedLifetime?: number | undefined
  readonly assertion?: AssertionTemplate | undefined
  /** What is exchanged, RFC 8693. */
  readonly exchange?: TokenExchange | undefined
  readonly authorizationParameters?: Readonly<Record<string, string>> | undefined
  /** The refresh token that an import begins with. */
  readonly refreshToken?: Secret | undefined
  /** The grant whose login brought this one's first tokens (secondary.ts). */
  readonly secondaryOf?: string | undefined
}

const words = (value: string | readonly string[] | undefined): readonly string[] =>
  Object.freeze(typeof value === 'string' ? value.split(/\s+/).filter(Boolean) : [...(value ?? [])])

const endpoint = (value: string | undefined, what: string): string | undefined =>
  value === undefined ? undefined : checkedUrl(value, what)

function resolveProvider(options: ClientOptions): ProviderAddress {
  const { insecureHttp = false } = options
  if (options.issuer !== undefined && options.tokenUrl === undefined)
    return { kind: 'issuer', issuer: checkedTarget(options.issuer, 'issuer', insecureHttp) }
  if (options.tokenUrl === undefined)
    throw invalid(
      'neither issuer nor tokenUrl is given',
      'Name the issuer to discover, or the token endpoint.',
    )
  return {
    kind: 'endpoints',
    metadata: {
      issuer: options.issuer,
      tokenEndpoint: checkedTarget(options.tokenUrl, 'tokenUrl', insecureHttp),
      authorizationEndpoint: endpoint(options.authorizationUrl, 'authorizationUrl'),
    },
  }
}

/** What is brought says who asks: the client need not be named (RFC 7521 section 4.1, RFC 6749 section 4.3.2, RFC 8693 section 2.1). */
const anonymous: readonly GrantType[] = ['jwt_bearer', 'password', 'token_exchange', 'request']

/**
 * The definition of a grant of this type, frozen.
 *
 * @throws EvertokenError `invalid_configuration`, `empty_secret`, `insecure_http`.
 */
export function resolve(
  grantType: GrantType,
  { options, dialect, api, statedAt }: ProfiledOptions<ClientOptions & GrantOptions>,
  more: Partial<GrantDefinition>,
): GrantDefinition {
  const definition: GrantDefinition = {
    grantType,
    client: Object.freeze({
      provider: Object.freeze(resolveProvider(options)),
      clientId: options.clientId ?? '',
      authentication: Object.freeze(resolveAuthentication(options)),
      certificate: resolveCertificate(options),
      insecureHttp: options.insecureHttp ?? false,
      privateNetwork: options.privateNetwork === true ? true : undefined,
      endpointHosts: checkedHosts(options.endpointHosts, 'endpointHosts'),
      revocationEndpoint: endpoint(options.revocationUrl, 'revocationUrl'),
      introspectionEndpoint: endpoint(options.introspectionUrl, 'introspectionUrl'),
      userinfoEndpoint: endpoint(options.userinfoUrl, 'userinfoUrl'),
      validationUrl: endpoint(options.validationUrl, 'validationUrl'),
      deviceAuthorizationEndpoint: endpoint(options.deviceAuthorizationUrl, 'deviceAuthorizationUrl'),
      pushedAuthorizationRequestEndpoint: endpoint(
        options.pushedAuthorizationRequestUrl,
        'pushedAuthorizationRequestUrl',
      ),
      pushedAuthorization: options.pushedAuthorization,
      redirectUri: options.redirectUri,
      dpop: checkedFlag(options.dpop, 'dpop'),
      dialect,
    }),
    scope: words(options.scope),
    resource: words(options.resource),
    parameters: Object.freeze({ ...options.parameters }),
    metadata: Object.freeze([...(options.metadata ?? [])]),
    facts: Object.freeze({
      ...lifetimeFacts(grantType, options, isIntrospectable(options)),
      ...(statedAt === undefined ? {} : { statedAt }),
      ...(api === undefined ? {} : { api: Object.freeze({ ...api }) }),
    }),
    refreshBefore: checkedSeconds(options.refreshBefore, 'refreshBefore'),
    assumedLifetime: checkedLifetime(options.assumedLifetime, 'assumedLifetime'),
    ...more,
  }
  if (definition.client.clientId === '' && !anonymous.includes(grantType))
    throw invalid('clientId is missing')
  return Object.freeze(definition)
}

/** A client that acts for itself (RFC 6749 section 4.4). Throws `invalid_configuration`, `empty_secret` or `insecure_http`. */
export function clientCredentials(options: ClientCredentialsOptions): GrantDefinition {
  return resolve('client_credentials', withProfile('client_credentials', options), {})
}

/** A service account that signs an assertion for each token (RFC 7523 section 2.1). */
export function jwtBearer(options: JwtBearerOptions): GrantDefinition {
  const profiled = withProfile('jwt_bearer', options)
  const assertion = assertionTemplate(options.assertion, profiled.assertion)
  return resolve('jwt_bearer', profiled, { assertion })
}

/** A person's consent (RFC 6749 section 4.1 with PKCE, or RFC 8628). Pending until somebody has consented. */
export function authorizationCode(options: AuthorizationCodeOptions): GrantDefinition {
  const profiled = withProfile('authorization_code', options)
  const { issuer, authorizationUrl, deviceAuthorizationUrl } = profiled.options
  if (issuer === undefined && authorizationUrl === undefined && deviceAuthorizationUrl === undefined)
    throw invalid('a consent needs an issuer, an authorizationUrl or a deviceAuthorizationUrl')
  return resolve('authorization_code', profiled, {
    authorizationParameters: Object.freeze({ ...options.authorizationParameters }),
  })
}

/**
 * A person's login by user name and password (RFC 6749 section 4.3), for providers that have nothing else. Pending until
 * somebody has logged in with `keeper.login`; it lives by its refresh token, and neither of the two is kept.
 */
export function passwordCredentials(options: PasswordCredentialsOptions): GrantDefinition {
  return resolve('password', withProfile('password', options), {})
}

/** A login that began elsewhere: its newest refresh token goes in, and from then on only evertoken spends it. */
export function refreshToken(options: RefreshTokenOptions): GrantDefinition {
  return resolve('refresh_token', withProfile('refresh_token', options), {
    refreshToken: checkedSecret(options.refreshToken, 'refreshToken'),
  })
}

/** Throws a TypeError for what is no grant, such as the options of one. */
export function checkedGrant(definition: GrantDefinition, taker: string): GrantDefinition {
  if (typeof definition?.grantType === 'string' && definition.client !== undefined) return definition
  throw new TypeError(`${taker} takes a grant: clientCredentials({…}), jwtBearer({…}), refreshToken({…})`)
}

/** The provider, for people: an issuer, or the host of the token endpoint. */
export function providerName({ client: { provider } }: GrantDefinition): string {
  return provider.kind === 'issuer' ? provider.issuer : new URL(provider.metadata.tokenEndpoint).host
}

/** Names the provider and the client: grants with the same share breaker and rate, over all machines. */
export const circuitKey = (definition: GrantDefinition): string =>
  `${providerName(definition)}\n${definition.client.clientId}`

const secretMember = '$secret'
/** Users' own members that look like ours get one more sign in front while they are written. */
const likeSecretMember = /^\$+secret$/

const renamed = (
  value: object,
  rename: (name: string) => string,
  change: (member: unknown) => unknown = (member) => member,
): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).map(([name, member]) => [rename(name), change(member)]))

/** With the secrets in it, as a definition is written. */
export function reveal(value: unknown): unknown {
  if (value instanceof Secret) return { [secretMember]: value.reveal() }
  if (Array.isArray(value)) return value.map(reveal)
  if (typeof value === 'object' && value !== null)
    return renamed(value, (name) => (likeSecretMember.test(name) ? `$${name}` : name), reveal)
  return value
}

/** JSON text with the secrets in it: only ever for sealing. */
export const writeDefinition = (definition: GrantDefinition): string => JSON.stringify(reveal(definition))

/** The inverse of {@link writeDefinition}. */
export const readDefinition = (text: string): GrantDefinition => revive(JSON.parse(text)) as GrantDefinition

/** The part of a seal that opens a definition: no more of it, whose types are Node's, which browsers have not. */
interface Opener {
  open(
    box: GrantRecord['definition'],
    place: { readonly grant: string; readonly field: 'definition' },
  ): string
}

/** The definition of a record. */
export const openedDefinition = (
  seal: Opener,
  { id, definition }: Pick<GrantRecord, 'id' | 'definition'>,
): GrantDefinition => readDefinition(seal.open(definition, { grant: id, field: 'definition' }))

/** In place. A reviver would do the same and is called for every member, which is most of what reading costs. */
function revive(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  let escaped = false
  for (const [name, member] of Object.entries(value)) {
    const revived = revive(member)
    // Not by assignment, which would take a member called __proto__ for something else.
    if (revived !== member) Object.defineProperty(value, name, { value: revived })
    escaped ||= likeSecretMember.test(name)
  }
  if (!escaped || Array.isArray(value)) return Object.freeze(value)
  const held = (value as Record<string, unknown>)[secretMember]
  if (typeof held === 'string') return new Secret(held)
  return Object.freeze(renamed(value, (name) => (likeSecretMember.test(name) ? name.slice(1) : name)))
}

/**
 * A provider as data: where it is, what it wants to hear, how it answers, and how it treats the tokens of a login. The keys are those of
 * `evertoken.yaml` and of the files of the catalogue, in code too, so that a profile can be moved between them as it is. All
 * times are in seconds. What is left out is as RFC 6749 has it.
 *
 * Text between braces is filled in: in addresses and headers `{tenant}` and the like, the profile's own `variables`; in
 * parameters these and `{client_id}`, `{client_secret}`, and every parameter of the standard request by its RFC name
 * (`{refresh_token}`, `{code}`).
 */
export interface ProviderProfile {
  /** Lower-case letters, digits and dashes; names it in `provider: google` and `extends: google`. */
  readonly id: string
  /** For people. */
  readonly name: string
  /** Issuer to discover (RFC 8414), where `token_url` does not stand beside it. */
  readonly issuer?: string
  readonly token_url?: string
  readonly authorization_url?: string
  /** RFC 7009. */
  readonly revocation_url?: string
  /** RFC 7662. */
  readonly introspection_url?: string
  /** OpenID Connect Core section 5.3. */
  readonly userinfo_url?: string
  /** RFC 8628. */
  readonly device_authorization_url?: string
  /** RFC 9126. */
  readonly pushed_authorization_request_url?: string
  /** What every user fills in: a tenant, a shop, a key of a subscription. */
  readonly variables?: Readonly<Record<string, ProfileVariable>>
  /** How a client authenticates where it does not say itself. */
  readonly client_authentication?:
    | 'none'
    | 'client_secret_basic'
    | 'client_secret_post'
    | 'client_secret_jwt'
    | 'private_key_jwt'
    | 'tls_client_auth'
    | 'self_signed_tls_client_auth'
  /** The provider issues tokens that are bound to a key of the client (DPoP, RFC 9449), and wants them to be. */
  readonly dpop?: boolean
  /** HTTP Basic other than id and secret (Stripe: the secret as user, nothing as password). */
  readonly basic?: { readonly user: string; readonly password: string }
  /** How the JWT is made with which a client proves itself, where that is other than RFC 7523 section 2.2 has it. */
  readonly client_assertion?: ClientAssertionDialect
  /** How each request differs from that of the RFC. `all` first, what stands under the operation over it. */
  readonly requests?: Readonly<Partial<Record<Operation | 'all', RequestDialect>>>
  readonly answer?: AnswerDialect
  /** The first that matches decides; after them RFC 6749 section 5.2. */
  readonly errors?: readonly ErrorRule[]
  readonly lifetimes?: ProfileLifetimes
  readonly consent?: ConsentDialect
  /** What an assertion says here (JWT bearer, or one for `request`) where its user does not say otherwise. */
  readonly assertion?: AssertionDefaults
  /** How an API of this provider wants the access token; default `Authorization: Bearer`. An empty scheme is none. */
  readonly api?: { readonly header?: string; readonly scheme?: string }
  readonly registration?: Registration
  /** Where all this comes from. */
  readonly facts?: ProfileFacts
}

/** The requests that a profile can rewrite. */
export type Operation =
  | 'authorize'
  | 'exchange'
  /** Sent after a person's consent with its `{access_token}`, where that is short-lived; what it answers is kept. */
  | 'second_exchange'
  /** A person's user name and password for tokens, RFC 6749 section 4.3. */
  | 'login'
  | 'refresh'
  | 'client_credentials'
  | 'jwt_bearer'
  /** RFC 8693. */
  | 'token_exchange'
  /** A token minted by a request of the provider's own design; `{assertion}` is a JWT that is signed for it. */
  | 'request'
  | 'device_authorization'
  | 'device_token'
  | 'revoke'
  | 'introspect'

/** One thing that a profile cannot know by itself. */
export interface ProfileVariable {
  /** What it is and where a person finds it. */
  readonly description: string
  /** Used where nobody says otherwise. */
  readonly default?: string
  readonly example?: string
  /** A regular expression that the whole value must match; default `[A-Za-z0-9][A-Za-z0-9.-]*`, of a secret `[\x21-\x7e]+`. */
  readonly pattern?: string
  /**
   * Where it is part of a host: the hosts that may come of it, `*.myshopify.com` for one label or more before a suffix. Without
   * them the address itself must leave no choice: `https://{shop}.myshopify.com`.
   */
  readonly hosts?: readonly string[]
  /** Everybody runs this provider at a host of their own (Keycloak, GitLab): whoever fills it in says where secrets go. */
  readonly any_host?: boolean
  /** It is a secret and never shown. */
  readonly secret?: boolean
}

/** How one request is written. */
export interface RequestDialect {
  /** In place of the endpoint: a refresh URL of its own. Under `revoke`, `{token}` and `{client_id}` may stand behind its host. */
  readonly url?: string
  /** Default `POST`; with `GET` all parameters go into the query. `DELETE` is for `revoke` alone. */
  readonly method?: 'POST' | 'GET' | 'DELETE'
  /** Where the parameters go; default `form`. */
  readonly body?: 'form' | 'json' | 'query'
  /** Names other than those of the RFC: `{ client_id: client_key }`. Applied after `parameters`. */
  readonly rename?: Readonly<Record<string, string>>
  /** More parameters, or others in place of the standard ones; `null` leaves one out. */
  readonly parameters?: Readonly<Record<string, string | null>>
  /** Under `revoke`, `{token}`, `{client_id}` and `{client_secret}` may stand in them. */
  readonly headers?: Readonly<Record<string, string>>
  /** What the RFC lets a client leave out and this provider wants to hear: scope or redirect_uri at a refresh. */
  readonly send?: readonly ('scope' | 'redirect_uri')[]
  /** Under `revoke`: how a client with a secret proves itself there, where that is otherwise than at the token endpoint. */
  readonly client_authentication?: 'none' | 'client_secret_basic' | 'client_secret_post'
  /** Under `revoke`: the kinds of token that can be revoked; default both. */
  readonly tokens?: readonly ('access_token' | 'refresh_token')[]
  /** Under `revoke`: an access token takes the refresh token of its login along. */
  readonly ends_login?: boolean
  /** Under `revoke`: what says that the token is worth nothing now, and nothing else does; default any 2xx that names no error. */
  readonly revoked?: readonly RevokedRule[]
}

/** Matches where everything it names does. At least one of `status`, `code` and `pointer` must stand. */
export interface RevokedRule {
  readonly status?: number
  /** The error code of the answer, for one that says that the token was dead already. */
  readonly code?: string
  readonly pointer?: string
  /** For `pointer`; without it, that something is there, as in {@link AnswerTest}. */
  readonly equals?: string | number | boolean
}

/** A JSON pointer (RFC 6901), or several of which the first that leads to something counts. */
export type Pointer = string | readonly string[]

/**
 * How a time of expiry is written; numbers may be texts. `iso8601` without a zone is UTC. What cannot be read, or has
 * passed, counts as not said.
 */
export type ExpiryFormat = 'relative_s' | 'relative_ms' | 'epoch_s' | 'epoch_ms' | 'iso8601'

/** How an answer of the token endpoint is read. All pointers count from `root`, those of errors and tests from the top. */
export interface AnswerDialect {
  readonly root?: Pointer
  readonly access_token?: Pointer
  /** May name the access token itself, where that is what renews it. */
  readonly refresh_token?: Pointer
  readonly token_type?: Pointer
  readonly scope?: Pointer
  readonly id_token?: Pointer
  /** Of the access token; read as `expiry_format` says. */
  readonly expiry?: Pointer
  /** Default `relative_s`. */
  readonly expiry_format?: ExpiryFormat
  /** Of the refresh token. */
  readonly refresh_token_expiry?: Pointer
  /** Default: that of the access token. */
  readonly refresh_token_expiry_format?: ExpiryFormat
  /** Default: white space. */
  readonly scope_separator?: string
  /** An answer in which this is not so is an error, whatever its status. */
  readonly success?: AnswerTest
  /** An answer in which this is so is an error, whatever its status. */
  readonly failure?: AnswerTest
  /**
   * A refresh that succeeds (`success`) and brings no access token has given the present one its life anew. Default: such an
   * answer cannot be used.
   */
  readonly refresh_extends?: boolean
  /** The provider's own error code; default `error` and what gateways write. */
  readonly error_code?: Pointer
  readonly error_description?: Pointer
  /**
   * More tokens of the same answer (Slack: a person's beside a bot's), each read like the first from a root of its own and kept as
   * a grant of its own, `work.user` beside `work`.
   */
  readonly secondary_tokens?: Readonly<Record<string, { readonly root: Pointer }>>
  /**
   * Members of the answer to keep and to hand out, by the name under which readers get them; looked for from `root`, and
   * where that leads nowhere from the top. What is or holds a token is left out.
   */
  readonly metadata?: Readonly<Record<string, Pointer>>
}

/**
 * `equals` compares texts, numbers and truth values as they are; without it, that something is there which is neither
 * null, false, zero nor empty.
 */
export interface AnswerTest {
  readonly pointer: string
  readonly equals?: string | number | boolean
}

/**
 * What a refusal means.
 *
 * - `dead`: the refresh token, key or consent is worth nothing any more; believed after the usual confirmations.
 * - `person`: only a person can go on, for certain.
 * - `transient`: nothing was spent; again after a pause.
 * - `ambiguous`: the refresh token may be spent.
 * - `configuration`: somebody has to change something; the login is untouched.
 * - `rate_limited`: nothing was spent; again later.
 */
export type ErrorMeaning = 'dead' | 'person' | 'transient' | 'ambiguous' | 'configuration' | 'rate_limited'

/** Matches where everything it names does. At least one of `status`, `code`, `pointer` and `description` must stand. */
export interface ErrorRule {
  readonly status?: number
  /** The error code as `error_code` finds it. */
  readonly code?: string | number
  readonly pointer?: string
  /** For `pointer`; without it, that something is there, as in {@link AnswerTest}. */
  readonly equals?: string | number | boolean
  /** A part of the description, in any case. */
  readonly description?: string
  readonly means: ErrorMeaning
  /** Seconds until the next try, where the answer itself does not say. */
  readonly retry_after?: number
}

/** How the provider treats the tokens of a login: what a client may say, as a default for it. */
export interface ProfileLifetimes {
  /** Whether a refresh brings another refresh token. */
  readonly rotation?: 'always' | 'sometimes' | 'never'
  readonly replay_class?: 'strict' | 'idempotent' | 'last_child_wins' | 'fork' | 'non_rotating'
  readonly reuse_window?: number
  readonly quiescence?: number
  readonly old_token_dies?: boolean
  readonly introspection?: boolean
  /** Of an access token, where the answer does not say. */
  readonly assumed_lifetime?: number
  /** Access tokens live until somebody ends them, where the answer does not say otherwise. */
  readonly never_expires?: boolean
  readonly refresh_before?: number
  /** A refresh sooner after the one before is refused. */
  readonly minimum_age?: number
  readonly refresh_token_lifetime?: number
  readonly refresh_token_idle?: number
  readonly refresh_rate?: number
  /** More logins than that, and the oldest dies. */
  readonly login_limit?: { readonly count: number; readonly per: string }
}

/** What a person's consent needs besides. */
export interface ConsentDialect {
  /** Of the authorization request; `null` leaves a standard one out. */
  readonly parameters?: Readonly<Record<string, string | null>>
  readonly rename?: Readonly<Record<string, string>>
  /** Between scopes in requests; default a space. */
  readonly scope_separator?: string
  /** The scope without which no refresh token comes. */
  readonly offline_scope?: string
  /**
   * RFC 7636; default `S256`, `none` where the provider refuses the parameters. `S256_hex`: the same digest, written as hexadecimal
   * digits instead of base64url (TikTok).
   */
  readonly pkce?: 'S256' | 'S256_hex' | 'none'
  /** After the `#` of the authorization request. */
  readonly fragment?: string
  /** Parameters of the callback to keep and to hand out. */
  readonly metadata?: readonly string[]
}

/** RFC 7523 section 2.1. Variables and `{client_id}` are filled in, but for secrets: an assertion is signed, not sealed. */
export interface AssertionDefaults {
  readonly algorithm?: 'HS256' | 'RS256' | 'ES256' | 'EdDSA'
  /** `iss`. */
  readonly issuer?: string
  /** `sub`; default: the issuer. */
  readonly subject?: string
  /** `aud`; default: the token endpoint. */
  readonly audience?: string
  /** Seconds from `iat` to `exp`; default 300. */
  readonly lifetime?: number
  /** Seconds by which `iat` lies in the past, where clocks that differ are refused; default 0. */
  readonly backdate?: number
  /** More claims, or others in place of these; `null` leaves one out. */
  readonly claims?: Readonly<Record<string, string | null>>
}

/** For `private_key_jwt`. Variables and `{client_id}` are filled in, but for secrets. */
export interface ClientAssertionDialect {
  /** That of the client's key must be this one. */
  readonly algorithm?: 'HS256' | 'RS256' | 'ES256' | 'EdDSA'
  /** `iss`; default: the client id. */
  readonly issuer?: string
  /** `sub`; default: the client id. */
  readonly subject?: string
  /** `aud`, where the client does not say itself; default: the issuer where one is known, else the token endpoint. */
  readonly audience?: string
  /** Seconds from `iat` to `exp`; default 60. */
  readonly lifetime?: number
  /** What carries it (Apple: `client_secret`); default `client_assertion`, with `client_assertion_type` beside it. */
  readonly parameter?: string
}

/** How a person makes a client here. */
export interface Registration {
  /** Where. */
  readonly url?: string
  readonly redirect_uris?: readonly ('https' | 'loopback' | 'localhost' | 'other')[]
  /** In order, a sentence each. */
  readonly steps?: readonly string[]
  /** What surprises people later: logins that die after seven days in test mode. */
  readonly traps?: readonly string[]
}

/** How sure all this is. */
export interface ProfileFacts {
  /** `read`: in the sources named. `recalled`: not checked against any. */
  readonly confidence: 'read' | 'recalled'
  /** Keys of the profile that are only recalled, though the rest was read. */
  readonly recalled?: readonly string[]
  readonly sources: readonly string[]
  /** When it was last checked, YYYY-MM-DD. */
  readonly checked: string
  /** Where sources contradict each other or a fact has no key. */
  readonly notes?: readonly string[]
}

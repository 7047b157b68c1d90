const inspectSymbol = Symbol.for('nodejs.util.inspect.custom')

/** What is known of an access token beside its text. */
export type TokenFacts = Pick<
  AccessToken,
  'type' | 'expiresAt' | 'scope' | 'generation' | 'metadata' | 'stale'
> & {
  readonly presentation?: TokenPresentation | undefined
  readonly reason?: string | undefined
}

/** How an API wants an access token, where that is not `Authorization` with the token's type (RFC 6750 section 2.1). */
export interface TokenPresentation {
  /** Name of the header. Default `authorization`. */
  readonly header?: string | undefined
  /** What stands before the token, and a space; empty for nothing. Default: the token's type. */
  readonly scheme?: string | undefined
  /** Where the token is bound to the client's certificate, with which the connection is to be made (RFC 8705 section 3). */
  readonly certificate?: true | undefined
  /** Where the token is bound to a key of ours, which goes into no request. */
  readonly proof?: TokenProof | undefined
}

/** Shows for each request that whoever sends it holds the key that the token is bound to (RFC 9449 section 4). */
export interface TokenProof {
  /** The value of the `DPoP` header of one request. */
  of(request: { readonly method: string; readonly url: string }): Promise<string>
  /**
   * Keeps the nonce that an API gave in a `DPoP-Nonce` header (section 8) for the next proof to its origin.
   *
   * @returns whether it is another than the one before, so that the request may be worth another try.
   */
  heard(url: string, nonce: string): boolean
}

/**
 * An access token as a reader gets it. `value` is the only way to the text: printing, serialising or logging the
 * object shows everything but that.
 */
export class AccessToken {
  readonly #value: string
  readonly #presentation: TokenPresentation | undefined
  /** `Bearer`, or what else the provider said (RFC 6749 section 7.1). */
  readonly type: string
  /** UTC, milliseconds since 1970. */
  readonly expiresAt: number
  /** What was granted. */
  readonly scope: readonly string[]
  /** Counts the tokens issued for this grant, scope and resource; name it when you report a refusal. */
  readonly generation: number
  /** Members of the provider's answer that the grant allows to be handed out. */
  readonly metadata: Readonly<Record<string, unknown>>
  /** True when it is the best there is but not what was asked for: it ends sooner than `minTtl`. */
  readonly stale: boolean
  /** Of a token that an API refused and that comes back all the same: why there is no newer one, where that is known. */
  readonly reason?: string

  constructor(value: string, facts: TokenFacts) {
    this.#value = value
    this.type = facts.type
    this.expiresAt = facts.expiresAt
    this.scope = facts.scope
    this.generation = facts.generation
    this.metadata = facts.metadata
    this.stale = facts.stale
    if (facts.reason !== undefined) this.reason = facts.reason
    this.#presentation = facts.presentation
    Object.freeze(this)
  }

  /** The token itself, for the header of a request and nothing else. */
  get value(): string {
    return this.#value
  }

  /** How an API wants it, where that is not as RFC 6750 has it. */
  get presentation(): TokenPresentation | undefined {
    return this.#presentation
  }

  /** The same token, marked as not living as long as was asked. */
  markedStale(): AccessToken {
    return this.stale ? this : this.#with({ stale: true })
  }

  /** The same token, with why a report of its refusal brought no newer one. */
  because(reason: string | undefined): AccessToken {
    return reason === undefined ? this : this.#with({ reason })
  }

  #with(change: Partial<TokenFacts>): AccessToken {
    return new AccessToken(this.value, { ...this, presentation: this.presentation, ...change })
  }

  [inspectSymbol](): string {
    return `AccessToken ${JSON.stringify(this)}`
  }
}

/** What a reader may ask of a token. */
export interface TokenRequest {
  /** Seconds the token must still live; never more than half its life is insisted on. Default 0. */
  minTtl?: number | undefined
  /** A narrower scope than the grant's own (RFC 6749 section 6); default: the grant's. */
  scope?: string | readonly string[] | undefined
  /** RFC 8707. */
  resource?: string | undefined
  /** Stops waiting; a refresh under way goes on. */
  signal?: AbortSignal | undefined
}

/** Anything that gives access tokens. Safe for any number of concurrent callers. */
export interface TokenSource {
  getToken(request?: TokenRequest): Promise<AccessToken>
  /** Reports that an API refused this generation; resolves with a newer token, or with the same one if there is none. */
  rejected(report: {
    generation: number
    scope?: TokenRequest['scope']
    resource?: string | undefined
    /** Stops waiting. */
    signal?: AbortSignal | undefined
  }): Promise<AccessToken>
}

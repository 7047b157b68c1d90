import type { TokenPresentation } from './token.ts'

/**
 * What a provider does when a used refresh token comes again.
 *
 * | class | a used refresh token, sent again |
 * |---|---|
 * | `strict` | kills the login; assumed of every provider nobody has measured |
 * | `idempotent` | gives the same child again |
 * | `last_child_wins` | gives a new child, and the earlier child is dead |
 * | `fork` | gives a further child; the earlier ones live on |
 * | `non_rotating` | works as before: it is never replaced |
 *
 * The middle three do so within the reuse window, and are as `strict` outside of it.
 */
export type ReplayClass = 'strict' | 'idempotent' | 'last_child_wins' | 'fork' | 'non_rotating'

export const replayClasses: readonly ReplayClass[] = Object.freeze([
  'strict',
  'idempotent',
  'last_child_wins',
  'fork',
  'non_rotating',
])

/** How a provider treats the tokens of a login, as the refresh protocol needs to know it. Times in milliseconds. */
export interface LifetimeFacts {
  readonly replayClass: ReplayClass
  /** From the first use of a refresh token; 0 where its class has no window. */
  readonly reuseWindow: number
  /** How long after a send a request that is still under way is waited for. Default: {@link Timing.quiescence}. */
  readonly quiescence?: number | undefined
  /** The access token before dies when a new one is issued: readers wait instead of taking it. */
  readonly oldTokenDies: boolean
  /** A GET with the old access token that changes nothing: 401 says that the provider has rotated, 2xx that it has not. */
  readonly canary?: string | undefined
  /** RFC 7662 introspection of a refresh token changes nothing at this provider, and may be used as a probe. */
  readonly introspection: boolean
  /** A refresh token dies this long after the login, however often it is used. */
  readonly refreshTokenLifetime?: number | undefined
  /** A refresh token dies when it is not used for this long. */
  readonly refreshTokenIdle?: number | undefined
  /** The provider refuses a refresh that comes sooner than this after the one before. */
  readonly minimumAge?: number | undefined
  /** More logins than that, and the oldest dies. */
  readonly loginLimit?: LoginLimit | undefined
  /** `ahead`: before expiry, by the worker. `on_demand`: when somebody reads, and to keep the refresh token from idling. */
  readonly refresh: 'ahead' | 'on_demand'
  /** Token requests a second for the client, over all machines; absent: no limit while the provider is well. */
  readonly refreshRate?: number | undefined
  /** Where the provider's profile says that the lifetime of a token stands, for people. */
  readonly statedAt?: string | undefined
  /**
   * How an API of the provider wants the access token, where that is not as RFC 6750 has it. It stands here, where nothing is
   * sealed, so that no reader opens a definition for it.
   */
  readonly api?: ApiPresentation | undefined
}

/** The part of a presentation that is the provider's and the same for all its tokens. */
export type ApiPresentation = Pick<TokenPresentation, 'header' | 'scheme'>

/** Whether two say the same; they come from as many reads of the store. */
export const presentsAlike = (
  one: ApiPresentation | undefined,
  other: ApiPresentation | undefined,
): boolean => one?.header === other?.header && one?.scheme === other?.scheme

/** How many logins a provider keeps alive at a time. */
export interface LoginLimit {
  readonly count: number
  /** Of what, for people: `user and client`. */
  readonly per: string
}

/** A reuse window that is worth something: shorter ones end before a second send could. */
export const isWindowed = ({ replayClass }: Pick<LifetimeFacts, 'replayClass'>): boolean =>
  replayClass === 'idempotent' || replayClass === 'last_child_wins' || replayClass === 'fork'

/** Whether every refresh may bring another refresh token, so that a lost answer may cost the login. */
export const rotates = ({ replayClass }: LifetimeFacts): boolean => replayClass !== 'non_rotating'

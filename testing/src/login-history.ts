import type { TruthDelivery } from './truth-log.ts'

/** One token request of a login, put together from its facts. Tokens are fingerprints, times UTC ms of the server. */
export interface TokenRequestHistory {
  /** Number within its run of the server. */
  readonly number: number
  readonly run: number
  /** Absent while nobody knows whose it is. */
  readonly login?: string | undefined
  /** Who sent it, where it said so (`x-practice-sender`). */
  readonly sender?: string | undefined
  /** The refresh token that it presented; absent for the request that opened the login. */
  readonly presented?: string | undefined
  readonly receivedAt: number
  readonly processedAt?: number | undefined
  /** As in the record of requests; absent for what was never processed. */
  readonly outcome?: string | undefined
  readonly accessToken?: string | undefined
  /** The refresh token that its own answer carried, be it delivered or not. */
  readonly refreshToken?: string | undefined
  /** The answer was that of an earlier request, again. */
  readonly repeated: boolean
  readonly killedFamily: boolean
  /** Absent when the server ended before. */
  readonly delivery?: TruthDelivery | undefined
  readonly answeredAt?: number | undefined
  /** It was processed after its client had gone. */
  readonly processedLate: boolean
  /** Places in the log of the first and the last fact: in flight is what lies between. */
  readonly from: number
  readonly until: number
}

/** What became of one refresh token. */
export interface RefreshTokenHistory {
  readonly fingerprint: string
  readonly issuedAt: number
  /** The request whose answer carried it first. */
  readonly issuedBy: TokenRequestHistory
  /** First use, where it was rotated away. */
  readonly consumedAt?: number | undefined
  /** Another child of its parent took its place. */
  readonly replacedAt?: number | undefined
  /** Places in the log of the same; infinite where it did not happen. */
  readonly place: { readonly issued: number; readonly dead: number }
}

export interface AccessTokenHistory {
  readonly fingerprint: string
  readonly issuedAt: number
  /** By age. */
  readonly expiresAt: number
  /** From when on an API refuses it: by age, with its login, or because a newer one ended it. */
  readonly diedAt: number
}

/** One login from its consent to the end of the log: everything that the server did for it. */
export interface LoginHistory {
  readonly login: string
  /** In order of arrival, with the one that opened it. */
  readonly requests: readonly TokenRequestHistory[]
  /** By fingerprint, oldest first. */
  readonly refreshTokens: ReadonlyMap<string, RefreshTokenHistory>
  readonly accessTokens: ReadonlyMap<string, AccessTokenHistory>
  /** How it ended, if it did. `request`: the one that killed the family. */
  readonly ended?:
    | {
        readonly by: 'family_kill' | 'client' | 'administrator'
        readonly at: number
        readonly place: number
        readonly request?: TokenRequestHistory | undefined
      }
    | undefined
}

/** The login that a refresh token belongs to; undefined when the server never issued it. */
export function historyOf(
  histories: ReadonlyMap<string, LoginHistory>,
  refreshToken: string,
): LoginHistory | undefined {
  for (const history of histories.values()) if (history.refreshTokens.has(refreshToken)) return history
  return undefined
}

/** Whether the server would have taken a refresh token for a first use at that place of the log; default: at its end. */
export function isLive(
  history: LoginHistory,
  refreshToken: string,
  place = Number.POSITIVE_INFINITY,
): boolean {
  const token = history.refreshTokens.get(refreshToken)
  if (token === undefined || (history.ended?.place ?? Number.POSITIVE_INFINITY) < place) return false
  return token.place.issued < place && !(token.place.dead < place)
}

/** The refresh tokens that are live, oldest first. */
export const liveRefreshTokens = (history: LoginHistory, place?: number): readonly string[] =>
  [...history.refreshTokens.keys()].filter((token) => isLive(history, token, place))

/** Requests with a refresh token that reached the server. */
export const refreshRequests = ({ requests }: LoginHistory): readonly TokenRequestHistory[] =>
  requests.filter(({ presented }) => presented !== undefined)

/**
 * What one perfect client would have had to send for the same progress: with rotation one request for each refresh
 * token that was spent, without it one for each access token that was issued. {@link refreshRequests} beyond that are extra.
 */
export function refreshesDone(history: LoginHistory): number {
  const sent = refreshRequests(history).filter(({ accessToken, repeated }) => accessToken && !repeated)
  const spent = [...history.refreshTokens.values()].filter(({ consumedAt }) => consumedAt !== undefined)
  const rotated = new Set(spent.map(({ fingerprint }) => fingerprint))
  return rotated.size + sent.filter(({ presented = '' }) => !rotated.has(presented)).length
}

/** Pairs of refreshes of the login of which the second came while the first could still be processed or answered. */
export function overlaps(
  history: LoginHistory,
): readonly (readonly [TokenRequestHistory, TokenRequestHistory])[] {
  const found: (readonly [TokenRequestHistory, TokenRequestHistory])[] = []
  let inFlight: TokenRequestHistory[] = []
  for (const request of refreshRequests(history)) {
    inFlight = inFlight.filter(({ until }) => until > request.from)
    for (const earlier of inFlight) found.push([earlier, request])
    inFlight.push(request)
  }
  return found
}

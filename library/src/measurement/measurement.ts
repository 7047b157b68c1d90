import type { ReplayClass } from '../grants/lifetime-facts.ts'
import type { ProfileLifetimes } from '../providers/profile.ts'
import type { AccessTokenUse } from './measured-server.ts'

/** What a server was seen to do with the tokens of sandbox logins. Seconds. */
export interface Measurement {
  readonly rotation: 'always' | 'sometimes' | 'never'
  readonly replayClass: ReplayClass
  /** What was seen and fits no class, where `strict` stands for want of one. */
  readonly unclear?: string | undefined
  /** Of a windowed class: a used refresh token still worked `atLeast` after its first use, and not any more `below`. */
  readonly reuseWindow?: { readonly atLeast: number; readonly below?: number | undefined } | undefined
  /** What ends the window before its time. */
  readonly windowEndsWith: readonly WindowEnd[]
  /** Whether the same access token came again with the same refresh token. */
  readonly sameAccessToken?: boolean | undefined
  /** What became of the rest of the login when a used refresh token was refused; absent where none was. */
  readonly refusal?: Refusal | undefined
  /** Of the access token before. */
  readonly oldAccessToken: 'ends_at_refresh' | 'ends_at_use_of_the_new' | 'lives_on' | 'unknown'
  /** How access tokens were looked at; absent where nobody says whether one is good. */
  readonly accessTokenUse?: AccessTokenUse | undefined
  /** Introspection of refresh tokens (RFC 7662). */
  readonly introspection: IntrospectionFinding
  /** Logins that were spent. */
  readonly logins: number
  /** Seconds of waiting for a reuse window. */
  readonly waited: number
}

export type WindowEnd = 'use_of_the_new_access_token' | 'use_of_the_new_refresh_token'

export interface Refusal {
  /** The server's own word, RFC 6749 section 5.2; `status 500` and the like where it has none. */
  readonly error: string
  /** Whether the newest refresh token of the login was refused afterwards. */
  readonly endsLogin: boolean
  /** Whether its newest access token was; absent where nobody says. */
  readonly endsAccessToken?: boolean | undefined
}

/**
 * - `tells_used_tokens`: it says active before the use, not active after it, and nothing died of the question.
 * - `ends_logins`: the login did not go on after a used refresh token was asked about.
 * - `tells_nothing`: it says the same before and after.
 * - `no_used_tokens`: refresh tokens are not used up here, so there is nothing to tell.
 * - `unavailable`: there is none, or the client may not ask.
 */
export type IntrospectionFinding =
  | 'tells_used_tokens'
  | 'ends_logins'
  | 'tells_nothing'
  | 'no_used_tokens'
  | 'unavailable'

/**
 * What a profile says of such a server, by its own keys. Only what was seen stands in it; a window is as long as it was seen
 * to be, and a window of less than a second is none.
 */
export function measuredLifetimes(measured: Measurement): ProfileLifetimes {
  const { rotation, replayClass, reuseWindow, oldAccessToken, introspection } = measured
  const window = reuseWindow?.atLeast ?? 0
  const windowed = replayClass !== 'strict' && replayClass !== 'non_rotating'
  return {
    rotation,
    ...(windowed && window < 1 ? { replay_class: 'strict' } : { replay_class: replayClass }),
    ...(windowed && window >= 1 ? { reuse_window: window } : {}),
    ...(oldAccessToken === 'unknown' ? {} : { old_token_dies: oldAccessToken === 'ends_at_refresh' }),
    ...(introspection === 'unavailable' || introspection === 'no_used_tokens'
      ? {}
      : { introspection: introspection === 'tells_used_tokens' }),
  }
}

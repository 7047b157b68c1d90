import type { RefreshToken } from './practice-events.ts'

/** Every rotation that the practice server knows; a further replay class is a further name here. */
export const rotations = ['strict', 'none', 'idempotent', 'last_child_wins', 'fork'] as const

/**
 * What happens to a refresh token that was used and comes again: the five kinds of provider there are.
 *
 * | name | a used refresh token, sent again |
 * |---|---|
 * | `strict` | kills its family with all access tokens (RFC 9700 section 4.14.2) |
 * | `none` | works as before: it is never replaced (non-rotating) |
 * | `idempotent` | gives the same child and the same access token again |
 * | `last_child_wins` | gives a new child, and the earlier child is dead; a child that was used ends this |
 * | `fork` | gives a further child; the earlier ones live on |
 *
 * The last three do so for `reuseWindow` seconds after the first use, and then are as `strict`.
 */
export type Rotation = (typeof rotations)[number]

/** Whether it forgives a used refresh token for a while. */
export const isWindowed = (rotation: Rotation): boolean => rotation !== 'strict' && rotation !== 'none'

/** What a refresh that is otherwise in order leads to. */
export type RefreshVerdict =
  /** New access token, new refresh token, the old one is used. */
  | 'rotate'
  /** New access token, the refresh token stays. */
  | 'keep'
  /** The answer of the first use, again. */
  | 'repeat'
  /** As `rotate`, and the child of the use before is dead. */
  | 'replace_child'
  /** The family dies. */
  | 'kill_family'
  /** Only this request fails. */
  | 'refuse'

export interface RotationRules {
  readonly rotation: Rotation
  /** Seconds. */
  readonly reuseWindow: number
  readonly reuseKillsFamily: boolean
}

type JudgedToken = Pick<RefreshToken, 'child' | 'usedAt' | 'repeatable' | 'replaced'>

/** The one place that decides what a refresh token is worth; pure. `childUsed`: its newest child was used. */
export function judgeRefresh(
  rules: RotationRules,
  token: JudgedToken,
  childUsed: boolean,
  now: number,
): RefreshVerdict {
  if (token.replaced || token.child !== undefined) return judgeReuse(rules, token, childUsed, now)
  switch (rules.rotation) {
    case 'strict':
    case 'idempotent':
    case 'last_child_wins':
    case 'fork':
      return 'rotate'
    case 'none':
      return 'keep'
    default:
      return rules.rotation satisfies never
  }
}

function judgeReuse(
  rules: RotationRules,
  token: JudgedToken,
  childUsed: boolean,
  now: number,
): RefreshVerdict {
  const tooLate = rules.reuseKillsFamily ? 'kill_family' : 'refuse'
  // A journal from before the windows does not say when a token was used: then no window is open.
  const open = token.usedAt !== undefined && now < token.usedAt + rules.reuseWindow * 1000
  if (token.replaced || !open) return tooLate
  switch (rules.rotation) {
    case 'strict':
    // A token that rotated away stays dead when the server is started again without rotation.
    case 'none':
      return tooLate
    case 'idempotent':
      return token.repeatable === undefined ? tooLate : 'repeat'
    case 'last_child_wins':
      // Whoever used the child has its answer: the window was for an answer that got lost.
      return childUsed ? tooLate : 'replace_child'
    case 'fork':
      return 'rotate'
    default:
      return rules.rotation satisfies never
  }
}

import type { RefreshToken } from './practice-events.ts'

/** Every rotation that the practice server knows; a further replay class is a further name here. */
export const rotations = ['strict', 'none'] as const

/**
 * What happens to a refresh token that was used: with `strict` a refresh gives a new one, and an old one that comes
 * again kills its whole family with all access tokens (RFC 9700 section 4.14.2); with `none` it stays as it is.
 */
export type Rotation = (typeof rotations)[number]

/** What a refresh that is otherwise in order leads to. */
export type RefreshVerdict =
  /** New access token, new refresh token, the old one is used. */
  | 'rotate'
  /** New access token, the refresh token stays. */
  | 'keep'
  /** The family dies. */
  | 'kill_family'

/** The one place that decides what a used refresh token is worth; pure. */
export function judgeRefresh(rotation: Rotation, token: Pick<RefreshToken, 'child'>): RefreshVerdict {
  // A token that rotated away stays dead when the server is started again without rotation.
  if (token.child !== undefined) return 'kill_family'
  switch (rotation) {
    case 'strict':
      return 'rotate'
    case 'none':
      return 'keep'
    default:
      return rotation satisfies never
  }
}

import type { ReplayClass } from '../grants/lifetime-facts.ts'

/** What was seen when a used refresh token came again at once, before anything that it had brought was used. */
export type ReplayObservation =
  | { readonly again: 'refused' }
  /** It brought the refresh token of its first use; `childWorks` afterwards. */
  | { readonly again: 'same_child'; readonly childWorks: boolean }
  /** It brought another refresh token; whether each of the two works afterwards. */
  | { readonly again: 'another_child'; readonly firstWorks: boolean; readonly secondWorks: boolean }
  /** It works, and brought no other refresh token, though another had. */
  | { readonly again: 'no_child' }

/** The class of what was seen, and in words what fits none of the five. */
export interface JudgedReplay {
  readonly replayClass: ReplayClass
  /** Why the class is the safe one and not a better. */
  readonly unclear?: string | undefined
}

/** Names the class. Pure; whatever fits none is `strict`, the one that is safe everywhere. */
export function judgeReplay(seen: ReplayObservation): JudgedReplay {
  switch (seen.again) {
    case 'refused':
      return { replayClass: 'strict' }
    case 'same_child':
      return seen.childWorks
        ? { replayClass: 'idempotent' }
        : unclear('it brought the same refresh token again, and that is refused afterwards')
    case 'another_child':
      if (seen.secondWorks) return { replayClass: seen.firstWorks ? 'fork' : 'last_child_wins' }
      return unclear('it brought another refresh token, and that does not work')
    case 'no_child':
      return unclear('it brought a new refresh token the first time and none the second')
    default:
      return seen satisfies never
  }
}

const unclear = (why: string): JudgedReplay => ({ replayClass: 'strict', unclear: why })

import { isWindowed, type LifetimeFacts, type ReplayClass } from './lifetime-facts.ts'

/**
 * All times of the refresh protocol in one place, in milliseconds, so that tests can scale them together.
 * `lease` must exceed `deadline`: a worker stops waiting before anybody else may take its grant.
 */
export interface Timing {
  /** Patience for one request, from connect to last byte. A bound on us, not on the provider. */
  readonly deadline: number
  /** How long a claim excludes others, counted from before the claim. `deadline` + 5 s. */
  readonly lease: number
  /** After the latest send on a strict refresh token a request that was not processed is taken as dead. At least `deadline`. */
  readonly quiescence: number
  /** Between two probes of a refresh token when the first gave no answer. */
  readonly probePause: number
  /** How long a provider is asked to revoke before that is given up. */
  readonly revocation: number
  /** A windowed refresh token is not sent again within this of the end of its window. */
  readonly replayMargin: number
  /** Least patience for one request where a short reuse window leaves no more. */
  readonly shortestDeadline: number
  /** The oldest answer from memory that a reader may be given without asking the store. At most 0.8 of `lease` - `deadline`. */
  readonly revalidate: number
  /** How long a reader waits for a refresh in the mandatory window before it takes the present token, marked stale. */
  readonly mandatoryWait: number
  /** How long a reader without any usable token waits; a moment longer for a request that ends then. */
  readonly patience: number
  /** When a first refusal of a refresh token is believed: after one more refusal at each of these distances. */
  readonly confirmations: readonly number[]
  /** The longest sleep of a worker: how late it may notice what another process changed. */
  readonly scan: number
  /** Lifetime assumed where the provider states none. */
  readonly assumedLifetime: number
  /** A consent must be finished within this. */
  readonly consent: number
}

export const defaultTiming: Timing = Object.freeze({
  deadline: 15_000,
  lease: 20_000,
  quiescence: 120_000,
  probePause: 30_000,
  revocation: 7 * 86_400_000,
  replayMargin: 2_000,
  shortestDeadline: 2_000,
  revalidate: 1_000,
  mandatoryWait: 2_000,
  patience: 15_000,
  confirmations: Object.freeze([60_000, 600_000]),
  scan: 500,
  assumedLifetime: 55 * 60_000,
  consent: 10 * 60_000,
})

/** Times of one grant's refresh, in milliseconds. */
export interface Limits {
  readonly deadline: number
  readonly lease: number
  readonly quiescence: number
  /** How long after the first send a refresh token may be sent again; 0 where its class allows none. */
  readonly replay: number
}

/**
 * What a provider's reuse window makes of the times: within it there must be room for one request that fails and one
 * that repeats it. A window without that room is worth nothing, and its class is handled as strict.
 */
export function limitsOf(facts: LifetimeFacts, timing: Timing): Limits {
  const slack = timing.lease - timing.deadline
  const quiescence = facts.quiescence ?? timing.quiescence
  const plain = { deadline: timing.deadline, lease: timing.lease, quiescence, replay: 0 }
  if (!isWindowed(facts) || facts.reuseWindow < 2 * timing.shortestDeadline + slack) return plain
  const room = (facts.reuseWindow - slack) / 2
  const deadline = Math.min(Math.max(room, timing.shortestDeadline), timing.deadline)
  return { deadline, lease: deadline + slack, quiescence, replay: facts.reuseWindow - timing.replayMargin }
}

/** How a used refresh token may be treated, a window that is too short counted as none. */
export const effectiveClass = (facts: LifetimeFacts, timing: Timing): ReplayClass =>
  isWindowed(facts) && limitsOf(facts, timing).replay <= 0 ? 'strict' : facts.replayClass

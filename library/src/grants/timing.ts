/**
 * All times of the refresh protocol in one place, in milliseconds, so that tests can scale them together.
 * `lease` must exceed `deadline`: a worker stops waiting before anybody else may take its grant.
 */
export interface Timing {
  /** Patience for one request, from connect to last byte. A bound on us, not on the provider. */
  readonly deadline: number
  /** How long a claim excludes others, counted from before the claim. `deadline` + 5 s. */
  readonly lease: number
  /** The oldest answer from memory that a reader may be given without asking the store. */
  readonly revalidate: number
  /** How long a reader waits for a refresh in the mandatory window before it takes the present token, marked stale. */
  readonly mandatoryWait: number
  /** How long a reader without any usable token waits. */
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
  revalidate: 1_000,
  mandatoryWait: 2_000,
  patience: 15_000,
  confirmations: Object.freeze([60_000, 600_000]),
  scan: 1_000,
  assumedLifetime: 55 * 60_000,
  consent: 10 * 60_000,
})

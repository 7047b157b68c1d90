import { defaultTiming, type Timing } from 'evertoken'
import { isWindowed, type ProviderClass } from './provider-class.ts'

/** The times of a campaign. All in milliseconds but where it says seconds. */
export interface Scale {
  readonly name: 'scaled' | 'real'
  readonly timing: Timing
  /** Seconds. */
  readonly accessToken: number
  /** Seconds; half of the lifetime, so that there is much to refresh. */
  readonly refreshBefore: number
  /** Mandatory window that follows from the two above. */
  readonly mandatory: number
  /** Seconds. */
  readonly reuseWindow: number
  /** How long after a loss a notice may come: the 60 s of the design, in proportion to the lease. */
  readonly notice: number
  /** From the last byte of an answer until it is durable; who is killed within that is excused. */
  readonly handover: number
  /** Kills from outside come within this time of a process's start. */
  readonly life: number
  /** A point that is not reached within this is given up for another. */
  readonly patience: number
  /** How long the campaign waits at its end for every login to be refreshed once more. */
  readonly calm: number
}

const scaledTiming: Timing = {
  ...defaultTiming,
  deadline: 300,
  lease: 600,
  quiescence: 2_400,
  probePause: 300,
  revocation: 60_000,
  replayMargin: 60,
  shortestDeadline: 40,
  revalidate: 30,
  mandatoryWait: 300,
  patience: 1_500,
  confirmations: [1_200, 3_000],
  scan: 50,
}

export const scales: Readonly<Record<Scale['name'], Scale>> = {
  scaled: {
    name: 'scaled',
    timing: scaledTiming,
    accessToken: 12,
    refreshBefore: 6,
    mandatory: 3_000,
    reuseWindow: 1.2,
    notice: 1_800,
    handover: 250,
    life: 1_500,
    patience: 3_000,
    calm: 120_000,
  },
  real: {
    name: 'real',
    timing: defaultTiming,
    accessToken: 600,
    refreshBefore: 300,
    mandatory: 60_000,
    reuseWindow: 30,
    notice: 60_000,
    handover: 1_000,
    life: 60_000,
    patience: 60_000,
    calm: 1_800_000,
  },
}

/**
 * The longest that the provider holds a request back before it processes it: within what a class waits for, since a request
 * that comes later still is the loss that nobody can help.
 */
export function longestHold(name: ProviderClass, { timing, reuseWindow }: Scale): number {
  if (!isWindowed(name)) return 0.9 * timing.quiescence
  const slack = timing.lease - timing.deadline
  const window = reuseWindow * 1000
  const deadline = Math.min(timing.deadline, (window - slack) / 2)
  return 0.9 * Math.min(timing.quiescence, window - 2 * deadline)
}

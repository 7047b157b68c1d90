import { defaultTiming, type Timing } from 'evertoken'
import { isWindowed, type ProviderClass } from './provider-class.ts'

/** The times of a campaign. All in milliseconds but where it says seconds. */
export interface Scale {
  readonly name: string
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

/**
 * The times of refresh-protocol section 6, all times `stretch`: a machine that has other things to do needs more, or its
 * processes are late for everything at once, as no machine is with the real times. `life`: see {@link Scale}.
 */
export function scaled(stretch = 1, life = 2_200): Scale {
  const ms = (value: number): number => Math.round(value * stretch)
  return {
    name: stretch === 1 ? 'scaled' : `scaled x${stretch}`,
    timing: {
      ...defaultTiming,
      deadline: ms(300),
      lease: ms(600),
      quiescence: ms(2_400),
      probePause: ms(300),
      revocation: 60_000,
      replayMargin: ms(60),
      shortestDeadline: ms(40),
      revalidate: ms(30),
      mandatoryWait: ms(300),
      patience: ms(1_500),
      confirmations: [ms(1_200), ms(3_000)],
      scan: ms(50),
    },
    accessToken: 12 * stretch,
    refreshBefore: 6 * stretch,
    mandatory: ms(3_000),
    reuseWindow: 1.2 * stretch,
    notice: ms(1_800),
    handover: ms(500),
    life,
    patience: 4_000,
    calm: 120_000 + ms(12_000),
  }
}

/** As in production, with tokens of ten minutes that are refreshed after five. */
export const real: Scale = {
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

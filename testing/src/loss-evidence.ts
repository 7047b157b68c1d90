import type { LoginHistory } from './login-history.ts'
import type { Rotation } from './rotation.ts'

/**
 * Why a login was lost. Nobody could have helped it:
 *
 * - `answer_lost`: the answer with the only live refresh token never arrived whole.
 * - `killed_before_durable`: it arrived, and its process was killed before it could have been durable.
 * - `stopped_before_durable`: it arrived, and its process stood still before it could have been durable, for longer than
 *   anybody waits.
 * - `processed_late`: the server processed the request after its client had gone, or later than anybody waits.
 * - `stopped_before_send`: a process was stopped just before its send, for longer than anybody waits.
 * - `host_gone`: the live refresh token is on a host that did not come back.
 *
 * A better client would have kept it:
 *
 * - `answer_dropped`: the answer arrived, nobody was killed, and the client has not got it.
 * - `token_discarded`: the client had the live refresh token, and has it no more.
 * - `family_killed`: the client sent a used refresh token while it had, or could still get, a live one.
 * - `window_missed`: the answer was lost, and nobody sent the refresh token again while the server forgave it.
 */
export type LossCause =
  | 'answer_lost'
  | 'killed_before_durable'
  | 'stopped_before_durable'
  | 'processed_late'
  | 'stopped_before_send'
  | 'host_gone'
  | 'answer_dropped'
  | 'token_discarded'
  | 'family_killed'
  | 'window_missed'

/** What the server's log cannot know. Tokens are fingerprints, times UTC ms, as the server's log has them. */
export interface LossEvidence {
  /** As the server was given it. */
  readonly rotation: Rotation
  /** Seconds, as the server was given it. Default 30. */
  readonly reuseWindow?: number | undefined
  /** Refresh tokens that the client holds at the end, wherever: row, candidates, spools that it can read. */
  readonly held: Iterable<string>
  /** Ones that it had durably at some time. Those that it ever presented need not be named. Default: none. */
  readonly kept?: Iterable<string> | undefined
  /** Ones that are only on hosts that did not come back in time. Default: none. */
  readonly unreachable?: Iterable<string> | undefined
  /** Processes that were killed. Without `sender` it counts for every sender. */
  readonly kills?: readonly { readonly sender?: string | undefined; readonly at: number }[] | undefined
  /** Processes that were stopped and went on (SIGSTOP, a blocked event loop). */
  readonly stops?:
    | readonly { readonly sender: string; readonly from: number; readonly until: number }[]
    | undefined
  /** Spans in which no process of the client lived, or none could reach the server. */
  readonly absences?: readonly { readonly from: number; readonly until: number }[] | undefined
  readonly timing?: Partial<LossTiming> | undefined
}

/** What a good client may take its time for, in milliseconds. The defaults are those of the library's `Timing`. */
export interface LossTiming {
  /** Patience for one request; an answer that took longer counts as lost. Default 15,000. */
  readonly deadline: number
  /** How long a dead process may keep the others away; whoever lived for less could not help. Default 20,000. */
  readonly lease: number
  /** After it, and not before, a request that was not processed may be taken as dead. Default 120,000. */
  readonly quiescence: number
  /**
   * From the last byte of an answer until it is durable, not counting stops: a kill within that excuses its loss. Default
   * 1000.
   */
  readonly handover: number
}

const defaultLossTiming: LossTiming = Object.freeze({
  deadline: 15_000,
  lease: 20_000,
  quiescence: 120_000,
  handover: 1_000,
})

/** How long a process was at work between two times, in milliseconds. */
export function awake(
  sender: string | undefined,
  from: number,
  until: number,
  stops: NonNullable<LossEvidence['stops']>,
): number {
  const stood = stops
    .filter((stop) => stop.sender === sender)
    .map((stop) => Math.max(0, Math.min(stop.until, until) - Math.max(stop.from, from)))
  return until - from - stood.reduce((sum, span) => sum + span, 0)
}

/** The evidence as the verdict reads it: checked, with its defaults, and as sets. */
export interface ResolvedEvidence {
  readonly rotation: Rotation
  /** Milliseconds. */
  readonly reuseWindow: number
  readonly held: ReadonlySet<string>
  /** Held, kept, or presented at some time. */
  readonly ever: ReadonlySet<string>
  readonly unreachable: ReadonlySet<string>
  readonly kills: NonNullable<LossEvidence['kills']>
  readonly stops: NonNullable<LossEvidence['stops']>
  readonly absences: NonNullable<LossEvidence['absences']>
  readonly timing: LossTiming
}

export function resolveEvidence({ requests }: LoginHistory, evidence: LossEvidence): ResolvedEvidence {
  const { rotation, reuseWindow = 30, kept = [], unreachable = [] } = evidence
  const { kills = [], stops = [], absences = [], timing } = evidence
  const held = new Set(evidence.held)
  const presented = requests.flatMap((request) => request.presented ?? [])
  return {
    rotation,
    reuseWindow: reuseWindow * 1000,
    held,
    ever: new Set([...held, ...kept, ...presented]),
    unreachable: new Set(unreachable),
    kills,
    stops,
    absences,
    timing: { ...defaultLossTiming, ...timing },
  }
}

import type { ErrorCode } from '../errors.ts'
import type { ErrorMeaning } from '../providers/profile.ts'
import {
  type Answers,
  defaultIncidentTiming,
  type IncidentTiming,
  noAnswers,
  withRefusal,
  withTokens,
} from './incident.ts'
import { type Lanes, type Slot, takeSlot } from './lanes.ts'

/**
 * What all grants of one provider and client share, over all machines: breaker, rate, and what was learnt. Plain data,
 * stored as JSON, bounded. Times are store time in milliseconds.
 *
 *   closed ──5 failures in a row, or half of 10 in 30 s──> open ──its time is over──> half_open
 *   half_open ──the one that is tried fails──> open, twice as long     any ──an answer──> recovering ──a minute──> closed
 */
export interface Circuit extends Answers {
  readonly breaker: Breaker
  /** Failures in a row. */
  readonly straight: number
  /** Outcomes of the present half minute. */
  readonly window: { readonly since: number; readonly failures: number; readonly total: number }
  /** Slots given, where requests are held to a rate. */
  readonly lanes?: Lanes | undefined
  /** Ages in ms at which tokens of unstated lifetime were refused; the last few. */
  readonly ages: readonly number[]
  /** Hosts beside its own that the issuer named when it was first asked (endpoint-hosts.ts). */
  readonly hosts?: readonly string[] | undefined
}

export type Breaker =
  | { readonly state: 'closed' }
  /** Nothing is sent before `until`; `times` it has opened in a row. */
  | { readonly state: 'open'; readonly until: number; readonly times: number }
  /** One grant is being tried; if nothing is heard of it until then, another may. */
  | { readonly state: 'half_open'; readonly until: number; readonly times: number }
  /** It answers again; the rush is held to a rate until then. */
  | { readonly state: 'recovering'; readonly until: number }

/** What a decision wants written: absent leaves the row. */
export interface CircuitChange<R> {
  readonly result: R
  readonly circuit?: Circuit | undefined
}

/** Times of a circuit, in milliseconds, so that tests can scale them together. */
export interface CircuitTiming {
  /** How long the breaker stays open the first time; twice as long each further time. */
  readonly pause: number
  readonly longestPause: number
  /** Within which half of ten outcomes must fail. */
  readonly window: number
  /** How long the one that is tried may take before another is tried. More than a lease. */
  readonly probe: number
  /** How much longer than others a strict grant waits at most for one that is not strict to try first. */
  readonly strictPatience: number
  /** How long after an outage, and after the last request that had to wait, requests are held to a rate. */
  readonly recovery: number
  readonly incident: IncidentTiming
}

export const defaultCircuitTiming: CircuitTiming = Object.freeze({
  pause: 5_000,
  longestPause: 300_000,
  window: 30_000,
  probe: 25_000,
  strictPatience: 60_000,
  recovery: 60_000,
  incident: defaultIncidentTiming,
})

/** Requests a second after an outage, where no rate is configured. */
export const recoveryRate = 10

const mostStraight = 5
const leastTotal = 10
const mostAges = 8
const leastAges = 3
/** A younger token that is refused says something about the API, not about lifetimes. */
const youngest = 60_000
/** By that much the clocks of two hosts may differ without anybody having set one. */
const slack = 60_000

export const newCircuit = (now: number): Circuit => ({
  breaker: { state: 'closed' },
  straight: 0,
  window: { since: now, failures: 0, total: 0 },
  ages: [],
  ...noAnswers(now),
})

/** The circuit as it is now: what is over is over, and what a wrong clock wrote into the future is forgotten. */
export function circuitAt(circuit: Circuit | undefined, now: number, timing = defaultCircuitTiming): Circuit {
  if (circuit === undefined) return newCircuit(now)
  const { breaker, window, asked } = circuit
  const until = breaker.state === 'closed' ? now : breaker.until
  const furthest = now + 2 * Math.max(timing.longestPause, timing.probe, timing.recovery)
  if (Math.max(window.since, asked.since) > now + slack || until > furthest + slack)
    return {
      ...newCircuit(now),
      ages: circuit.ages,
      ...(circuit.hosts === undefined ? {} : { hosts: circuit.hosts }),
    }
  if (breaker.state !== 'recovering' || now < breaker.until) return circuit
  return { ...circuit, breaker: { state: 'closed' } }
}

/** What came of one request, as far as the circuit cares. */
export interface Report {
  readonly grant: string
  readonly verdict: 'ok' | 'not_sent' | 'refused' | 'rejected' | 'ambiguous'
  readonly code?: ErrorCode | undefined
  /** The provider's own `error`, RFC 6749 section 5.2. */
  readonly error?: string | undefined
  readonly status?: number | undefined
  /** What the provider's profile says of it. */
  readonly means?: ErrorMeaning | undefined
}

/** Codes of requests that never left which say something about the provider; the others are our own trouble. */
const unreachable: ReadonlySet<ErrorCode> = new Set([
  'provider_unreachable',
  'provider_timeout',
  'provider_error',
  'provider_redirect',
  'provider_answer_unusable',
  'discovery_failed',
  'issuer_mismatch',
])
/** The request itself is wrong (RFC 6749 section 5.2): another will be as wrong. */
const misasked = new Set(['invalid_request', 'unsupported_grant_type'])
const turnedAway = new Set([408, 425, 429])
const busy = new Set([
  'slow_down',
  'too_many_requests',
  'rate_limit_exceeded',
  'server_error',
  'temporarily_unavailable',
])

/**
 * - `answered`: the provider is at work, whatever it said about the grant.
 * - `trouble`: it is not, or it wants none of this client.
 * - `misasked`: trouble that somebody has to mend; the breaker opens as late, and for long at once.
 * - `ours`: says nothing of the provider.
 */
export function meaningOf(report: Report): 'answered' | 'trouble' | 'misasked' | 'ours' {
  const { verdict, code, error = '', status = 0, means } = report
  switch (verdict) {
    case 'ok':
    case 'rejected':
      return code === 'no_refresh_token' ? 'ours' : 'answered'
    case 'ambiguous':
      return 'trouble'
    case 'not_sent':
      return code !== undefined && unreachable.has(code) ? 'trouble' : 'ours'
    case 'refused':
      if (code === 'provider_redirect' || code === 'invalid_client' || code === 'provider_answer_unusable')
        return 'trouble'
      if (means === 'transient' || means === 'rate_limited') return 'trouble'
      if (status >= 500 || turnedAway.has(status) || busy.has(error)) return 'trouble'
      if (misasked.has(error)) return 'misasked'
      return code === 'provider_error' || code === 'invalid_scope' || code === 'invalid_target'
        ? 'answered'
        : 'ours'
    default:
      return verdict satisfies never
  }
}

/** The circuit after an outcome; the same one when that says nothing. `random` gives 0 to 1. */
export function withOutcome(
  circuit: Circuit,
  report: Report,
  now: number,
  random: () => number,
  timing = defaultCircuitTiming,
): Circuit {
  const present = circuitAt(circuit, now, timing)
  const meaning = meaningOf(report)
  switch (meaning) {
    case 'ours':
      return circuit
    case 'answered': {
      const answers =
        report.verdict === 'ok'
          ? withTokens(present, 1, now, timing.incident)
          : report.code === 'invalid_grant'
            ? withRefusal(present, report.grant, now, timing.incident)
            : {}
      return { ...answered(present, 1, now, timing), ...answers }
    }
    case 'trouble':
    case 'misasked':
      return troubled(present, meaning === 'misasked', now, random, timing)
    default:
      return meaning satisfies never
  }
}

/** The same for successes that nobody had to hear of at once: `times`, oldest first, are when they were. */
export function withSuccesses(
  circuit: Circuit,
  times: readonly number[],
  now: number,
  timing = defaultCircuitTiming,
): Circuit {
  const present = circuitAt(circuit, now, timing)
  const lately = times.filter((at) => at > now - timing.window).length
  // They may be older than what the breaker opened on: only an answer that comes now closes it.
  const sends = present.breaker.state === 'closed' || present.breaker.state === 'recovering'
  const counted = lately > 0 && sends ? answered(present, lately, now, timing) : present
  return { ...counted, ...withTokens(counted, times.length, now, timing.incident) }
}

function counting({ window }: Circuit, failures: number, total: number, now: number, span: number) {
  return now - window.since >= span
    ? { since: now, failures, total }
    : { since: window.since, failures: window.failures + failures, total: window.total + total }
}

function answered(circuit: Circuit, times: number, now: number, timing: CircuitTiming): Circuit {
  const { breaker } = circuit
  if (breaker.state === 'open' || breaker.state === 'half_open')
    return {
      ...circuit,
      breaker: { state: 'recovering', until: now + timing.recovery },
      straight: 0,
      window: { since: now, failures: 0, total: times },
    }
  return { ...circuit, straight: 0, window: counting(circuit, 0, times, now, timing.window) }
}

function troubled(
  circuit: Circuit,
  misasked: boolean,
  now: number,
  random: () => number,
  timing: CircuitTiming,
): Circuit {
  const { breaker } = circuit
  const straight = circuit.straight + 1
  const window = counting(circuit, 1, 1, now, timing.window)
  const counted = { ...circuit, straight, window }
  // What was on its way when the breaker opened is no news.
  if (breaker.state === 'open') return counted
  const often = window.total >= leastTotal && 2 * window.failures >= window.total
  if (breaker.state !== 'half_open' && straight < mostStraight && !often) return counted
  const times = breaker.state === 'half_open' ? breaker.times + 1 : 1
  const pause = misasked ? timing.longestPause : pauseOf(times, timing)
  return { ...counted, breaker: { state: 'open', until: now + pause * (1 + 0.2 * random()), times } }
}

const pauseOf = (times: number, { pause, longestPause }: CircuitTiming): number =>
  Math.min(longestPause, pause * 2 ** Math.min(times - 1, 30))

/** Whether anything is sent now. `circuit`: whoever goes through is the one that is tried, once that is written. */
export type Door =
  | { readonly kind: 'open'; readonly circuit?: Circuit | undefined }
  | { readonly kind: 'closed'; readonly until: number }

/**
 * Whether a request goes through the breaker. A strict grant is not the one to try an ailing provider with, since an answer
 * that is lost may cost its login: it waits longer, so that it is tried only where there is no other.
 */
export function door(
  circuit: Circuit,
  now: number,
  { strict }: { readonly strict: boolean },
  timing = defaultCircuitTiming,
): Door {
  const { breaker } = circuit
  switch (breaker.state) {
    case 'closed':
    case 'recovering':
      return { kind: 'open' }
    case 'open':
    case 'half_open': {
      const until =
        breaker.until + (strict ? Math.min(pauseOf(breaker.times, timing), timing.strictPatience) : 0)
      if (now < until) return { kind: 'closed', until }
      const tried: Breaker = { state: 'half_open', until: now + timing.probe, times: breaker.times }
      return { kind: 'open', circuit: { ...circuit, breaker: tried } }
    }
    default:
      return breaker satisfies never
  }
}

/** Requests a second that the circuit is held to; undefined when to none. */
const rateOf = ({ breaker }: Circuit, rate: number | undefined): number | undefined =>
  rate ?? (breaker.state === 'closed' ? undefined : recoveryRate)

export type Reservation =
  /** The request may leave at that store time; `circuit` is to be written, where it is given. */
  | { readonly kind: 'slot'; readonly at: number; readonly circuit?: Circuit | undefined }
  | { readonly kind: 'full'; readonly until: number }

/**
 * Takes the next free slot, if it lies at most `longest` ms away. `rate`: requests a second, where one is configured; without
 * one there is no limit while the breaker is closed.
 */
export function reserve(
  circuit: Circuit,
  rate: number | undefined,
  now: number,
  how: { readonly interactive: boolean; readonly longest: number },
  timing = defaultCircuitTiming,
): Reservation {
  const held = rateOf(circuit, rate)
  if (held === undefined) return { kind: 'slot', at: now }
  const slot: Slot = takeSlot(circuit.lanes, held, now, how)
  if (slot.kind === 'full') return slot
  const { breaker } = circuit
  // The rush is not over while somebody has to wait.
  const rush = breaker.state === 'recovering' && slot.at > now
  return {
    kind: 'slot',
    at: slot.at,
    circuit: {
      ...circuit,
      breaker: rush ? { state: 'recovering', until: now + timing.recovery } : breaker,
      lanes: slot.lanes,
    },
  }
}

/** Notes the age in ms at which a token of unstated lifetime was refused. */
export const withAge = (circuit: Circuit, age: number): Circuit =>
  age < youngest ? circuit : { ...circuit, ages: [...circuit.ages, Math.round(age)].slice(-mostAges) }

/** How long tokens of unstated lifetime live, in ms, once three were refused: four fifths of the shortest. */
export const learntLifetime = ({ ages }: Circuit): number | undefined =>
  ages.length < leastAges ? undefined : 0.8 * Math.min(...ages)

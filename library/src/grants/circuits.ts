import type { Clock } from '../clock.ts'
import {
  type Circuit,
  type CircuitTiming,
  circuitAt,
  type Door,
  defaultCircuitTiming,
  door,
  learntLifetime,
  type Report,
  recoveryRate,
  reserve,
  withAge,
  withOutcome,
  withSuccesses,
} from './circuit.ts'
import { inIncident } from './incident.ts'
import { intervalOf } from './lanes.ts'
import type { FailedOutcome, Outcome } from './outcome.ts'
import type { GrantStore } from './store.ts'

/** What an operator may want to hear of; told once, by the process that found it. `until` is store time. */
export type CircuitNews =
  /** Nothing is sent to the provider for this client; `failure` is what did it. */
  | { readonly kind: 'opened'; readonly circuit: string; readonly until: number; readonly failure: Report }
  | { readonly kind: 'recovering'; readonly circuit: string }
  /** The provider refuses everybody: refusals are not believed. */
  | { readonly kind: 'incident'; readonly circuit: string }
  /** The store failed; refreshes go on without what the circuit would have said. */
  | { readonly kind: 'unknown'; readonly circuit: string; readonly error: unknown }

export interface CircuitsOptions {
  readonly store: Pick<GrantStore, 'time' | 'readCircuit' | 'updateCircuit'>
  readonly clock: Pick<Clock, 'boot' | 'sleep'>
  /** 0 to 1. */
  readonly random: () => number
  readonly timing?: Partial<CircuitTiming> | undefined
  readonly told?: ((news: CircuitNews) => void) | undefined
}

type Admission =
  | { readonly leaves: number; readonly circuit: Circuit }
  | { readonly opens: number; readonly circuit: Circuit }

type Heard = Report | { readonly age: number } | { readonly successes: readonly number[] }

/** What is known in this process of one circuit. */
interface Known {
  readonly key: string
  /** As it was read, with what was heard here since. */
  circuit: Circuit | undefined
  /** Boot time. */
  lookedAt: number
  looking: Promise<void> | undefined
  writing: boolean
  /** What the store is to be told. */
  readonly heard: Heard[]
  /** Store time of the last success of each grant, oldest first, of which the store need not know while all is well. */
  readonly successes: Map<string, number>
  /** Requests a second, as last asked for. */
  rate: number
  /** When the last one that was turned away may come again. */
  readonly comesAgain: { strict: number; other: number }
}

/** How many times at most a circuit is read while the breaker is open for the first time: once a second. */
const looksInPause = 5
/** What is older than so many looks is not relied on at all. */
const tooOld = 10
const mostCircuits = 1_000
const mostSuccesses = 10_000

/**
 * The circuits of this process over those in the store. While all is well and no rate is set, nothing is written, and read
 * once a second at most. A store that fails here stops no refresh.
 */
export class Circuits {
  readonly #store: CircuitsOptions['store']
  readonly #clock: CircuitsOptions['clock']
  readonly #random: () => number
  readonly #timing: CircuitTiming
  readonly #told: (news: CircuitNews) => void
  readonly #known = new Map<string, Known>()

  constructor({ store, clock, random, timing, told = () => undefined }: CircuitsOptions) {
    this.#store = store
    this.#clock = clock
    this.#random = random
    this.#timing = { ...defaultCircuitTiming, ...timing }
    this.#told = told
  }

  /**
   * Store time before which nothing is sent; undefined when something may be. Synchronous, from what is known here.
   * `interactive`: somebody waits, and is told when the door opens and not when their turn would come.
   */
  closedUntil(key: string, strict: boolean, interactive = false): number | undefined {
    const known = this.#of(key)
    if (this.#age(known) >= this.#lookEvery) void this.#look(known)
    if (known.circuit === undefined) return undefined
    const now = this.#store.time().at
    const present = circuitAt(known.circuit, now, this.#timing)
    const found = door(present, now, { strict }, this.#timing)
    if (found.kind === 'open') return undefined
    return this.#comesAgain(known, this.#opensAt(present, found.until, now), strict, interactive)
  }

  /**
   * Waits for the breaker's leave and a slot of the rate (requests a second); undefined when the request may be sent now,
   * else the store time at which to try again. `longest` (ms, default 2000) is how long it may wait here. `knocks`: a
   * person asked for it, and no breaker keeps it back.
   */
  async permit(
    key: string,
    rate: number | undefined,
    how: {
      readonly interactive: boolean
      readonly strict?: boolean | undefined
      readonly knocks?: boolean | undefined
      readonly longest?: number | undefined
    },
  ): Promise<number | undefined> {
    const { interactive, strict = false, knocks = false, longest = 2_000 } = how
    const known = this.#of(key)
    known.rate = rate ?? recoveryRate
    if (this.#age(known) >= tooOld * this.#lookEvery) await this.#look(known)
    else if (this.#age(known) >= this.#lookEvery) void this.#look(known)
    if (rate === undefined && !this.#limited(known)) return undefined

    const timing = this.#timing
    try {
      const admission = await this.#store.updateCircuit<Admission>(key, (stored, { at: now }) => {
        const present = circuitAt(stored, now, timing)
        const found: Door = knocks ? { kind: 'open' } : door(present, now, { strict }, timing)
        if (found.kind === 'closed')
          return { result: { opens: this.#opensAt(present, found.until, now), circuit: present } }
        const admitted = found.circuit ?? present
        const slot = reserve(admitted, rate, now, { interactive, longest }, timing)
        if (slot.kind === 'full') return { result: { opens: slot.until, circuit: present } }
        const circuit = slot.circuit ?? admitted
        return { result: { leaves: slot.at, circuit }, circuit: circuit === present ? undefined : circuit }
      })
      this.#learn(known, admission.circuit)
      if ('opens' in admission) return this.#comesAgain(known, admission.opens, strict, interactive)
      const wait = admission.leaves - this.#store.time().at
      if (wait > 0) await this.#clock.sleep(wait)
    } catch (error) {
      this.#told({ kind: 'unknown', circuit: key, error })
    }
    return undefined
  }

  /** What came of a request. Believed here at once; the store is told behind the caller's back, where it must know. */
  report(key: string, { grant, outcome }: { grant: string; outcome: Outcome | FailedOutcome }): void {
    const known = this.#of(key)
    const now = this.#store.time().at
    if (outcome.verdict !== 'ok') {
      const { code, error, status, means } = outcome.failure
      this.#hear(known, { grant, verdict: outcome.verdict, code, error, status, means })
    } else if (this.#troubled(known, now)) this.#hear(known, { grant, verdict: 'ok' })
    else this.#keepSuccess(known, grant, now)
  }

  /** The age in ms at which a token of unstated lifetime was refused. */
  reportAge(key: string, age: number): void {
    this.#hear(this.#of(key), { age })
  }

  /** Whether the provider refuses everybody at present, so that a refusal says nothing about its grant. */
  incident(key: string): boolean {
    const { circuit } = this.#of(key)
    return circuit !== undefined && inIncident(circuit, this.#store.time().at)
  }

  /** How long tokens of unstated lifetime live, in ms, where that was learnt. */
  lifetime(key: string): number | undefined {
    const { circuit } = this.#of(key)
    return circuit === undefined ? undefined : learntLifetime(circuit)
  }

  /** How long what was read is good enough while it is used: so late may an opened breaker be noticed. */
  get #lookEvery(): number {
    return this.#timing.pause / looksInPause
  }

  /** When it is worth asking again: while another one is being tried, soon. */
  #opensAt({ breaker }: Circuit, until: number, now: number): number {
    return breaker.state === 'half_open' ? Math.min(until, now + this.#lookEvery) : until
  }

  #of(key: string): Known {
    const found = this.#known.get(key)
    if (found !== undefined) return found
    if (this.#known.size >= mostCircuits) this.#known.delete(this.#known.keys().next().value as string)
    const known: Known = {
      key,
      circuit: undefined,
      lookedAt: Number.NEGATIVE_INFINITY,
      looking: undefined,
      writing: false,
      heard: [],
      successes: new Map(),
      rate: recoveryRate,
      comesAgain: { strict: 0, other: 0 },
    }
    this.#known.set(key, known)
    return known
  }

  #age(known: Known): number {
    return this.#clock.boot() - known.lookedAt
  }

  #limited({ circuit }: Known): boolean {
    if (circuit === undefined) return false
    return circuitAt(circuit, this.#store.time().at, this.#timing).breaker.state !== 'closed'
  }

  /** Whether a success is news to the store. */
  #troubled({ circuit, heard }: Known, now: number): boolean {
    if (circuit === undefined) return false
    const { state } = circuit.breaker
    return (
      heard.length > 0 ||
      circuit.straight > 0 ||
      state === 'open' ||
      state === 'half_open' ||
      inIncident(circuit, now)
    )
  }

  /**
   * Those who are turned away come again one after the other, at the rate at which they will be let in: ten thousand that
   * come the moment the door opens would only be turned away again.
   */
  #comesAgain(known: Known, opens: number, strict: boolean, interactive: boolean): number {
    if (interactive) return opens
    const lane = strict ? 'strict' : 'other'
    const next = known.comesAgain[lane] + intervalOf(0.8 * known.rate)
    // Nobody is sent away for longer than the breaker could be open, however many wait.
    const turn = next < opens || next > opens + this.#timing.longestPause ? opens : next
    known.comesAgain[lane] = turn
    return turn
  }

  #look(known: Known): Promise<void> {
    known.looking ??= this.#read(known).finally(() => {
      known.looking = undefined
    })
    return known.looking
  }

  async #read(known: Known): Promise<void> {
    const began = this.#clock.boot()
    try {
      const circuit = await this.#store.readCircuit(known.key)
      this.#learn(known, circuit)
    } catch (error) {
      this.#told({ kind: 'unknown', circuit: known.key, error })
    }
    known.lookedAt = began
    // Others had trouble: that it went well here belongs to the picture.
    const { circuit } = known
    if (circuit !== undefined && (circuit.straight > 0 || circuit.refusals.length > 0)) this.#hear(known)
  }

  /** Takes over what the store has, unless that lacks what was heard here. */
  #learn(known: Known, circuit: Circuit | undefined): void {
    if (!known.writing && known.heard.length === 0) known.circuit = circuit
  }

  #keepSuccess({ successes }: Known, grant: string, now: number): void {
    successes.delete(grant)
    successes.set(grant, now)
    for (const [oldest, at] of successes) {
      if (at > now - this.#timing.incident.span && successes.size <= mostSuccesses) break
      successes.delete(oldest)
    }
  }

  /** Successes come first, which the store was not told while all was well. */
  #hear(known: Known, what?: Heard): void {
    const now = this.#store.time().at
    const news: Heard[] = what === undefined ? [] : [what]
    if (known.successes.size > 0) news.unshift({ successes: [...known.successes.values()] })
    if (news.length === 0) return
    known.successes.clear()
    known.circuit = this.#after(circuitAt(known.circuit, now, this.#timing), news, now)
    known.heard.push(...news)
    void this.#write(known)
  }

  #after(circuit: Circuit, heard: readonly Heard[], now: number): Circuit {
    let next = circuit
    for (const what of heard)
      if ('age' in what) next = withAge(next, what.age)
      else if ('successes' in what) next = withSuccesses(next, what.successes, now, this.#timing)
      else next = withOutcome(next, what, now, this.#random, this.#timing)
    return next
  }

  /** What comes while a write is under way goes into the next one. */
  async #write(known: Known): Promise<void> {
    if (known.writing) return
    known.writing = true
    try {
      while (known.heard.length > 0) {
        const heard = known.heard.splice(0)
        const { before, after } = await this.#store.updateCircuit(known.key, (stored, { at: now }) => {
          const present = circuitAt(stored, now, this.#timing)
          const next = this.#after(present, heard, now)
          return { result: { before: present, after: next }, circuit: next === present ? undefined : next }
        })
        known.circuit = this.#after(after, known.heard, this.#store.time().at)
        this.#tell(known.key, before, after, heard)
      }
    } catch (error) {
      known.heard.length = 0
      this.#told({ kind: 'unknown', circuit: known.key, error })
    } finally {
      known.writing = false
    }
  }

  #tell(key: string, before: Circuit, after: Circuit, heard: readonly Heard[]): void {
    const failure = heard.findLast((what): what is Report => 'verdict' in what && what.verdict !== 'ok')
    const sent = before.breaker.state === 'closed' || before.breaker.state === 'recovering'
    if (after.breaker.state === 'open' && sent && failure !== undefined)
      this.#told({ kind: 'opened', circuit: key, until: after.breaker.until, failure })
    if (after.breaker.state === 'recovering' && before.breaker.state !== 'recovering')
      this.#told({ kind: 'recovering', circuit: key })
    if (after.incident !== undefined && after.incident.since !== before.incident?.since)
      this.#told({ kind: 'incident', circuit: key })
  }
}

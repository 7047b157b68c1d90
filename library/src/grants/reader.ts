import type { Clock } from '../clock.ts'
import { EvertokenError } from '../errors.ts'
import type { Why } from './claim.ts'
import { findToken, type GrantRecord, type TokenKey, type TokenRow, tokenKey } from './grant.ts'
import type { Looks } from './looks.ts'
import { refreshTooSoon } from './minimum-age.ts'
import { noToken } from './no-token.ts'
import { adviceOn, failureError, isOfRequest, mayMend } from './outcome.ts'
import { readingOf, unknownGrant } from './reading.ts'
import type { Refreshed } from './refresh.ts'
import type { GrantStore } from './store.ts'
import { limitsOf, type Timing } from './timing.ts'
import type { AccessToken, TokenRequest } from './token.ts'
import type { TokenCache, Verified } from './token-cache.ts'

export interface ReaderContext {
  readonly store: GrantStore
  readonly clock: Clock
  readonly timing: Timing
  readonly cache: TokenCache
  readonly looks: Looks
  /** One flight per grant in this process; `looksFree` as in refresh.ts. */
  readonly refresh: (id: string, why: Why, looksFree: boolean) => Promise<Refreshed>
  /** Why a new token that is in our hands could not be stored, if that is so. */
  readonly trouble: (id: string) => unknown
}

/** A grant as it stood in the store, with the store's version and the time (UTC ms) from before that. */
interface Read extends Verified {
  readonly record: GrantRecord
}

/** A wait for a newer token, which any number of readers share. */
interface Renewal {
  /** Resolves once there may be a newer token, or with the reason why there is none; never rejects. */
  readonly done: Promise<Renewed>
  /** Waits that began in this turn, by patience in ms: a thousand readers who come at once need one timer. */
  readonly waits: Map<number, Wait>
  /** Ends every sleep together with the renewal. */
  readonly over: AbortController
}

/** The row with the newer token, where it was seen. */
type Renewed = Read | Error | undefined
type Wait = Promise<Renewed | 'late'>

/**
 * Milliseconds beyond its patience that a reader without a token waits for a request which began with the wait, and whose deadline
 * therefore ends a moment later: so it hears how that ended.
 */
const hearsOut = 2_000
/** How long a scope or resource that the provider refused is not asked for again, in ms. */
const refusalRemembered = 60_000
/** Refusals kept in memory; the oldest go first. */
const mostRefusals = 1_000

/** How long another process is waited for, in ms, before it is asked whether that process is still alive. */
const lookAlive = 100

/** Tokens that come expired are asked for once more, since a machine may have slept meanwhile, and then no more. */
const mostRenewals = 2

/** Hands out tokens: from the store, and by waiting for a refresh when the present one will not do. */
export class Reader {
  readonly #context: ReaderContext
  /** Who waits for a newer token than which: however many readers wait, one of them asks. */
  readonly #renewals = new Map<string, Renewal>()
  /** Scopes and resources that the provider refused: a reader in a loop must not become requests in a loop. */
  readonly #refusals = new Map<string, { readonly error: EvertokenError; readonly until: number }>()
  /** Reads of the store under way: whoever asks for the same grant in the same turn takes part. */
  readonly #reads = new Map<string, Promise<Read>>()

  constructor(context: ReaderContext) {
    this.#context = context
  }

  async get(id: string, request: TokenRequest): Promise<AccessToken> {
    const { cache, clock, timing } = this.#context
    const key = tokenKey(request.scope, request.resource)
    const minTtl = (request.minTtl ?? 0) * 1000
    const known = cache.at(id, key) ?? cache.revalidated(id, key)
    if (known !== undefined && known.expiresAt - clock.now() > minTtl) return known
    let renewals = 0
    let renewed: Read | undefined
    for (let first = true; ; first = false) {
      request.signal?.throwIfAborted()
      const { record, ...verified } = renewed ?? (await this.#read(id))
      renewed = undefined
      const reading = readingOf(record, key, minTtl, clock.now())
      switch (reading.kind) {
        case 'refuse':
          throw reading.error
        case 'serve':
          if (reading.soon) this.#renewBehind(record, key, reading.row)
          return this.#served(record, reading.row, verified, reading.stale)
        case 'renew': {
          // At most one refresh for one read: what is not better then is the best there is.
          if (!first && reading.row !== undefined) return this.#served(record, reading.row, verified, true)
          if (renewals >= mostRenewals) throw bornExpired(id)
          const patience = reading.row === undefined ? timing.patience + hearsOut : timing.mandatoryWait
          const renewal = this.#renew(record, key, reading.generation)
          const outcome = await this.#inTime(renewal, patience, request.signal)
          if (outcome !== 'late' && !(outcome instanceof Error)) {
            renewals += 1
            renewed = outcome
            break
          }
          if (reading.row !== undefined && reading.row.expiresAt > clock.now()) {
            // Revoked while it was waited for, it is given to nobody; a store that is gone keeps nobody from it.
            const after = await this.#read(id).catch(() => undefined)
            const now = readingOf(after?.record ?? record, key, minTtl, clock.now())
            if (now.kind === 'refuse') throw now.error
            // That look may have taken longer than the token had left.
            if (reading.row.expiresAt > clock.now()) return this.#served(record, reading.row, verified, true)
          }
          // Its token ended while it waited: from here on it waits like a reader that came without one.
          if (outcome === 'late' && reading.row !== undefined) break
          throw outcome === 'late' ? await this.#unavailable(id) : outcome
        }
        default:
          return reading satisfies never
      }
    }
  }

  /** The next read of this grant asks the store: it was changed. */
  forget(id: string): void {
    this.#context.cache.forget(id)
    this.#reads.delete(id)
    for (const place of this.#refusals.keys()) if (place.startsWith(`${id}\n`)) this.#refusals.delete(place)
  }

  #read(id: string): Promise<Read> {
    const underWay = this.#reads.get(id)
    if (underWay !== undefined) return underWay
    const read = this.#readStore(id).finally(() => {
      if (this.#reads.get(id) === read) this.#reads.delete(id)
    })
    this.#reads.set(id, read)
    return read
  }

  async #readStore(id: string): Promise<Read> {
    const { store, cache } = this.#context
    // Before the row, so that a write in between is seen by the next comparison, and in time.
    const at = this.#context.clock.now()
    const version = cache.versionAt(at)
    const record = await store.read(id)
    if (record !== undefined) return { record, version, at }
    cache.forget(id)
    throw unknownGrant(id, store.location)
  }

  #served(record: GrantRecord, row: TokenRow, verified: Verified, stale: boolean): AccessToken {
    const token = this.#context.cache.keep(record, row, verified)
    return stale ? token.markedStale() : token
  }

  #renewBehind(record: GrantRecord, key: TokenKey, row: TokenRow): void {
    // A reader with a good token is not told of a failure here: it is stored, and every status shows it.
    this.#renew(record, key, row.generation)
  }

  /** Begins to wait for a newer token than `generation`, or joins those who do. `record`: as it was read just now. */
  #renew({ id, lease }: GrantRecord, key: TokenKey, generation: number): Renewal {
    const place = placeOf(id, key)
    const waiting = this.#renewals.get(place)
    if (waiting !== undefined) return waiting
    const over = new AbortController()
    const done = this.#renewal(id, key, generation, lease === undefined)
      // A store that takes no writes keeps nobody from a token that is still good.
      .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))))
      .finally(() => {
        this.#renewals.delete(place)
        over.abort()
      })
    const renewal: Renewal = { done, waits: new Map(), over }
    this.#renewals.set(place, renewal)
    return renewal
  }

  /** `late` when `ms` pass first. An abort rejects with the signal's reason; the work itself goes on. */
  #inTime(renewal: Renewal, ms: number, signal: AbortSignal | undefined): Wait {
    if (signal !== undefined) return inTime(renewal.done, this.#context.clock, ms, signal)
    const { waits, done, over } = renewal
    const begun = waits.get(ms)
    if (begun !== undefined) return begun
    const sleep = this.#context.clock.sleep(ms, { signal: over.signal })
    // A sleep that was cut short because the renewal is done says what that says.
    const late = sleep.then((): Wait | 'late' => (over.signal.aborted ? done : 'late'))
    const wait = Promise.race([done, late])
    waits.set(ms, wait)
    queueMicrotask(() => waits.delete(ms))
    return wait
  }

  async #renewal(id: string, key: TokenKey, generation: number, looksFree: boolean): Promise<Renewed> {
    const { clock, store, refresh, timing, looks } = this.#context
    const refusal = this.#refusals.get(placeOf(id, key))
    if (refusal !== undefined && clock.boot() < refusal.until) return refusal.error
    const began = clock.boot()
    const until = began + timing.patience
    for (let free = looksFree; ; free = false) {
      const result = await refresh(id, { kind: 'wanted', key, generation }, free)
      const left = until - clock.boot()
      switch (result.kind) {
        case 'refreshed':
          // As this process has stored it, so not older than the request.
          return { record: result.record, version: undefined, at: result.token.obtainedAt }
        case 'fresh':
        case 'dead':
        case 'revocation':
          return undefined
        case 'failed': {
          const { failure } = result.outcome
          if (mayMend(failure.code) && this.#mayTryAgain(result, left)) break
          const advice = adviceOn(result.record, failure.code)
          const error = failureError(id, { ...failure, at: clock.now() }, 0, advice)
          if (isOfRequest(failure.code, key)) this.#remember(placeOf(id, key), error)
          return error
        }
        case 'held': {
          if (left <= 0) return this.#unavailable(id)
          const renewed = await this.#whileHeld(id, key, generation, began, Math.min(left, lookAlive))
          looks.listen()
          if (renewed !== undefined) return renewed
          break
        }
        case 'backoff': {
          const wait = result.until - store.time().at
          if (wait > left && result.notBefore !== undefined) return refreshTooSoon(id, result.notBefore)
          const last = (await store.read(id))?.schedule.lastError
          if (wait > left || (last !== undefined && !mayMend(last.code)))
            return this.#unavailable(id, result.until)
          await clock.sleep(Math.max(wait, 1))
          break
        }
        default:
          return result satisfies never
      }
    }
  }

  /** Whoever waited for a whole request in vain does not begin another that it cannot wait for. */
  #mayTryAgain({ record, outcome }: Extract<Refreshed, { kind: 'failed' }>, left: number): boolean {
    if (record === undefined || outcome.failure.code !== 'provider_timeout') return true
    return limitsOf(record.facts, this.#context.timing).deadline <= left
  }

  /** Of a scope that one reader asked for nothing is stored, so it is remembered here. */
  #remember(place: string, error: EvertokenError): void {
    if (this.#refusals.size >= mostRefusals)
      this.#refusals.delete(this.#refusals.keys().next().value as string)
    this.#refusals.set(place, { error, until: this.#context.clock.boot() + refusalRemembered })
  }

  /**
   * Another process is at it: looks at the row, which locks nobody out. Gives the row with the newer token; nothing when the lease is
   * gone without one, or `longest` has passed.
   */
  async #whileHeld(
    id: string,
    key: TokenKey,
    generation: number,
    began: number,
    longest: number,
  ): Promise<Read | undefined> {
    const { clock, store, looks } = this.#context
    const until = clock.boot() + longest
    let version: number | undefined
    do {
      await looks.next(began)
      const unchanged = version
      version = store.version()
      if (version !== undefined && version === unchanged) continue
      const read = await this.#read(id)
      if ((findToken(read.record, key)?.generation ?? 0) > generation) return read
      if (read.record.lease === undefined) return undefined
    } while (clock.boot() < until)
    return undefined
  }

  /** `opens`: store time before which nothing is sent. */
  async #unavailable(id: string, opens?: number): Promise<EvertokenError> {
    const { store } = this.#context
    const cause = this.#context.trouble(id)
    if (cause !== undefined)
      return new EvertokenError('store_unavailable', `grant ${id}: the new token cannot be stored yet`, {
        grant: id,
        cause,
        advice: 'It is used as soon as it is stored; see the cause.',
      })
    const record = await store.read(id)
    if (record === undefined) return unknownGrant(id, store.location)
    return noToken(record, store.time().at, opens)
  }
}

const placeOf = (id: string, { scope, resource }: TokenKey): string => `${id}\n${scope}\n${resource}`

const bornExpired = (id: string): EvertokenError =>
  new EvertokenError('token_unavailable', `grant ${id}: each new token had expired when it came`, {
    grant: id,
    advice:
      'Compare the lifetime the provider states with the time it takes to answer, and this machine’s clock with its own.',
  })

/** `late` when `ms` pass first. An abort rejects with the signal's reason; the work itself goes on. */
async function inTime<T>(
  work: Promise<T>,
  clock: Clock,
  ms: number,
  signal: AbortSignal,
): Promise<T | 'late'> {
  const over = new AbortController()
  const timer = clock
    .sleep(ms, { signal: AbortSignal.any([over.signal, signal]) })
    .then(() => 'late' as const)
  try {
    const first = await Promise.race([work, timer])
    signal.throwIfAborted()
    return first
  } finally {
    over.abort()
  }
}

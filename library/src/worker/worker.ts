import type { Keeper } from '../grants/keeper.ts'

export interface WorkerOptions {
  /** Refreshes under way at once. Default 64. */
  concurrency?: number | undefined
  /** Lets the process end while the worker only waits. Default false. */
  background?: boolean | undefined
  /** Told of what went wrong outside a refresh: a store that does not answer. Default: nothing. */
  onError?: ((error: unknown) => void) | undefined
}

/** A row may still say due for a moment after its refresh began; asking again and again would help nobody. */
const shortestPause = 5

/**
 * Refreshes what is due and sleeps until the next. Any number of workers may run on one store: what one has claimed
 * the others leave alone.
 *
 * It never sleeps longer than the scan interval and asks the store's clock, not its own, what is due: after a
 * suspended laptop wakes or somebody sets the clock it is late by that interval at most.
 */
export class Worker implements AsyncDisposable {
  readonly #keeper: Keeper
  readonly #concurrency: number
  readonly #background: boolean
  readonly #onError: (error: unknown) => void
  readonly #stopping = new AbortController()
  readonly #underWay = new Set<Promise<unknown>>()
  #running: Promise<void> | undefined
  #wake: AbortController | undefined
  /** Something went wrong outside a refresh since the last sleep began. */
  #troubled = false
  /** Store time at which the present sleep ends by itself. */
  #wakesAt = 0

  constructor(keeper: Keeper, options: WorkerOptions = {}) {
    this.#keeper = keeper
    this.#concurrency = options.concurrency ?? 64
    this.#background = options.background ?? false
    this.#onError = options.onError ?? (() => undefined)
  }

  /** Begins; a second call changes nothing. */
  start(): this {
    this.#running ??= this.#run()
    return this
  }

  /** Takes no more work and waits for what is under way. Idempotent; all callers share one promise. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
    await Promise.allSettled(this.#underWay)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** Refreshes everything that is due now, each once, and resolves with how many grants were tended. */
  async once(): Promise<number> {
    const tended = new Set<string>()
    for (;;) {
      const { looked, ids } = await this.#tendDue()
      await Promise.allSettled(this.#underWay)
      const before = tended.size
      for (const id of ids) tended.add(id)
      // What comes due again and again is not tended for ever.
      if (looked === 0 || (ids.length > 0 && tended.size === before)) return tended.size
    }
  }

  async #run(): Promise<void> {
    const { clock, timing, store } = this.#keeper
    while (!this.#stopping.signal.aborted) {
      // Made before anything is begun, so that no end of a refresh is missed.
      this.#wake = new AbortController()
      try {
        await this.#tendDue()
      } catch (error) {
        this.#trouble(error)
      }
      if (this.#stopping.signal.aborted) return
      const next = await this.#pause(timing.scan)
      // What cannot be worked on stays due: it is not asked for again and again until the store is well.
      const pause = this.#troubled ? timing.scan : next
      this.#troubled = false
      this.#wakesAt = store.time().at + pause
      await clock.sleep(pause, {
        signal: AbortSignal.any([this.#stopping.signal, this.#wake.signal]),
        background: this.#background,
      })
    }
  }

  /** Once: a second abort changes nothing, and still makes an error with a stack, which is dear. */
  #wakeUp(): void {
    if (this.#wake?.signal.aborted === false) this.#wake.abort()
  }

  #trouble(error: unknown): void {
    this.#troubled = true
    this.#onError(error)
  }

  /** Claims what is due, as far as there is room, without waiting for answers. */
  async #tendDue(): Promise<{ readonly looked: number; readonly ids: readonly string[] }> {
    const room = this.#concurrency - this.#underWay.size
    if (room <= 0) return { looked: 0, ids: [] }
    const { looked, begun } = await this.#keeper.tendDue(room)
    // More may be due than there was room for.
    const more = looked >= room
    for (const result of begun.values()) {
      const work = result
        .then((refreshed) => {
          const next = refreshed.kind === 'refreshed' ? refreshed.record.schedule.dueAt : null
          if (next !== null && next < this.#wakesAt) this.#wakeUp()
        })
        .catch((error: unknown) => this.#trouble(error))
        .finally(() => {
          const wasFull = this.#underWay.size >= this.#concurrency
          this.#underWay.delete(work)
          if (more || wasFull) this.#wakeUp()
        })
      this.#underWay.add(work)
    }
    return { looked, ids: [...begun.keys()] }
  }

  /** Until the next grant is due, and never longer than `scan`, since other processes add and change grants. */
  async #pause(scan: number): Promise<number> {
    const { store } = this.#keeper
    // Nothing can be begun before something is over, which ends the sleep.
    if (this.#underWay.size >= this.#concurrency) return scan
    try {
      const next = await store.nextDue()
      if (next === undefined) return scan
      return Math.min(scan, Math.max(shortestPause, next - store.time().at))
    } catch (error) {
      this.#trouble(error)
      return scan
    }
  }
}

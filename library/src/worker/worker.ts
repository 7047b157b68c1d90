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
  readonly #underWay = new Map<string, Promise<unknown>>()
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
    await Promise.allSettled(this.#underWay.values())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** Refreshes everything that is due now, each once, and resolves with how many grants were tended. */
  async once(): Promise<number> {
    const tended = new Set<string>()
    while ((await this.#tendDue(tended)) > 0) await Promise.allSettled(this.#underWay.values())
    return tended.size
  }

  async #run(): Promise<void> {
    const { clock, timing, store } = this.#keeper
    while (!this.#stopping.signal.aborted) {
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
      this.#wake = new AbortController()
      this.#wakesAt = store.time().at + pause
      await clock.sleep(pause, {
        signal: AbortSignal.any([this.#stopping.signal, this.#wake.signal]),
        background: this.#background,
      })
    }
  }

  #trouble(error: unknown): void {
    this.#troubled = true
    this.#onError(error)
  }

  /**
   * Claims what is due and not in `tended`, as far as there is room; resolves with how many without waiting for their
   * answers.
   */
  async #tendDue(tended?: Set<string>): Promise<number> {
    const room = this.#concurrency - this.#underWay.size
    if (room <= 0) return 0
    const due = await this.#keeper.store.due(room + this.#underWay.size + (tended?.size ?? 0))
    const fresh = due.filter((id) => !this.#underWay.has(id) && !tended?.has(id)).slice(0, room)
    for (const id of fresh) {
      tended?.add(id)
      const work = this.#keeper
        .tend(id)
        .then((result) => {
          const next = result.kind === 'refreshed' ? result.record.schedule.dueAt : null
          if (next !== null && next < this.#wakesAt) this.#wake?.abort()
        })
        .catch((error: unknown) => this.#trouble(error))
        .finally(() => {
          this.#underWay.delete(id)
          // More may be due than there was room for.
          if (due.length > fresh.length) this.#wake?.abort()
        })
      this.#underWay.set(id, work)
    }
    return fresh.length
  }

  /** Until the next grant is due, and never longer than `scan`, since other processes add and change grants. */
  async #pause(scan: number): Promise<number> {
    const { store } = this.#keeper
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

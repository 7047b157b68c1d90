import type { Clock } from '../clock.ts'
import type { GrantStore } from './store.ts'

/** Between two looks, in ms. */
const shortest = 5
const longest = 100
/**
 * How much longer the wait may become than it had to be. Where a look costs a microsecond there are many, where it asks a server few:
 * the processor and the database that all who wait would keep busy are those that the one they wait for needs.
 */
const shareOfWait = 0.1
const shareWhereDear = 0.5

/** When to look again at a grant that another process is at work on. */
export class Looks {
  readonly #store: GrantStore
  readonly #clock: Clock
  #hinted = new AbortController()
  #listens = false

  constructor(store: GrantStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Resolves when it is time for whoever has waited since `began` (boot ms), or is told to stop. Never rejects. */
  async next(began: number, signal?: AbortSignal): Promise<void> {
    const share = this.#store.version() === undefined ? shareWhereDear : shareOfWait
    const waited = this.#clock.boot() - began
    const pause = Math.min(Math.max(Math.round(waited * share), shortest), longest)
    if (!this.#listens) return this.#clock.sleep(pause, { signal })
    const hint = this.#hinted.signal
    // A store in which much is done hints often: no look follows the one before any sooner for that.
    await this.#clock.sleep(shortest, { signal })
    if (pause === shortest || signal?.aborted) return
    await this.#clock.sleep(pause - shortest, {
      signal: signal === undefined ? hint : AbortSignal.any([signal, hint]),
    })
  }

  /** Whoever had to wait once hears of changes from then on; it takes a connection, which most processes never need. */
  listen(): void {
    if (this.#listens || this.#store.onHint === undefined) return
    this.#listens = true
    this.#store.onHint(() => {
      this.#hinted.abort()
      this.#hinted = new AbortController()
    })
  }
}

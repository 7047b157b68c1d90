import type { Clock } from '../../clock.ts'
import type { StoreTime } from '../../grants/store.ts'

/** The database has one clock, whatever its machines do, so there is one boot. */
const boot = 'postgres'

/** Milliseconds by which a boot clock may be behind itself: Linux gives its uptime in hundredths of a second. */
const tick = 10

/** The database's clock, as this process knows it: by the last answer that named the time, moved on by the boot clock. */
export class StoreClock {
  readonly #clock: Clock
  #offset: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** An answer that has just come says that it was `at`. */
  seen(at: number): void {
    // Its way here took some time: what we say is late by that, and never ahead of the database.
    this.#offset = at - this.#clock.boot() - tick
  }

  at(at: number): StoreTime {
    return { at, boot }
  }

  now(): StoreTime {
    return { at: Math.round(this.#clock.boot() + (this.#offset ?? 0)), boot }
  }
}

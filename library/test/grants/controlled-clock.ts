import type { Clock } from '../../src/clock.ts'

interface Sleeper {
  readonly wakesAt: number
  readonly wake: () => void
}

/**
 * A clock that stands still until the test moves it. It holds three times apart, as a machine does: UTC, which
 * anybody can set; the boot clock, which counts suspended time; and the one that timers run on, which does not.
 */
export class ControlledClock implements Clock {
  bootId = 'boot-1'
  #utc: number
  #boot = 50_000
  #timers = 0
  readonly #sleepers = new Set<Sleeper>()
  /** Every sleep that was asked for, in ms. */
  readonly sleeps: number[] = []

  constructor(utc = 1_800_000_000_000) {
    this.#utc = utc
  }

  readonly now = (): number => this.#utc
  readonly boot = (): number => this.#boot

  get sleeping(): number {
    return this.#sleepers.size
  }

  sleep(ms: number, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    this.sleeps.push(ms)
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const wake = (): void => {
        this.#sleepers.delete(sleeper)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const sleeper: Sleeper = { wakesAt: this.#timers + Math.max(ms, 0), wake }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }

  /** Time passes: whoever sleeps less is woken in order, and what they then do is done before time goes on. */
  async advance(ms: number): Promise<void> {
    const end = this.#timers + ms
    for (;;) {
      await settled()
      const next = this.#next()
      if (next === undefined || next.wakesAt > end) break
      this.#pass(next.wakesAt - this.#timers)
      next.wake()
    }
    this.#pass(end - this.#timers)
    await settled()
  }

  /** Lets time pass as far as the sleepers need it, until `work` is done; `busy` tells of work no timer waits for. */
  async until<T>(work: Promise<T>, busy: () => boolean = () => false): Promise<T> {
    let done = false
    const finished = (): void => {
      done = true
    }
    work.then(finished, finished)
    const givesUp = Date.now() + 15_000
    for (let idle = 0; ; ) {
      await realMoment()
      await settled()
      if (done) return work
      if (Date.now() > givesUp) throw new Error('the work is neither done nor does it wait for the clock')
      const next = this.#next()
      idle = busy() || next === undefined ? 0 : idle + 1
      if (next === undefined || idle < quietMoments) continue
      this.#pass(next.wakesAt - this.#timers)
      next.wake()
    }
  }

  /** Somebody sets the wall clock. */
  setUtc(change: number): void {
    this.#utc += change
  }

  /** The machine sleeps: timers stand still meanwhile. */
  suspend(ms: number): void {
    this.#utc += ms
    this.#boot += ms
  }

  #next(): Sleeper | undefined {
    let next: Sleeper | undefined
    for (const sleeper of this.#sleepers)
      if (next === undefined || sleeper.wakesAt < next.wakesAt) next = sleeper
    return next
  }

  #pass(ms: number): void {
    const passed = Math.max(ms, 0)
    this.#utc += passed
    this.#boot += passed
    this.#timers += passed
  }
}

/**
 * How long nothing must happen before time may pass, in real moments: a signature is made on another thread, which a
 * busy machine keeps waiting, and time that passes meanwhile would end somebody's patience.
 */
const quietMoments = 12

/** Everything that can go on without time passing has gone on, but for sockets and other threads. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Other threads had a moment too. */
const realMoment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

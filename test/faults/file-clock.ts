import { readFileSync, writeFileSync } from 'node:fs'
import { uptime } from 'node:os'
import { type Clock, systemClock } from 'evertoken'

/**
 * The machine's clock, with a number of milliseconds more that stands in a file: time passes when a test writes there, for
 * all processes at once and for those that are stopped as well. Nobody has to wait for two minutes, and a busy machine
 * does not make anything late.
 */
export class FileClock implements Clock {
  readonly bootId = systemClock.bootId
  readonly #file: string
  readonly #utcOffset: number

  /** @param utcOffset milliseconds by which somebody has set this process's wall clock wrong. */
  constructor(file: string, utcOffset = 0) {
    this.#file = file
    this.#utcOffset = utcOffset
  }

  static create(file: string): FileClock {
    writeFileSync(file, text(0), { mode: 0o644 })
    return new FileClock(file)
  }

  readonly now = (): number => Date.now() + this.passed() + this.#utcOffset
  readonly boot = (): number => uptime() * 1000 + this.passed()

  passed(): number {
    return Number(readFileSync(this.#file, 'latin1'))
  }

  /** Written over what stands there, as one write of the same length, so that nobody reads half of it. */
  pass(ms: number): void {
    writeFileSync(this.#file, text(this.passed() + ms), { flag: 'r+' })
  }

  async sleep(
    ms: number,
    {
      signal,
      background = false,
    }: { signal?: AbortSignal | undefined; background?: boolean | undefined } = {},
  ): Promise<void> {
    const until = this.boot() + ms
    for (let left = ms; left > 0 && signal?.aborted !== true; left = until - this.boot())
      await systemClock.sleep(Math.min(left, 10), { signal, background })
  }
}

const text = (ms: number): string => String(ms).padStart(16)

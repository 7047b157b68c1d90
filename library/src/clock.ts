// Not imported: importing node:fs, from which the boot id is read, also loads its streams, promises and watchers.
const uptime = (): number => process.getBuiltinModule('node:os').uptime()

/** Time and waiting, passed in everywhere so that tests can own them. */
export interface Clock {
  /** UTC, milliseconds since 1970. Jumps when somebody sets it. */
  now(): number
  /** Milliseconds since this machine started, suspended time included. Never jumps. */
  boot(): number
  /** Changes whenever the machine starts anew, so that values of {@link Clock.boot} are comparable only within one. */
  readonly bootId: string
  /**
   * Resolves after `ms` milliseconds, at once when `signal` aborts; never rejects. Keeps the process alive unless
   * `background` is true.
   */
  sleep(
    ms: number,
    options?: { signal?: AbortSignal | undefined; background?: boolean | undefined },
  ): Promise<void>
}

const readBootId = (): string => {
  try {
    return process.getBuiltinModule('node:fs').readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    // No boot id outside Linux: the minute in which the machine started tells starts apart well enough.
    return `started-${Math.round((Date.now() / 1000 - uptime()) / 60)}`
  }
}

/** What os.uptime() leaves out: Linux gives hundredths of a second, cut off. */
const uptimeStep = 10
/** Further apart the wall clock and the monotonic one do not drift in a second by themselves: the machine was suspended. */
const longestDrift = 5
const askAgain = 1_000

const asked = { boot: 0, monotonic: Number.NEGATIVE_INFINITY, wall: 0 }

/**
 * os.uptime() counts suspend; performance.now() and process.hrtime() do not on Linux. Asking for it reads a file, so it is
 * asked once a second and when the wall clock says that the monotonic one stood still; in between that one moves it on.
 */
function sinceBoot(): number {
  const monotonic = performance.now()
  const wall = Date.now()
  const passed = monotonic - asked.monotonic
  const present = asked.boot + passed
  if (passed < askAgain && Math.abs(wall - asked.wall - passed) < longestDrift) return present
  const read = uptime() * 1000
  const first = asked.monotonic === Number.NEGATIVE_INFINITY
  asked.boot = first ? read : Math.min(Math.max(present, read), read + uptimeStep)
  asked.monotonic = monotonic
  asked.wall = wall
  return asked.boot
}

let bootId: string | undefined

const sleep: Clock['sleep'] = (ms, { signal, background = false } = {}) =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, Math.min(ms, 2 ** 31 - 1))
    if (background) timer.unref()
    signal?.addEventListener('abort', done, { once: true })
  })

/** What of the machine's clocks is there without Node as well. */
export const wallClock: Pick<Clock, 'now' | 'sleep'> = { now: () => Date.now(), sleep }

/** The machine's own clocks. */
export const systemClock: Clock = {
  now: wallClock.now,
  boot: sinceBoot,
  get bootId() {
    bootId ??= readBootId()
    return bootId
  },
  sleep,
}

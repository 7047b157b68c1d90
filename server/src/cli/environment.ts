import { homedir } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { isatty } from 'node:tty'
import { type Clock, EvertokenError } from 'evertoken'

/** Everything that a command may know of the process it runs in; the commands themselves touch no `process`. */
export interface Environment {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly home: string
  readonly platform: NodeJS.Platform
  readonly stdin: Readable
  /** For results alone: scripts read it. */
  readonly stdout: Writable
  /** For everything that is said to a person. */
  readonly stderr: Writable
  readonly isTerminal: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean }
  readonly clock: Clock
  /**
   * Aborts at the first SIGINT or SIGTERM; its reason is an {@link Interruption}. What serves until then returns, and
   * the process ends with 0; what was cut short throws the reason, and it ends with 128 + the signal's number. A second
   * signal ends the process at once.
   */
  readonly signal: AbortSignal
}

/** Somebody asked the process to end. */
export class Interruption extends Error {
  override readonly name = 'Interruption'
  readonly signal: 'SIGINT' | 'SIGTERM'

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(`interrupted by ${signal}`)
    this.signal = signal
  }
}

/** The environment of this process. Streams are opened when they are first asked for, which costs milliseconds. */
export function processEnvironment(signal: AbortSignal, clock: Clock): Environment {
  return {
    env: process.env,
    get cwd() {
      return presentFolder()
    },
    get home() {
      return homedir()
    },
    platform: process.platform,
    get stdin() {
      return process.stdin
    },
    get stdout() {
      return process.stdout
    },
    get stderr() {
      return process.stderr
    },
    isTerminal: {
      get stdin() {
        return isatty(0)
      },
      get stdout() {
        return isatty(1)
      },
      get stderr() {
        return isatty(2)
      },
    },
    clock,
    signal,
  }
}

function presentFolder(): string {
  try {
    return process.cwd()
  } catch (cause) {
    throw new EvertokenError('usage', 'the folder that this was started in does not exist any more', {
      cause,
      advice: 'Change to one that does.',
    })
  }
}

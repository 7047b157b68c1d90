import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import path from 'node:path'
import type { Timing } from 'evertoken'
import type { StorePlace } from './store-place.ts'

export interface ProcessOptions {
  /** Of this process and no other; stands in the server's log beside what it sent. */
  readonly name: string
  readonly place: StorePlace
  /** Of its host. */
  readonly folder: string
  readonly timing: Timing
  /** Where it writes what it saw. */
  readonly events: string
  /** Where everything goes that it prints. */
  readonly output: string
  /** keeper-process.ts as one file; Node keeps what it has compiled of it beside it. */
  readonly program: string
  /** Milliseconds between two reads. */
  readonly readPause: number
}

/** To kill or stop itself when it comes to a point for the so-manieth time from now, counted from 1. */
export interface Order {
  readonly does: 'kill' | 'stop'
  readonly at: string
  readonly time: number
  /** Or when it comes to this one for the first time, if that is sooner. */
  readonly instead?: string | undefined
}

/** `grants`: the logins that it reads from now on. `revoke`: ends that login. */
export interface ProcessMessage {
  readonly order?: Order | undefined
  readonly grants?: readonly string[] | undefined
  readonly revoke?: string | undefined
}

/** A process of a host, from its start to its death. */
export class HostProcess {
  readonly name: string
  readonly ready: Promise<unknown>
  readonly gone: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  /** Called with the named point at which it has stopped itself. */
  onStopping: (point: string) => void = () => undefined
  readonly #child: ChildProcess
  #isGone = false

  constructor(options: ProcessOptions) {
    this.name = options.name
    const output = openSync(options.output, 'a', 0o600)
    this.#child = spawn(process.execPath, [options.program], {
      stdio: ['ignore', output, output, 'ipc'],
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: path.join(path.dirname(options.program), 'compiled'),
        CAMPAIGN_PROCESS: JSON.stringify(options),
      },
    })
    closeSync(output)
    this.gone = once(this.#child, 'exit').then(([code, signal]) => {
      this.#isGone = true
      return { code, signal }
    })
    this.ready = Promise.race([this.#told('ready'), this.gone])
    this.#child.on('message', (message: { stopping?: string }) => {
      if (message.stopping !== undefined) this.onStopping(message.stopping)
    })
    // Of a pipe that broke because the process is dead there is nothing to say.
    this.#child.on('error', () => undefined)
  }

  get isGone(): boolean {
    return this.#isGone
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  send(message: ProcessMessage): void {
    if (this.#child.connected) this.#child.send(message, () => undefined)
  }

  /**
   * Lets it go on after so many milliseconds. A process of its own does that: this one may itself be waiting for the lock
   * on a SQLite file that the stopped one holds.
   */
  async goOnAfter(ms: number): Promise<void> {
    const alarm = spawn('sh', ['-c', `sleep ${ms / 1000}; kill -CONT ${this.pid}`], { stdio: 'ignore' })
    await once(alarm, 'exit')
  }

  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void {
    this.#child.kill(signal)
  }

  #told(word: string): Promise<void> {
    return new Promise((resolve) => {
      this.#child.on('message', (message: object) => {
        if (word in message) resolve()
      })
    })
  }
}

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Timing } from 'evertoken'
import type { StoreAddress } from './store-address.ts'

export interface KeeperProcessOptions {
  /** Stands in the server's log beside what it sent. */
  readonly name: string
  readonly role: 'worker' | 'reader'
  readonly store: StoreAddress
  readonly timing?: Partial<Timing> | undefined
  readonly grant: string
  readonly issuer: string
  /** Where a reader writes its {@link Read}s, one JSON object a line. */
  readonly journal: string
  /** Stops for ever before a refresh is sent, or when its answer has come and is not stored yet. */
  readonly hold?: 'request' | 'answer' | undefined
}

/** One read of one reader, and what the server said of the token right afterwards. Times are UTC ms. */
export interface Read {
  readonly reader: string
  readonly asked: number
  readonly got?: number
  readonly generation?: number
  readonly stale?: boolean
  readonly expiresAt?: number
  /** Fingerprint. */
  readonly token?: string
  readonly active?: boolean
  /** UTC seconds, from the server. */
  readonly exp?: number | undefined
  readonly error?: string
}

/** A child that works or reads until it is stopped or killed. */
export class KeeperProcess {
  readonly name: string
  readonly #child: ChildProcess
  readonly #gone: Promise<[code: number | null, signal: NodeJS.Signals | null]>
  #complaint = ''

  constructor(options: KeeperProcessOptions) {
    this.name = options.name
    this.#child = fork(fileURLToPath(import.meta.resolve('./keeper-process.ts')), {
      execArgv: ['--conditions=evertoken:source'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, KEEPER_PROCESS_OPTIONS: JSON.stringify(options) },
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-4_000)
    })
    this.#gone = once(this.#child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  }

  /** Whatever it complained of. */
  get complaint(): string {
    return this.#complaint
  }

  /** Resolves when it has opened the store. */
  ready(): Promise<void> {
    return this.#said('ready')
  }

  /** Resolves when it has stopped where `hold` says. */
  held(): Promise<void> {
    return this.#said('held')
  }

  /** Has it refresh now; gives back at once. */
  refresh(): void {
    this.#child.send('refresh')
  }

  /** Lets it finish what it does; gives its exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    const [code] = await this.#gone
    return code
  }

  /** SIGKILL: nothing is tidied up. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#gone
  }

  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  async #said(word: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#child.on('message', (message: object) => {
        if (word in message) resolve()
      })
      this.#gone.then(
        ([code, signal]) => reject(new Error(`${this.name} ended (${signal ?? code}): ${this.#complaint}`)),
        reject,
      )
    })
  }
}

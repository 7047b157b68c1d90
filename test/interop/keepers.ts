import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Timing } from 'evertoken'
import { onTestFinished } from 'vitest'
import { readLines } from './server-process.ts'

export interface KeeperProcessOptions {
  /** Stands in the server's log beside what it sent. */
  readonly name: string
  readonly database: string
  readonly grant: string
  /** An API that answers 401 to a token that is dead. */
  readonly resource: string
  /** Where its {@link Read}s go, one JSON object a line. */
  readonly journal: string
  readonly timing?: Partial<Timing> | undefined
}

/** One read of one process: the API's answers to its tokens. Each but the last was 401; the last may be any trouble else. */
export interface Read {
  readonly reader: string
  /** Of the last token. */
  readonly generation: number
  readonly statuses: readonly number[]
  readonly error?: string
}

/** Deaths in one test: a few among all the others' tests, more where these are meant. */
export const kills = process.env.MODE === 'interop' ? 20 : 5

const gone = Symbol('gone')

/** Several processes that work and read on one login, and their deaths. */
export class Fleet {
  /** Those that cut off a refresh which had begun. */
  kills = 0
  complaints = ''
  readonly #options: readonly KeeperProcessOptions[]
  readonly #processes = new Map<string, ChildProcess>()
  /** Who waits for the next word of a process. */
  readonly #listening = new Map<ChildProcess, (word: unknown) => void>()
  #turn = 0
  #over = false

  constructor(count: number, options: Omit<KeeperProcessOptions, 'name' | 'journal'>) {
    const journal = join(testFolder(), 'reads.jsonl')
    this.#options = Array.from({ length: count }, (_, index) => ({
      ...options,
      journal,
      name: `process-${index + 1}`,
    }))
    onTestFinished(async () => {
      this.#over = true
      for (const child of this.#processes.values()) await ended(child, 'SIGKILL')
    })
  }

  async launch(): Promise<void> {
    await Promise.all(this.#options.map((options) => this.#start(options)))
  }

  /** The next process in turn refreshes, is killed `ms` milliseconds after it began to send, and is started anew. */
  async #killInRefresh(ms: number): Promise<void> {
    const options = this.#options[this.#turn++ % this.#options.length]
    const child = options && this.#processes.get(options.name)
    if (options === undefined || child === undefined) throw new Error('the fleet is not launched')
    if (!child.connected) throw new Error(`${options.name} ended by itself: ${this.complaints}`)
    child.send('refresh')
    // Somebody else may be at it: then nothing is sent, and nobody is killed.
    const sends = await Promise.race([this.#said(child, 'sending').then(() => true), sleep(3_000, false)])
    if (!sends) return
    await sleep(ms)
    this.#listening.delete(child)
    await ended(child, 'SIGKILL')
    this.kills += 1
    await this.#start(options)
  }

  /** Kills in the middle of refreshes, each a little later than the one before, until so many have died. */
  async killMany(count: number): Promise<void> {
    for (let turn = 0; this.kills < count && turn < 3 * count && !this.#over; turn++)
      await this.#killInRefresh((turn * 7) % 41)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((child) => ended(child, 'SIGTERM')))
  }

  reads(): readonly Read[] {
    return readLines<Read>(this.#options[0]?.journal ?? '')
  }

  async #start(options: KeeperProcessOptions): Promise<void> {
    const child = fork(fileURLToPath(import.meta.resolve('./keeper-process.ts')), {
      execArgv: ['--conditions=evertoken:source'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, KEEPER_PROCESS_OPTIONS: JSON.stringify(options) },
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.complaints = (this.complaints + text).slice(-8_000)
    })
    this.#processes.set(options.name, child)
    child.on('message', (word) => this.#listening.get(child)?.(word))
    child.once('close', () => this.#listening.get(child)?.(gone))
    await this.#said(child, 'ready')
  }

  #said(child: ChildProcess, awaited: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#listening.set(child, (word) => {
        if (word === awaited) resolve()
        if (word === gone) reject(new Error(`a process ended by itself: ${this.complaints}`))
      })
    })
  }
}

/** A folder that is removed when the test has ended. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { GrantSummary, Timing, TokenRequest } from 'evertoken'
import { onTestFinished } from 'vitest'

/** Where a process comes to its end, or to a halt. */
export interface Stop {
  /** A fault point of the library, of its store or of its spool. */
  readonly at: string
  /** Not before this one was passed. */
  readonly after?: string | undefined
  /**
   * `kill`: SIGKILL. `stop`: SIGSTOP, until `thaw`. `block`: the event loop stands still until half a minute has passed.
   * `exhaust`: it takes all memory that it may have. `full`: this write finds no room on the disk.
   */
  readonly how: 'kill' | 'stop' | 'block' | 'exhaust' | 'full'
}

export type StorePlace =
  | { readonly kind: 'sqlite'; readonly file: string; readonly spool: string | undefined }
  | { readonly kind: 'postgres'; readonly url: string; readonly folder: string }

export interface FaultTask {
  /** Stands in the server's log beside what it sent. */
  readonly name: string
  readonly clockFile: string
  /** Milliseconds by which its wall clock is wrong. */
  readonly utcOffset?: number | undefined
  readonly store: StorePlace
  readonly keyFile: string
  readonly timing?: Partial<Timing> | undefined
  readonly stop?: Stop | undefined
}

export type Command =
  | { readonly do: 'stop_at'; readonly stop: Stop }
  | { readonly do: 'tend' | 'refresh' | 'revoke' | 'show'; readonly grant: string }
  | { readonly do: 'get'; readonly grant: string; readonly request?: Pick<TokenRequest, 'minTtl' | 'scope'> }
  /** That many calls at once, which ask for these scopes in turn. */
  | {
      readonly do: 'read'
      readonly grant: string
      readonly calls: number
      readonly scopes: readonly (string | undefined)[]
    }
  | { readonly do: 'once' | 'work' | 'adopt' | 'close' }

export interface Reply {
  readonly id: number
  readonly value?: unknown
  readonly error?: { readonly code: string; readonly message: string }
}

export interface ShownToken {
  readonly value: string
  readonly generation: number
  readonly stale: boolean
  readonly expiresAt: number
}

/** What a command gives back. */
interface Values {
  readonly stop_at: undefined
  readonly tend: string
  readonly get: ShownToken
  readonly read: { readonly values: readonly string[]; readonly errors: readonly string[] }
  readonly refresh: ShownToken
  readonly revoke: string
  readonly once: number
  readonly work: undefined
  readonly show: GrantSummary
  readonly adopt: number
  readonly close: undefined
}

/** A command that failed in its process. */
export class CommandFailed extends Error {
  readonly code: string
  constructor({ code, message }: NonNullable<Reply['error']>) {
    super(message)
    this.code = code
  }
}

/** Most of a start is compiling; with this it takes a third. */
const compileCache = path.join(tmpdir(), 'evertoken-faults-compiled')

export interface ProcessOptions {
  /** Arguments for Node. */
  readonly node?: readonly string[] | undefined
  /** What is called in place of the command line: a shell that sets a limit first. */
  readonly wrapped?: ((command: readonly string[]) => readonly string[]) | undefined
}

/** A process that keeps grants alive, and dies with the test. */
export class FaultProcess {
  readonly name: string
  /** Its exit code, or the signal that ended it. */
  readonly gone: Promise<number | NodeJS.Signals>
  readonly #child: ChildProcess
  readonly #replies = new Map<number, (reply: Reply) => void>()
  readonly #lines: Record<string, unknown>[] = []
  readonly #listeners = new Set<() => void>()
  #isGone = false
  #output = ''
  #commands = 0

  constructor(task: FaultTask, { node = [], wrapped = (command) => command }: ProcessOptions = {}) {
    this.name = task.name
    const script = fileURLToPath(import.meta.resolve('./fault-process.ts'))
    const [program = '', ...args] = wrapped([
      process.execPath,
      '--conditions=evertoken:source',
      ...node,
      script,
    ])
    this.#child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache, FAULT_TASK: JSON.stringify(task) },
    })
    const { stdout, stderr } = this.#child
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
    })
    if (stdout !== null)
      createInterface({ input: stdout }).on('line', (line) => {
        this.#output += `${line}\n`
        this.#lines.push(line.startsWith('{') ? JSON.parse(line) : { said: line })
        this.#changed()
      })
    this.#child.on('message', (reply: Reply) => {
      this.#replies.get(reply.id)?.(reply)
      this.#replies.delete(reply.id)
    })
    this.gone = once(this.#child, 'close').then(([code, signal]) => {
      this.#isGone = true
      this.#changed()
      return (signal ?? code) as number | NodeJS.Signals
    })
    onTestFinished(async () => {
      this.#child.kill('SIGKILL')
      await this.gone
    })
  }

  get pid(): number {
    return this.#child.pid as number
  }

  /** Everything it has said. */
  get output(): string {
    return this.#output
  }

  /** Resolves when it has opened its store. */
  ready(): Promise<void> {
    return this.#line((line) => 'ready' in line)
  }

  /** Resolves when it has come to the point where it is to stop. */
  at(point: string): Promise<void> {
    return this.#line((line) => line.at === point)
  }

  /** @throws CommandFailed with the code that the library gave. */
  async call<C extends Command>(command: C): Promise<Values[C['do']]> {
    this.#commands += 1
    const id = this.#commands
    const reply = new Promise<Reply>((resolve) => this.#replies.set(id, resolve))
    this.#child.send({ id, ...command })
    const ended = this.gone.then((how): Reply => {
      throw new Error(`${this.name} ended (${how}) during ${command.do}: ${this.#output}`)
    })
    const { value, error } = await Promise.race([reply, ended])
    if (error !== undefined) throw new CommandFailed(error)
    return value as Values[C['do']]
  }

  /** Told to do something during which it dies or stands still. */
  tell(command: Command): void {
    this.call(command).catch(() => undefined)
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.gone
  }

  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  /** Resolves when the system says that it stands still: before that a SIGCONT would be too early. */
  async frozen(): Promise<void> {
    while (!isStopped(this.pid)) await new Promise((resolve) => setTimeout(resolve, 2))
  }

  async thaw(): Promise<void> {
    await this.frozen()
    this.#child.kill('SIGCONT')
  }

  async #line(matches: (line: Record<string, unknown>) => boolean): Promise<void> {
    while (!this.#lines.some(matches)) {
      if (this.#isGone) throw new Error(`${this.name} ended (${await this.gone}): ${this.#output}`)
      await new Promise<void>((resolve) => {
        const listener = () => {
          this.#listeners.delete(listener)
          resolve()
        }
        this.#listeners.add(listener)
      })
    }
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}

/** The state in /proc/<pid>/stat stands behind the name, which is in brackets (proc_pid_stat(5)). */
const isStopped = (pid: number): boolean =>
  /\) T /.test(readFileSync(`/proc/${pid}/stat`, { encoding: 'utf8' }))

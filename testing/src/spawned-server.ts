import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { PracticeFault } from './fault.ts'
import { peersNotice } from './listener.ts'
import type { PracticeServerOptions } from './practice-options.ts'
import type { PracticeRequest } from './request-record.ts'
import type { TruthEntry } from './truth-log.ts'

/** Options of {@link spawnPracticeServer}: those of `startPracticeServer` that are plain data. */
export type PracticeProcessOptions = Omit<PracticeServerOptions, 'now' | 'respond' | 'latency'> & {
  /** Milliseconds that each request waits before it is processed. Default 0. */
  readonly latency?: number | undefined
}

/** A practice server in a process of its own. */
export interface PracticeProcess extends AsyncDisposable {
  readonly issuer: string
  readonly port: number
  readonly pid: number
  readonly tokenEndpoint: string
  readonly authorizationEndpoint: string
  /** What it saw, from its `/practice/requests`. */
  requests(): Promise<readonly PracticeRequest[]>
  /** What truly became of every token request, from its `/practice/truth`. */
  truth(): Promise<readonly TruthEntry[]>
  /** Makes token requests go wrong from now on, by its `/practice/faults`. Rejects for a fault that makes no sense. */
  fault(...faults: readonly PracticeFault[]): Promise<void>
  /** Everything goes right again, but for requests that have met their fault already. */
  clearFaults(): Promise<void>
  /** SIGTERM, after 5 seconds SIGKILL; resolves when the process is gone; again is the same. */
  stop(): Promise<void>
  /** SIGKILL: nothing is tidied up. Resolves when the process is gone. */
  kill(): Promise<void>
}

/** The variable with the options as JSON: secrets in it are not seen in a process list, unlike arguments. */
export const optionsVariable = 'EVERTOKEN_PRACTICE_OPTIONS'

/** In place of them: the parent sends them, since an environment has no room for a thousand clients. */
export const sentByParent = 'sent'

const patienceMs = 5_000

/**
 * Starts a practice server as a child process, for tests that kill it or that need it to outlive a part of them. It ends
 * with its parent, however the parent ends.
 */
export async function spawnPracticeServer(options: PracticeProcessOptions = {}): Promise<PracticeProcess> {
  // Compiled, this file and its neighbour end in .js.
  const entry = new URL(
    `./practice-process.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`,
    import.meta.url,
  )
  const child = spawn(process.execPath, [...conditions(process.execArgv), fileURLToPath(entry)], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, [optionsVariable]: sentByParent },
  })
  // One that does not start says so itself.
  child.send(options, () => undefined)
  const { issuer, port, pid } = await ready(child)
  const gone = once(child, 'exit').then(peersNotice)
  const end = (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal)
    return gone
  }
  const stop = async (): Promise<void> => {
    const late = setTimeout(() => child.kill('SIGKILL'), patienceMs)
    await end('SIGTERM').finally(() => clearTimeout(late))
  }
  return {
    issuer,
    port,
    pid,
    tokenEndpoint: `${issuer}/token`,
    authorizationEndpoint: `${issuer}/authorize`,
    async requests() {
      const answer = await fetch(`${issuer}/practice/requests`)
      return (await answer.json()) as readonly PracticeRequest[]
    },
    async truth() {
      const answer = await fetch(`${issuer}/practice/truth`)
      return (await answer.json()) as readonly TruthEntry[]
    },
    async fault(...faults) {
      const answer = await fetch(`${issuer}/practice/faults`, {
        method: 'POST',
        body: JSON.stringify(faults),
      })
      if (!answer.ok) throw new TypeError(await answer.text())
    },
    async clearFaults() {
      await fetch(`${issuer}/practice/faults`, { method: 'DELETE' })
    },
    stop,
    kill: () => end('SIGKILL'),
    [Symbol.asyncDispose]: stop,
  }
}

/** The parent's `--conditions`; its other arguments (`--eval`, `--inspect`, a test runner's) would break the child. */
export function conditions(execArgv: readonly string[]): string[] {
  return execArgv.flatMap((argument, index) => {
    if (/^(--conditions|-C)=/.test(argument)) return [argument]
    const value = execArgv[index + 1]
    return /^(--conditions|-C)$/.test(argument) && value !== undefined ? [argument, value] : []
  })
}

/** The child's first line, or what it said instead. */
async function ready(child: ChildProcess): Promise<{ issuer: string; port: number; pid: number }> {
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('the practice server has no output')
  let complaint = ''
  stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-2_000)
  })
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: stdout })
    lines.once('line', (line) => resolve(JSON.parse(line)))
    child.once('error', reject)
    child.once('close', (code, signal) =>
      reject(new Error(`the practice server did not start (${signal ?? code}): ${complaint.trim()}`)),
    )
  })
}

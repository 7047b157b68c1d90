import { PassThrough } from 'node:stream'
import type { Clock } from 'evertoken'
import type { Environment } from '../../src/cli/environment.ts'
import { run } from '../../src/cli/program.ts'
import type { Ended } from './command.ts'

/** A clock whose short waits are over at once: it is later then. Whoever waits for a person waits until that is ended. */
export class HastyClock implements Clock {
  readonly bootId = 'boot-1'
  #passed = 0
  /** Every wait that was over at once, in ms. */
  readonly waits: number[] = []
  readonly now = (): number => 1_800_000_000_000 + this.#passed
  readonly boot = (): number => 50_000 + this.#passed

  sleep(ms: number, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (ms < 500_000) {
      this.#passed += Math.max(ms, 0)
      this.waits.push(ms)
      return Promise.resolve()
    }
    return new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))
  }
}

/** Runs the command in this process, before a person who follows each link. Times are the clock's. */
export async function evertokenWithPerson(
  args: readonly string[],
  {
    cwd,
    clock,
    person,
    typist,
    signal = new AbortController().signal,
  }: {
    cwd: string
    clock: Clock
    /** Gives the address to which the provider sends the person back. */
    person: (link: string) => Promise<string>
    /** Types a code on another device. */
    typist?: (page: string, code: string) => Promise<void>
    signal?: AbortSignal
  },
): Promise<Ended> {
  const said = { stdout: '', stderr: '' }
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  stdout.setEncoding('utf8').on('data', (text: string) => {
    said.stdout += text
  })
  const trouble: unknown[] = []
  stderr.setEncoding('utf8').on('data', (text: string) => {
    said.stderr += text
    const link = /^ {2}(http\S+\/authorize\?\S+)$/m.exec(text)?.[1]
    if (link !== undefined)
      person(link)
        .then((callback) => fetch(callback))
        .catch((error: unknown) => trouble.push(error))
  })
  stderr.on('data', (text: string) => {
    const page = /^ {2}(http\S+\/device)$/m.exec(text)?.[1]
    const code = /type this code there:\s+(\S+)/.exec(text)?.[1]
    if (typist !== undefined && page !== undefined && code !== undefined)
      typist(page, code).catch((error: unknown) => trouble.push(error))
  })
  const environment: Environment = {
    env: {},
    cwd,
    home: cwd,
    platform: 'linux',
    stdin: new PassThrough(),
    stdout,
    stderr,
    isTerminal: { stdin: false, stdout: false, stderr: false },
    clock,
    signal,
  }
  const code = await run(args, environment)
  await new Promise((resolve) => setImmediate(resolve))
  if (trouble.length > 0) throw trouble[0]
  return { code, ...said }
}

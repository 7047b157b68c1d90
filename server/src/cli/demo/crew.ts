import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Report } from './report.ts'

/** What the processes of one half of the demo said, added up. */
export interface Said {
  refreshed: number
  /** API calls that went through. */
  calls: number
  /** API calls that the API refused. */
  refusedCalls: number
  /** By error code. */
  refusals: Map<string, number>
}

/** Some processes of one kind, doing the same work side by side. */
export class Crew {
  readonly said: Said = { refreshed: 0, calls: 0, refusedCalls: 0, refusals: new Map() }
  readonly #entry: string
  readonly #args: readonly string[]
  readonly #heard: (member: number, report: Report) => void
  readonly #members: ChildProcess[] = []

  constructor(
    kind: 'ordinary' | 'kept',
    size: number,
    args: readonly string[],
    heard: (member: number, report: Report) => void,
  ) {
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#entry = fileURLToPath(new URL(`./${kind}-process.${ending}`, import.meta.url))
    this.#args = args
    this.#heard = heard
    for (let member = 0; member < size; member++) this.#start(member)
  }

  /** SIGKILL: nothing is tidied up. A new process takes the place at once. */
  async kill(member: number): Promise<number> {
    const child = this.#members[member] as ChildProcess
    child.kill('SIGKILL')
    await once(child, 'exit')
    this.#start(member)
    return child.pid ?? 0
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#members.map(async (child) => {
        const gone = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
        child.kill('SIGKILL')
        await gone
      }),
    )
  }

  #start(member: number): void {
    const child = fork(this.#entry, [...this.#args], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    child.on('message', (report: Report) => {
      this.#count(report)
      this.#heard(member, report)
    })
    this.#members[member] = child
  }

  #count(report: Report): void {
    const { said } = this
    switch (report.kind) {
      case 'refreshed':
        said.refreshed += 1
        return
      case 'refused':
        said.refusals.set(report.error, (said.refusals.get(report.error) ?? 0) + 1)
        return
      case 'called':
        if (report.status === 200) said.calls += 1
        else said.refusedCalls += 1
        return
      default:
        report satisfies never
    }
  }
}

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'

/** A process of ours that is told what to do and answers, until the test is over. */
export interface Child {
  readonly pid: number
  /** The next thing it says. */
  said<T>(): Promise<T>
  tell(what: unknown): void
  kill(signal: NodeJS.Signals): void
  /** Its exit code; null when a signal ended it. */
  readonly gone: Promise<number | null>
}

/** What stands around a process of ours. */
export interface Surroundings {
  /** No file of it grows beyond this many KiB. */
  readonly limit?: number
  /** It counts processes on its own, as in a container. Only root may have that. */
  readonly contained?: boolean
}

/** A process finds evertoken where its sources stand, also where nothing was built. */
const fromSource = '--conditions=evertoken:source'

/** Starts a TypeScript file as a process; `task` is its argument, as JSON. */
export function startChild(script: URL, task: unknown, { limit, contained }: Surroundings = {}): Child {
  const around = (execPath: string, ...execArgv: string[]) => ({ execPath, execArgv })
  const child: ChildProcess = fork(script, [JSON.stringify(task)], {
    execArgv: [fromSource],
    ...(limit !== undefined &&
      around('bash', '-c', `ulimit -f ${limit}; exec "$0" "$@"`, process.execPath, fromSource)),
    ...(contained === true &&
      around('unshare', '--pid', '--fork', '--kill-child', process.execPath, fromSource)),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const waiting: ((message: unknown) => void)[] = []
  const messages: unknown[] = []
  child.on('message', (message) => {
    const taker = waiting.shift()
    if (taker === undefined) messages.push(message)
    else taker(message)
  })
  const gone = once(child, 'exit').then(([code]) => code as number | null)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await gone
  })
  const said = <T>(): Promise<T> =>
    messages.length > 0
      ? Promise.resolve(messages.shift() as T)
      : Promise.race([
          new Promise<T>((resolve) => waiting.push(resolve as (message: unknown) => void)),
          gone.then(() => {
            throw new Error(`${script.pathname} ended without a word (${child.signalCode ?? child.exitCode})`)
          }),
        ])
  return {
    pid: child.pid as number,
    said,
    tell: (what) => void child.send(what as object),
    kill: (signal) => void child.kill(signal),
    gone,
  }
}

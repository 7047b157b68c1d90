import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'

const main = path.resolve(import.meta.dirname, '../../src/cli/main.ts')
/** What Node is started with to run the command from its sources. */
export const nodeArgs = ['--conditions=evertoken:source', '--disable-warning=ExperimentalWarning', main]

export interface Surroundings {
  /** Merged over an environment without anything of evertoken's. */
  env?: Record<string, string | undefined>
  cwd?: string
}

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** A folder that is gone after the test. */
export function folder(): string {
  const made = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'evertoken-cli-'))
  onTestFinished(() => fs.rmSync(made, { recursive: true, force: true }))
  return made
}

/** A file with mode 0600, as secrets want it. */
export function secretFile(text: string, mode = 0o600): string {
  const file = path.join(folder(), 'secret')
  fs.writeFileSync(file, `${text}\n`)
  fs.chmodSync(file, mode)
  return file
}

/** What a person's shell has: without evertoken's own, and without what CI says (a terminal with CI=true has no colours). */
function environment(own: Surroundings['env'] = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(EVERTOKEN_|XDG_|CI$|NO_COLOR|FORCE_COLOR|DISPLAY|WAYLAND_DISPLAY|BROWSER|NODE_|VITEST)/.test(name),
  )
  return { ...Object.fromEntries(inherited), TERM: 'xterm', ...own }
}

/** The command as a child process, while it runs. */
export class Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  stdout = ''
  stderr = ''

  constructor(program: string, args: readonly string[], { env, cwd }: Surroundings = {}) {
    const child = spawn(program, args, { env: environment(env), cwd: cwd ?? os.tmpdir(), stdio: 'pipe' })
    this.child = child
    child.stdin.on('error', () => undefined)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.ended = new Promise((resolve) =>
      child.once('close', (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr })),
    )
    onTestFinished(() => void child.kill('SIGKILL'))
  }

  type(text: string): void {
    this.child.stdin?.write(text)
  }

  /** Resolves with the match once the output so far has one; rejects when the command ends, or 15 s pass, without. */
  async says(pattern: RegExp, stream: 'stdout' | 'stderr' = 'stderr'): Promise<RegExpExecArray> {
    const late = Date.now() + 15_000
    for (;;) {
      const found = pattern.exec(this[stream])
      if (found !== null) return found
      if (this.child.exitCode !== null || Date.now() > late)
        throw new Error(`${pattern} was not said:\n${this.stdout}\n${this.stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

export const start = (args: readonly string[], surroundings?: Surroundings): Running =>
  new Running(process.execPath, [...nodeArgs, ...args], surroundings)

/** Runs the command to its end, with `input` on stdin. */
export function evertoken(
  args: readonly string[],
  { input = '', ...surroundings }: Surroundings & { input?: string } = {},
): Promise<Ended> {
  const running = start(args, surroundings)
  running.child.stdin?.end(input)
  return running.ended
}

const works = (program: string, args: readonly string[]): boolean => spawnSync(program, args).status === 0

/** How this machine makes pseudo-terminals; undefined when it cannot, and tests that need one are skipped. */
const terminals =
  process.platform !== 'linux'
    ? undefined
    : works('script', ['-qec', 'true', '/dev/null'])
      ? (command: string) => ['script', '-qfec', command, '/dev/null']
      : works('python3', ['-c', 'import pty'])
        ? (command: string) => [
            'python3',
            '-c',
            'import os,pty,sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(["sh","-c",sys.argv[1]])))',
            command,
          ]
        : undefined

export const hasTerminal = terminals !== undefined

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** The command on a terminal: what it writes to either stream comes on stdout, as on a screen. */
export function onTerminal(args: readonly string[], surroundings?: Surroundings): Running {
  const command = [process.execPath, ...nodeArgs, ...args].map(quoted).join(' ')
  const [program = '', ...rest] = terminals?.(`stty cols 120 rows 40; ${command}`) ?? []
  return new Running(program, rest, surroundings)
}

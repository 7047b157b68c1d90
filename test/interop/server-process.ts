import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** One request to the token endpoint, as the server saw it, in the order in which they were finished. */
export interface TokenRequest {
  /** Who sent it, where it said so (`x-sender`). */
  readonly sender: string | null
  readonly grantType: string | null
  readonly status: number
  readonly error: string | null
  readonly html: boolean
  /** SHA-256 in hexadecimal of the refresh token that came in, and of the one that went out. */
  readonly spent: string | null
  readonly issued: string | null
}

export interface ServerProcess extends AsyncDisposable {
  /** `http://127.0.0.1:…` */
  readonly origin: string
  /** `https://127.0.0.1:…`, where it asks for certificates; absent where it does not. */
  readonly mtlsOrigin?: string | undefined
  /** Of the program that is tested against. */
  readonly version: string
  requests(): readonly TokenRequest[]
}

/**
 * Starts a server of somebody else's: a program that takes its options as JSON in `INTEROP_OPTIONS`, with `folder` for its
 * files and `log` for its token requests, prints `{"origin": …, "version": …}` when it listens, and ends with its standard input.
 */
export async function startServer(
  command: string,
  args: readonly string[],
  options: object,
): Promise<ServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-interop-'))
  const log = join(folder, 'token-requests.jsonl')
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      INTEROP_OPTIONS: JSON.stringify({ ...options, folder, log }),
      PYTHONDONTWRITEBYTECODE: '1',
    },
  })
  const gone = once(child, 'exit')
  const { origin, mtlsOrigin, version } = await readyOf(child)
  return {
    origin,
    mtlsOrigin,
    version,
    requests: () => (existsSync(log) ? readLines<TokenRequest>(log) : []),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await gone
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The JSON lines of a file that somebody is writing to. */
export const readLines = <Line>(file: string): Line[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)

async function readyOf(
  child: ChildProcess,
): Promise<Pick<ServerProcess, 'origin' | 'mtlsOrigin' | 'version'>> {
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('the server has no output')
  let complaint = ''
  stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-4_000)
  })
  return new Promise((resolve, reject) => {
    createInterface({ input: stdout }).on('line', (line) => {
      if (line.startsWith('{"origin"')) resolve(JSON.parse(line) as ServerProcess)
    })
    child.once('error', reject)
    child.once('close', (code, signal) =>
      reject(new Error(`the server did not start (${signal ?? code}): ${complaint}`)),
    )
  })
}

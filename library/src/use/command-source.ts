import { type Clock, wallClock } from '../clock.ts'
import { EvertokenError } from '../errors.ts'
import { checkedDeadline } from '../grants/option-check.ts'
import { readExpiry } from '../oauth/expiry.ts'
import { isJsonObject, parseJson } from '../oauth/json-object.ts'
import { firstAt } from '../oauth/json-pointer.ts'
import type { ExpiryFormat, Pointer } from '../providers/profile.ts'
import type { IssuedToken } from './issued-token.ts'
import {
  type PeekableTokenSource,
  type RefreshingSourceOptions,
  refreshingSource,
} from './refreshing-source.ts'

export interface CommandSourceOptions extends RefreshingSourceOptions {
  /** Seconds after which the command is ended. Default 30. */
  deadline?: number | undefined
  /** Where the token stands in JSON output. Default: `/access_token`, `/accessToken`, `/token`, `/status/token`. */
  accessToken?: Pointer | undefined
  /** Where its expiry stands in JSON output; read as `expiryFormat` says. Default: what goes by its usual names. */
  expiry?: Pointer | undefined
  /** Default `relative_s`. */
  expiryFormat?: ExpiryFormat | undefined
  /** Where the command runs. Default: where this process does. */
  cwd?: string | undefined
}

/** Bytes of output; a token with all that stands beside it has a few thousand. */
const largestOutput = 65_536

const tokenPlaces = ['/access_token', '/accessToken', '/token', '/status/token']
/** What az, kubectl credential plugins and token endpoints call it. */
const expiryPlaces: readonly (readonly [pointer: string, format: ExpiryFormat])[] = [
  ['/expires_in', 'relative_s'],
  ['/expiresIn', 'relative_s'],
  ['/expires_on', 'epoch_s'],
  ['/expires_at', 'iso8601'],
  ['/expiresAt', 'iso8601'],
  ['/status/expirationTimestamp', 'iso8601'],
]

/**
 * Tokens that a command prints: one line, or a JSON object. It is run without a shell, when a token is wanted and again before that
 * ends; one at a time. Needs Node.
 *
 * ```ts
 * const source = commandSource(['gcloud', 'auth', 'print-access-token'])
 * const vault = commandSource(['vault', 'read', '-format=json', 'gcp/token/ci'], {
 *   accessToken: '/data/token',
 *   expiry: '/data/token_ttl',
 * })
 * ```
 *
 * @param argv program and arguments, as they are: nothing is expanded.
 * @throws TypeError for what is no such list. A read rejects with `token_unavailable` when the command cannot be run, fails, takes too
 *   long or prints no token; its output stands in no error.
 */
export function commandSource(
  argv: readonly string[],
  options: CommandSourceOptions = {},
): PeekableTokenSource {
  const [program] = Array.isArray(argv) ? argv : []
  if (program === undefined || program === '' || argv.some((part) => typeof part !== 'string'))
    throw new TypeError("commandSource takes a list of texts, the program first: ['vault', 'read', …]")
  const { deadline = 30, accessToken, expiry, expiryFormat, cwd, ...refreshing } = options
  const time = checkedDeadline(deadline, 'deadline')
  const clock = refreshing.clock ?? wallClock
  const command = argv.slice()
  return refreshingSource(
    async () =>
      readOutput(program, await output(command, time, cwd), clock, {
        accessToken,
        expiry,
        expiryFormat,
      }),
    refreshing,
  )
}

function output(argv: readonly string[], deadline: number, cwd: string | undefined): Promise<string> {
  const [program = '', ...args] = argv
  const { execFile } = process.getBuiltinModule('node:child_process')
  return new Promise((resolve, reject) => {
    const options = { cwd, timeout: deadline, killSignal: 'SIGKILL', maxBuffer: largestOutput } as const
    const child = execFile(program, args, { ...options, windowsHide: true }, (error, stdout) => {
      if (error === null) resolve(stdout)
      else reject(failed(program, whyOf(error, deadline)))
    })
    // A program that asks a question gets no answer rather than our deadline.
    child.stdin?.end()
  })
}

function whyOf(
  error: Error & { code?: unknown; killed?: boolean; signal?: unknown },
  deadline: number,
): string {
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
    return `prints more than ${largestOutput / 1024} KiB`
  if (error.killed) return `was not done within ${deadline / 1000} s`
  if (typeof error.code === 'number') return `ended with code ${error.code}`
  return typeof error.code === 'string'
    ? `cannot be run (${error.code})`
    : `was ended by ${String(error.signal)}`
}

/** Only the program is named: an argument may be a secret, and so may all that it prints. */
const failed = (program: string, why: string): EvertokenError =>
  new EvertokenError('token_unavailable', `the command ${program} ${why}`, {
    advice: 'Run it by hand, as this user and in this folder, to see what it says.',
  })

function readOutput(
  program: string,
  text: string,
  clock: Pick<Clock, 'now'>,
  where: Pick<CommandSourceOptions, 'accessToken' | 'expiry' | 'expiryFormat'>,
): IssuedToken {
  const trimmed = text.trim()
  if (!trimmed.startsWith('{')) {
    if (trimmed === '' || /\s/.test(trimmed))
      throw failed(program, 'prints no token: nothing, or more than one word')
    return { value: trimmed }
  }
  const object = parseJson(trimmed)?.value
  if (!isJsonObject(object)) throw failed(program, 'prints something that begins like JSON and is none')
  const found = firstAt(object, where.accessToken ?? tokenPlaces)
  if (typeof found !== 'string' || found === '')
    throw failed(program, 'prints JSON without a token where one was looked for; say where by accessToken')
  const clocks = [clock.now()]
  const expiresIn =
    where.expiry === undefined
      ? expiryPlaces
          .map(([pointer, format]) => readExpiry(firstAt(object, pointer), format, clocks))
          .find(Boolean)
      : readExpiry(firstAt(object, where.expiry), where.expiryFormat ?? 'relative_s', clocks)
  const type = firstAt(object, ['/token_type', '/tokenType'])
  return { value: found, expiresIn, type: typeof type === 'string' ? type : undefined }
}

import { constants } from 'node:os'
import { styleText } from 'node:util'
import type { ErrorCode, EvertokenError } from 'evertoken'
import { type Environment, Interruption } from './environment.ts'
import { exitCodeOf, NegativeAnswer } from './exit-code.ts'

/**
 * Says what went wrong, to people on stderr or with `json` to programs on stdout, and gives the exit code. Never a
 * stack, unless EVERTOKEN_DEBUG=1 asks for it.
 */
export function reportError(
  error: unknown,
  json: boolean,
  environment: Pick<Environment, 'env' | 'stdout' | 'stderr'>,
): number {
  if (error instanceof Interruption) return 128 + constants.signals[error.signal]
  if (error instanceof NegativeAnswer) return error.exitCode
  const { code, message, advice, grant } = factsOf(error)
  if (json) {
    environment.stdout.write(`${JSON.stringify({ error: { code, message, advice, grant } })}\n`)
  } else {
    const stream = environment.stderr as NodeJS.WriteStream
    const paint = (style: 'red' | 'dim', text: string): string => styleText(style, text, { stream })
    const lines = [`${paint('red', 'evertoken:')} ${message} ${paint('dim', `(${code})`)}`]
    if (advice !== undefined) lines.push(`  ${advice}`)
    for (const cause of causesOf(error, message)) lines.push(paint('dim', `  because: ${cause}`))
    stream.write(`${lines.join('\n')}\n`)
  }
  if (environment.env.EVERTOKEN_DEBUG === '1' && error instanceof Error)
    environment.stderr.write(`${error.stack}\n`)
  return exitCodeOf(code)
}

type Facts = Pick<EvertokenError, 'message' | 'advice' | 'grant'> & { code: string }

/** By shape and not by class, which would load the library only to say that a flag is wrong. */
function factsOf(error: unknown): Facts {
  if (isEvertokenError(error)) {
    const { code, message, grant } = error
    return { code, message, grant, advice: error.advice ?? advice[code] }
  }
  const message = error instanceof Error ? error.message : String(error)
  return {
    code: 'internal',
    message: `this should not have happened: ${message}`,
    advice: 'EVERTOKEN_DEBUG=1 shows where. Please report it.',
    grant: undefined,
  }
}

/** For errors that are thrown where nobody knows what the person can do. */
const advice: Partial<Record<ErrorCode, string>> = {
  store_foreign:
    'If it is this copy that goes on, run evertoken adopt; evertoken adopt --help says what that means.',
  spool_unavailable:
    'Give the data folder a disk of this machine that can be written; logins that rotate wait for it.',
}

function isEvertokenError(error: unknown): error is EvertokenError {
  return error instanceof Error && 'advice' in error && 'code' in error && typeof error.code === 'string'
}

/** At most three, and none that the message says already. */
function causesOf(error: unknown, said: string): string[] {
  const causes: string[] = []
  for (let cause = (error as Error).cause; cause instanceof Error && causes.length < 3; cause = cause.cause) {
    const text = cause.message.split('\n', 1)[0] ?? ''
    if (text !== '' && !said.includes(text)) causes.push(text.slice(0, 300))
  }
  return causes
}

import type { Clock } from '../clock.ts'
import { type ErrorCode, EvertokenError } from '../errors.ts'

const firstWait = 50
const longestWait = 5_000

/** Errors that asking the store again does not mend: it is closed, the grant is gone, revoked or somebody else's. */
const isFinal = (error: unknown): boolean =>
  error instanceof EvertokenError && finalCodes.includes(error.code)

const finalCodes: readonly ErrorCode[] = [
  'closed',
  'unknown_grant',
  'grant_exists',
  'other_account',
  'state_unknown',
]

/**
 * Writes what may be the only copy of a login: a store that cannot take it now is asked again until it can or this
 * process ends. (The spool takes its place here.)
 *
 * @param troubled told of each failure, and with `undefined` when the write succeeded after one.
 */
export async function durableWrite<T>(
  write: () => Promise<T>,
  clock: Clock,
  troubled: (error: unknown) => void = () => undefined,
): Promise<T> {
  for (let wait = firstWait; ; wait = Math.min(wait * 2, longestWait)) {
    try {
      const written = await write()
      if (wait > firstWait) troubled(undefined)
      return written
    } catch (error) {
      if (isFinal(error)) throw error
      troubled(error)
      await clock.sleep(wait)
    }
  }
}

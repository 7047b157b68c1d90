import { type Clock, EvertokenError } from 'evertoken'

/** Milliseconds after which the same trouble is said again. */
const again = 60_000

/** Says what goes wrong around a worker: the same thing once a minute, since a full disk is met every second. */
export function workerTrouble(write: (line: string) => void, clock: Pick<Clock, 'boot'>) {
  let last = ''
  let saidAt = 0
  return (error: unknown): void => {
    const text = error instanceof Error ? error.message : String(error)
    const now = clock.boot()
    if (text === last && now - saidAt < again) return
    last = text
    saidAt = now
    const advice = error instanceof EvertokenError ? error.advice : undefined
    write(`evertoken: ${text}\n${advice === undefined ? '' : `  ${advice}\n`}`)
  }
}

import type { Keeper, KeeperEvents } from 'evertoken'
import { durationText } from './duration.ts'

/** Writes one readable line for each refresh and for each failure, as they happen. */
export function writeRefreshLines(
  keeper: Keeper,
  write: (line: string) => void,
  { width = 0 }: { width?: number } = {},
): void {
  const line = (grant: string, text: string): void => {
    const clock = new Date(keeper.clock.now()).toISOString().slice(11, 19)
    write(`${clock}  ${grant.padEnd(width)}  ${text}`)
  }
  keeper.on('refreshed', ({ grant, scope, generation, lifetime }: KeeperEvents['refreshed']) => {
    const which = scope === '' ? '' : ` (scope ${scope})`
    line(grant, `generation ${generation}${which}, good for ${durationText(lifetime)}`)
  })
  keeper.on('failing', ({ grant, code, message, nextAttemptAt }) => {
    const next =
      nextAttemptAt === undefined
        ? ''
        : `; next try in ${durationText(Math.max(0, nextAttemptAt - keeper.clock.now()))}`
    line(grant, `${code}: ${message}${next}`)
  })
  keeper.on('recovered', ({ grant, failures }) => line(grant, `works again after ${failures} failures`))
  keeper.on('reauthorization_required', ({ grant, reason }) =>
    line(grant, `needs a new consent: ${reason}. Run: evertoken login ${grant}`),
  )
}

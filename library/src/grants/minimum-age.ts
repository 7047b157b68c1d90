import { EvertokenError } from '../errors.ts'
import type { GrantRecord } from './grant.ts'

/**
 * UTC ms before which the provider takes no refresh after the one before; undefined where it takes one now. A clock that was
 * set back makes nobody wait longer than that age.
 */
export function notBefore(
  { facts, loginAt = 0, refreshToken, schedule }: GrantRecord,
  utc: number,
): number | undefined {
  const { minimumAge } = facts
  const { lastSuccessAt } = schedule
  // A login that has been imported since was refreshed nobody knows when.
  if (minimumAge === undefined || refreshToken === undefined || (lastSuccessAt ?? 0) < loginAt)
    return undefined
  if (lastSuccessAt === undefined) return undefined
  const left = Math.min(lastSuccessAt + minimumAge - utc, minimumAge)
  return left > 0 ? utc + left : undefined
}

/** Why nothing was sent, for people. */
export const tooSoon = (at: number): string =>
  `its provider takes no refresh before ${new Date(at).toISOString()}, so soon after the last one`

export const refreshTooSoon = (id: string, at: number): EvertokenError =>
  new EvertokenError('refresh_too_soon', `grant ${id}: ${tooSoon(at)}`, {
    grant: id,
    advice: 'Nothing was sent. Ask again after that; until then the present token is served while it lives.',
  })

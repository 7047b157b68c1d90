import type { ExpiryFormat } from '../providers/profile.ts'

/** Seconds. A hundred years: longer says "never" and would leave the range of dates. */
const longestLifetime = 100 * 365.25 * 86_400

/**
 * Seconds from now on, at least 1, of a time of expiry as `format` says it is written; numbers may be texts. `undefined` where
 * it cannot be read or has passed: that is as if nothing had been said, so that no token is lost over it.
 *
 * @param clocks UTC ms: each that may be right. A moment counts from the one that leaves the least, so that neither a clock of
 *   ours that is slow nor one of the provider's makes a token outlive itself.
 */
export function readExpiry(
  value: unknown,
  format: ExpiryFormat,
  clocks: readonly number[],
): number | undefined {
  switch (format) {
    case 'relative_s':
      return lifetime(numeric(value))
    case 'relative_ms':
      return lifetime(numeric(value) / 1000)
    case 'epoch_s':
      return until(numeric(value) * 1000, clocks)
    case 'epoch_ms':
      return until(numeric(value), clocks)
    case 'iso8601':
      return until(typeof value === 'string' ? parseIso(value) : Number.NaN, clocks)
    default:
      return format satisfies never
  }
}

const numeric = (value: unknown): number => {
  const number = typeof value === 'string' && /^\s*\d+(\.\d+)?\s*$/.test(value) ? Number(value) : value
  return typeof number === 'number' ? number : Number.NaN
}

/** A lifetime of zero is none: a token that is born expired would be refreshed for ever. */
function lifetime(seconds: number): number | undefined {
  if (!Number.isFinite(seconds) || seconds < 1) return undefined
  return Math.min(Math.floor(seconds), longestLifetime)
}

function until(at: number, clocks: readonly number[]): number | undefined {
  const left = clocks.map((now) => lifetime((at - now) / 1000)).filter((seconds) => seconds !== undefined)
  return left.length === 0 ? undefined : Math.min(...left)
}

/** RFC 3339 section 5.6, with what is left out of it: seconds, the zone (UTC then), or all of the time. */
const isoText =
  /^\s*(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*(?:Z|([+-])(\d\d):?(\d\d)?)?)?\s*$/i

/** UTC ms; NaN where it is none. `Date.parse` takes a time without a zone for a local one. */
function parseIso(text: string): number {
  const match = text.length > 60 ? null : isoText.exec(text)
  if (match === null) return Number.NaN
  const [year, month, day, hour, minute, second, , , zoneHour, zoneMinute] = match
    .slice(1)
    .map((part) => Number(part ?? 0)) as [number, number, number, number, number, number, ...number[]]
  if (month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) return Number.NaN
  if (hour > 23 || minute > 59 || second > 60) return Number.NaN
  const east = match[8] === '-' ? -1 : 1
  const ms = Math.floor(Number(`0.${match[7] ?? 0}`) * 1000)
  const zone = east * ((zoneHour ?? 0) * 60 + (zoneMinute ?? 0)) * 60_000
  return Date.UTC(year, month - 1, day, hour, minute, second, ms) - zone
}

const daysOf = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate()

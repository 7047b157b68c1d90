const units = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const

/** Milliseconds for people: `58 m`, `2 h 5 m`, `30 d`. Never more than two units. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const first = units.findIndex(([, length]) => seconds >= length)
  if (first < 0) return '0 s'
  let rest = seconds
  const parts: string[] = []
  for (const [name, length] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / length)
    rest -= count * length
    if (count > 0) parts.push(`${count} ${name}`)
  }
  return parts.join(' ')
}

/** `in 4 m` or `2 h ago`. */
export const distanceText = (at: number, now: number): string =>
  at >= now ? `in ${durationText(at - now)}` : `${durationText(now - at)} ago`

/** `90s`, `15m`, `2h`, `1d`, or seconds without a unit, in milliseconds; undefined when it is none of these. */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit = 's'] = /^(\d{1,9}(?:\.\d+)?)\s*([smhd])?$/.exec(text.trim()) ?? []
  const length = units.find(([name]) => name === unit)?.[1]
  return digits === undefined || length === undefined ? undefined : Number(digits) * length * 1000
}

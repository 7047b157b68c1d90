/** Seconds; keeps the number a safe one. How long to obey is for the caller to say. */
const longest = 2 ** 31

/** The date forms of RFC 9110 section 5.6.7: today's, and the two obsolete ones that recipients must read. */
const httpDate =
  /^(?:[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT|[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4})$/

/**
 * Seconds that the provider asks us to wait (`Retry-After`, RFC 9110 section 10.2.3): never negative, absent when the
 * header is missing or is neither a number of seconds nor an HTTP date. A date is read against the answer's own
 * `Date`, so that only the provider's clock counts; against `now` (UTC ms) where that is missing.
 */
export function retryAfter(headers: Readonly<Record<string, string>>, now: number): number | undefined {
  const asked = headers['retry-after']?.trim()
  if (asked === undefined) return undefined
  if (/^\d+$/.test(asked)) return Math.min(Number(asked), longest)
  const until = parseDate(asked)
  if (until === undefined) return undefined
  const wait = Math.ceil((until - (parseDate(headers.date?.trim() ?? '') ?? now)) / 1000)
  return Math.min(Math.max(wait, 0), longest)
}

export function parseDate(text: string): number | undefined {
  if (!httpDate.test(text)) return undefined
  const time = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`)
  return Number.isNaN(time) ? undefined : time
}

/** Enough for every API of a large house; beyond it the origin that was first heard from is forgotten. */
const mostOrigins = 1_000
/** NQCHAR of RFC 9449 section 8.1; the bound is ours, several times the longest nonce seen. */
const nonceText = /^[\x21\x23-\x5b\x5d-\x7e]{1,1024}$/

interface Given {
  readonly nonce: string
  /** UTC ms at which it was first heard. */
  readonly at: number
}

/**
 * The nonce that each origin gave last, so that not every request begins with a refusal. It lives as long as the process and
 * stands nowhere else: a server gives another to whoever has none. By origin (RFC 9449 section 8.2), and no key beside it: a
 * server that binds its nonces to a key says so once more.
 */
const given = new Map<string, Given>()

/** What the server of a URL wants to find in the next proof. */
export const nonceFor = (url: string): string | undefined => given.get(new URL(url).origin)?.nonce

/**
 * Keeps a nonce for the next proof to that origin.
 *
 * @param now UTC ms.
 * @returns whether it is one, and another than `used`.
 */
export function keepNonce(
  url: string,
  nonce: string | undefined,
  used: string | undefined,
  now: number,
): boolean {
  if (nonce === undefined || !nonceText.test(nonce)) return false
  const { origin } = new URL(url)
  const known = given.get(origin)
  given.delete(origin)
  given.set(origin, known?.nonce === nonce ? known : { nonce, at: now })
  if (given.size > mostOrigins) given.delete(given.keys().next().value as string)
  return nonce !== used
}

/** Milliseconds since that nonce, which is the last of its origin, was first heard; undefined for any other. */
export function ageOfNonce(url: string, nonce: string, now: number): number | undefined {
  const known = given.get(new URL(url).origin)
  return known?.nonce === nonce ? now - known.at : undefined
}

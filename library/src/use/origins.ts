import { EvertokenError } from '../errors.ts'

/** Which origins a token may be sent to; undefined: whichever the caller names. */
export type Origins = ReadonlySet<string> | undefined

/**
 * Origins as users write them: `https://api.example.com`, without path.
 *
 * @throws EvertokenError `invalid_configuration` for anything else, and for an empty list.
 */
export function checkedOrigins(origins: readonly string[] | undefined): Origins {
  if (origins === undefined) return undefined
  for (const origin of origins)
    if (URL.parse(origin)?.origin !== origin || !/^https?:/.test(origin))
      throw new EvertokenError('invalid_configuration', `origins: ${JSON.stringify(origin)} is no origin`, {
        advice:
          'Write scheme, host and perhaps a port, in lower case and nothing behind: https://api.example.com.',
      })
  if (origins.length === 0)
    throw new EvertokenError('invalid_configuration', 'origins: is empty, so the token could go nowhere', {
      advice: "Name the origins of the API: origins: ['https://api.example.com'].",
    })
  return new Set(origins)
}

/** A browser's pages and workers have an address of their own, from which others may be relative. */
export const addressOf = (input: string | URL | Request): URL =>
  new URL(
    input instanceof Request ? input.url : input,
    (globalThis as { location?: { href: string } }).location?.href,
  )

/** Throws `invalid_request`, before anything is sent, where a token may not go to this address. */
export function checkOrigin(origins: ReadonlySet<string>, input: string | URL | Request): void {
  if (isWrittenWith(origins, input instanceof Request ? input.url : input)) return
  const { origin } = addressOf(input)
  if (origins.has(origin)) return
  throw new EvertokenError('invalid_request', `the token may not be sent to ${origin}`, {
    advice: 'Add that origin to origins, or send this request with [withoutToken]: true.',
  })
}

const slash = 0x2f

/**
 * Whether an address begins with one of the origins and a slash. Then that is its origin whatever follows, for nothing behind that
 * slash is part of the host (URL standard, authority state). Nearly every address does, and to take it apart costs more than all
 * else that a call does before it sends.
 */
function isWrittenWith(origins: ReadonlySet<string>, address: string | URL): boolean {
  if (typeof address !== 'string') return false
  for (const origin of origins)
    if (address.startsWith(origin) && address.charCodeAt(origin.length) === slash) return true
  return false
}

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

/** Throws `invalid_request`, before anything is sent, where a token may not go to this address. */
export function checkOrigin(origins: Origins, url: URL): void {
  if (origins === undefined || origins.has(url.origin)) return
  throw new EvertokenError('invalid_request', `the token may not be sent to ${url.origin}`, {
    advice: 'Add that origin to origins, or send this request with [withoutToken]: true.',
  })
}

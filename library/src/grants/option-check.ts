import { EvertokenError } from '../errors.ts'
import { allowsPlain, mayCarrySecrets } from '../oauth/address.ts'
import { Secret } from '../secret.ts'

export const invalid = (message: string, advice?: string): EvertokenError =>
  new EvertokenError('invalid_configuration', message, { advice })

/** From the root of a disk, or of a share: whichever process refreshes finds the same file. */
const wholePath = /^(\/|[A-Za-z]:[\\/]|\\\\)[^\0]{1,4095}$/

/** Throws `empty_secret`, or a TypeError for anything that is no text. */
export const checkedSecret = (value: string | Secret, what: string): Secret => {
  if (value instanceof Secret) return value
  if (typeof value !== 'string') throw new TypeError(`${what} must be a string`)
  if (value.trim() === '')
    throw new EvertokenError('empty_secret', `${what} is empty`, {
      advice: 'Give the secret itself, or leave the setting out if there is none.',
    })
  return new Secret(value)
}

/** An http or https URL as it was written, without user name and password. */
export const checkedUrl = (value: string, what: string): string => {
  let parsed: URL
  try {
    parsed = new URL(value)
  } catch {
    throw invalid(`${what} is not a URL`, 'Write it whole: https://auth.example.com/oauth/token')
  }
  if (parsed.protocol !== 'https:' && parsed.protocol !== 'http:')
    throw invalid(`${what} must be an https URL, not ${parsed.protocol}`)
  if (parsed.username !== '' || parsed.password !== '')
    throw invalid(
      `${what} holds a user name or password`,
      'Put the client id and secret into their settings.',
    )
  return value
}

/**
 * The same of an address to which every request of a grant goes.
 *
 * @throws EvertokenError `insecure_http`, which the first request would end with otherwise.
 */
export const checkedTarget = (value: string, what: string, insecureHttp: boolean): string => {
  const url = new URL(checkedUrl(value, what))
  if (mayCarrySecrets(url, insecureHttp)) return value
  throw new EvertokenError('insecure_http', `${what} ${url.origin} is plain http`, { advice: allowsPlain })
}

/** The whole path of a file; it is not looked at. */
export const checkedPath = (value: string, what: string): string => {
  if (typeof value !== 'string') throw new TypeError(`${what} must be a string`)
  if (!wholePath.test(value))
    throw invalid(`${what} is no whole path`, 'Write it from the root: /var/run/secrets/…/token')
  return value
}

/** A text such as 'false' would be taken for true. */
export const checkedFlag = (value: boolean | undefined, what: string): boolean | undefined => {
  if (value !== undefined && typeof value !== 'boolean')
    throw invalid(`${what} must be true or false, not ${JSON.stringify(String(value).slice(0, 50))}`)
  return value
}

const mostHosts = 16

/** Names of hosts, in lower case, each with its port where it is not the usual one. */
export const checkedHosts = (
  value: readonly string[] | undefined,
  what: string,
): readonly string[] | undefined => {
  if (value === undefined) return undefined
  if (value.length > mostHosts)
    throw invalid(`${what} holds ${value.length}, and at most ${mostHosts} may be`)
  return Object.freeze(
    value.map((host) => {
      const url = URL.parse(`https://${host}/`)
      if (url === null || url.host !== host.toLowerCase() || url.pathname !== '/' || url.username !== '')
        throw invalid(
          `${what}: ${JSON.stringify(host.slice(0, 100))} is no host`,
          'Write it without https:// and path: oauth2.example.com',
        )
      return url.host
    }),
  )
}

export const checkedSeconds = (value: number | undefined, what: string): number | undefined => {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
    throw invalid(`${what} must be a number of seconds from 0 up, not ${String(value)}`)
  return value
}

/** For times where none would make every read a refresh, or nothing worth the name. */
export const checkedLifetime = (value: number | undefined, what: string): number | undefined => {
  if (value === 0) throw invalid(`${what} must be more than 0 seconds`)
  return checkedSeconds(value, what)
}

/** More is an error of a timer, or no time at all. */
const longestTimer = 2 ** 31 - 1

/** A deadline, from seconds to the whole milliseconds that a timer takes. */
export const checkedDeadline = (value: number, what: string): number =>
  Math.min(Math.ceil((checkedLifetime(value, what) ?? 0) * 1000), longestTimer)

import type { JsonObject } from './json-object.ts'

/** Characters of one member; a realm, a region or a host name has a few dozen. */
const longest = 1024

/** What the callback proves and is good once, or could never be ours to hand out: no profile may name it. */
export const unkeptParameters: ReadonlySet<string> = new Set([
  'code',
  'state',
  'iss',
  'error',
  'error_description',
  'access_token',
  'refresh_token',
  'id_token',
])

/**
 * Parameters of a callback by the names that a profile lists, as texts. They came through a browser, so they are what the person's
 * browser says: the API decides by the token. What is there twice, empty or longer than 1024 characters is left out.
 */
export function callbackMembers(callback: URL | URLSearchParams, names: readonly string[]): JsonObject {
  const parameters = callback instanceof URL ? callback.searchParams : callback
  return Object.fromEntries(
    names.flatMap((name) => {
      const values = parameters.getAll(name)
      const [value = ''] = values
      const fine =
        values.length === 1 && value !== '' && value.length <= longest && !unkeptParameters.has(name)
      return fine ? [[name, value]] : []
    }),
  )
}

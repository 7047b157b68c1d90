import { EvertokenError } from '../errors.ts'
import type { AccessToken, TokenSource } from '../grants/token.ts'
import { authorizationOf, checkSource } from './authorization.ts'

export interface FreshTokenOptions {
  /**
   * Whether an error means that the API refused the token. Default: one whose `status`, `statusCode`, `response.status` or
   * `response.statusCode` is 401, as HTTP clients throw it.
   */
  isRejected?: ((error: unknown) => boolean) | undefined
  /** Seconds the token must still live. Default 0: the source's own margins. */
  minTtl?: number | undefined
}

/** A function that runs with a fresh token: async, or one that returns a promise. */
// biome-ignore lint/suspicious/noExplicitAny: with anything narrower no function with parameters of its own would fit
export type AsyncFunction = (this: any, ...args: any[]) => Promise<unknown>

/** The token of the function that is being called this moment; nobody else runs before it is taken back. */
let present: AccessToken | undefined

/**
 * The token of the call that is running: for a function under {@link withFreshToken} or a method under `@freshToken`, as the default of
 * a parameter or anywhere before its first `await`. After that other calls have run, and it throws.
 *
 * ```ts
 * const users = withFreshToken(source, async (page: number, token = presentToken()) => …)
 * ```
 */
export function presentToken(): AccessToken {
  if (present !== undefined) return present
  throw new TypeError(
    'presentToken() was called outside of withFreshToken and @freshToken, or after an await: take the token before the first one',
  )
}

/** What HTTP clients throw for status 401. An error of ours is none of an API's. */
function isUnauthorized(error: unknown): boolean {
  if (error instanceof EvertokenError) return false
  const { status, statusCode, response } = (error ?? {}) as Record<string, unknown>
  const { status: answered, statusCode: code } = (response ?? {}) as Record<string, unknown>
  return [status, statusCode, answered, code].includes(401)
}

/**
 * The same function, which runs only once there is a fresh token, and once more with a newer one when it fails because the API refused
 * that: it must be fit to run twice. `this`, parameters and result stay as they are.
 *
 * ```ts
 * const users = withFreshToken(source, async (page: number) => {
 *   const headers = await authorizationHeaders(presentToken(), { url })
 *   return got(url, { headers }).json()
 * })
 * await users(2)
 * ```
 *
 * @param source the source, or a function that finds it in `this`.
 * @throws TypeError for what is no source, and for generators. A call rejects with what the source throws, with what the function
 *   throws, and with a TypeError when it returned no promise.
 */
export function withFreshToken<Fn extends AsyncFunction>(
  source: TokenSource | ((self: ThisParameterType<Fn>) => TokenSource),
  fn: Fn,
  options: FreshTokenOptions = {},
): Fn {
  if (typeof source !== 'function') checkSource(source, 'withFreshToken')
  checkFunction(fn)
  const { isRejected = isUnauthorized, minTtl } = options
  const request = minTtl === undefined ? undefined : { minTtl }

  async function fresh(this: ThisParameterType<Fn>, ...args: unknown[]): Promise<unknown> {
    const from = typeof source === 'function' ? source(this) : source
    if (typeof source === 'function') checkSource(from, 'withFreshToken')
    const token = await from.getToken(request)
    try {
      return await callWith(token, fn, this, args)
    } catch (error) {
      if (!isRejected(error)) throw error
      // The API's own error says more than ours about the report.
      const newer = await from.rejected({ generation: token.generation }).catch(() => token)
      if (newer.generation === token.generation) throw error
      return callWith(newer, fn, this, args)
    }
  }
  return Object.defineProperties(fresh, {
    name: { value: fn.name, configurable: true },
    length: { value: fn.length, configurable: true },
  }) as unknown as Fn
}

/** Of functions that are not async it is only known by what they return whether they fit. */
function checkFunction(fn: AsyncFunction): void {
  if (typeof fn !== 'function') throw new TypeError('withFreshToken takes a function to run with the token')
  const kind = Object.prototype.toString.call(fn)
  if (kind === '[object GeneratorFunction]' || kind === '[object AsyncGeneratorFunction]')
    throw new TypeError(
      `${nameOf(fn)} is a generator, which cannot run twice: what it has given cannot be taken back. Use authorizedFetch in it.`,
    )
}

function callWith(token: AccessToken, fn: AsyncFunction, self: unknown, args: unknown[]): Promise<unknown> {
  // Whatever the source gave is looked at before anybody gets it.
  authorizationOf(token)
  const before = present
  present = token
  let result: Promise<unknown>
  try {
    result = fn.apply(self, args)
  } finally {
    present = before
  }
  if (typeof result?.then === 'function') return result
  throw new TypeError(`${nameOf(fn)} returned no promise: only what is async can run with a fresh token`)
}

const nameOf = ({ name }: { readonly name: string }): string => (name === '' ? 'the function' : name)

// `evertoken/axios`: an axios instance with tokens.

import type { AccessToken, TokenSource } from '../grants/token.ts'
import { checkSource, headersOf } from './authorization.ts'
import { heardNonce } from './nonce.ts'
import { checkedOrigins } from './origins.ts'
import { replacementOf } from './replacement.ts'

/** What of a request's configuration is looked at. */
export interface AxiosRequest {
  method?: string | undefined
  data?: unknown
  signal?: unknown
  headers: { set(name: string, value: string): unknown; delete(name: string[]): unknown }
  fetchOptions?: { readonly redirect?: string } | undefined
  beforeRedirect?: ((options: Record<string, unknown>, ...more: never[]) => void) | undefined
}

/** What of an axios instance this needs; fits every axios 1. */
export interface AxiosLike {
  readonly defaults: { readonly baseURL?: string | undefined }
  readonly interceptors: {
    // biome-ignore lint/suspicious/noExplicitAny: axios has types of its own for these, in each version others
    readonly request: { use(before: (request: any) => any): number; eject(id: number): void }
    readonly response: {
      // biome-ignore lint/suspicious/noExplicitAny: as above
      use(fulfilled: undefined, rejected: (error: any) => any): number
      eject(id: number): void
    }
  }
  // biome-ignore lint/suspicious/noExplicitAny: as above
  getUri(request: any): string
  // biome-ignore lint/suspicious/noExplicitAny: as above
  request(request: any): Promise<unknown>
}

export interface AxiosAuthorizationOptions {
  /** The origins that get the token: `['https://api.example.com']`. Default: that of the instance's `baseURL`. */
  origins?: readonly string[] | undefined
  /** Whether an answer means that the token was refused. Default: status 401. Only answers that axios rejects are asked about. */
  isRejected?: ((response: { readonly status: number }) => boolean) | undefined
  /** Seconds a token must still live to be used. Default 0: the source's own margins. */
  minTtl?: number | undefined
}

/** Spread into the configuration of one request, leaves that as it is: `client.get(url, { ...leftAlone })`. */
export const leftAlone: object = Object.freeze({ evertoken: 'left alone' })

/** What is written beside a request: it goes through copies and merges of its configuration. */
interface Mark {
  evertoken?: 'left alone' | Attempt | undefined
}

interface Attempt {
  readonly token: AccessToken
  readonly url: URL
  /** The headers that it was given, in lower case. */
  readonly names: readonly string[]
  /** What the request was sent again for; undefined for the first time. A nonce comes before a token: with a newer one it is known already. */
  readonly repeats: 'nonce' | 'token' | undefined
}

type Marked = AxiosRequest & Mark

interface Refused {
  readonly config?: Marked | undefined
  readonly response?:
    | { readonly status: number; readonly headers: Readonly<Record<string, unknown>> }
    | undefined
}

/**
 * Gives an axios instance tokens: sets the header on requests to its origins, reports a refused token, and sends the request once more
 * where its data can be sent again. A redirect takes the token to no other origin.
 *
 * ```ts
 * const client = axios.create({ baseURL: 'https://api.example.com' })
 * authorizeAxios(client, source)
 * ```
 *
 * @returns how to take it off again.
 * @throws TypeError for what is no token source or no instance of axios, EvertokenError `invalid_configuration` for what is no origin,
 *   and where neither origins nor `baseURL` says where the token may go.
 */
export function authorizeAxios(
  instance: AxiosLike,
  source: TokenSource,
  options: AxiosAuthorizationOptions = {},
): () => void {
  checkSource(source, 'authorizeAxios')
  if (typeof instance?.interceptors?.request?.use !== 'function')
    throw new TypeError('authorizeAxios takes an instance of axios first: axios.create({ baseURL: … })')
  const base = URL.parse(instance.defaults?.baseURL ?? '')?.origin
  const origins = checkedOrigins(options.origins ?? (base === undefined ? [] : [base]))
  const { isRejected = ({ status }) => status === 401, minTtl } = options

  /** undefined where the token may not go. */
  const addressOf = (request: Marked): URL | undefined => {
    const url = URL.parse(
      instance.getUri(request),
      (globalThis as { location?: { href: string } }).location?.href,
    )
    return url !== null && origins?.has(url.origin) ? url : undefined
  }

  const before = instance.interceptors.request.use(async (request: Marked) => {
    const { evertoken: mark } = request
    if (mark === 'left alone') return request
    // Whoever sends a configuration a second time, perhaps elsewhere, has our headers in it.
    if (mark !== undefined) request.headers.delete([...mark.names])
    const url = addressOf(request)
    if (url === undefined) return request
    const signal = signalOf(request)
    let token: AccessToken
    try {
      token = await source.getToken({ minTtl, signal })
    } catch (error) {
      // axios sends nothing that was given up, and says so in its own words.
      if (signal?.aborted) return request
      throw error
    }
    const headers = await headersOf(token, { method: request.method, url })
    for (const [name, value] of Object.entries(headers)) request.headers.set(name, value)
    const names = Object.keys(headers)
    request.evertoken = { token, url, names, repeats: mark?.repeats }
    keepAtOrigin(request, url.origin, names)
    return request
  })

  const after = instance.interceptors.response.use(undefined, async (error: Refused) => {
    const { config, response } = error ?? {}
    const mark = config?.evertoken
    if (config === undefined || response === undefined || typeof mark !== 'object') throw error
    const { token, url, repeats } = mark
    if (repeats === 'token') throw error
    const repeat = (what: Attempt['repeats']): Promise<unknown> => {
      config.evertoken = { ...mark, repeats: what }
      return instance.request(config)
    }
    const repeatable = isRepeatable(config.data)
    const header = (name: string): string => response.headers[name] as string
    const asked = heardNonce(token, url, { status: response.status, header })
    if (asked !== undefined) {
      if (asked === 'again' && repeatable && repeats === undefined) return repeat('nonce')
      throw error
    }
    if (!isRejected(response)) throw error
    const newer = await replacementOf(source, token, signalOf(config)).catch(() => undefined)
    if (newer === undefined) return instance.request(config)
    if (newer.generation === token.generation || !repeatable) throw error
    return repeat('token')
  })

  return () => {
    instance.interceptors.request.eject(before)
    instance.interceptors.response.eject(after)
  }
}

/** A stream is gone once it was read; everything else axios has made a text or bytes of, or makes again. */
const isRepeatable = (data: unknown): boolean =>
  typeof (data as { pipe?: unknown } | undefined)?.pipe !== 'function' && !(data instanceof ReadableStream)

const signalOf = ({ signal }: AxiosRequest): AbortSignal | undefined =>
  signal instanceof AbortSignal ? signal : undefined

/** What follows redirects for axios takes Authorization away at another host, and knows no other header that holds a token. */
function keepAtOrigin(request: Marked, origin: string, names: readonly string[]): void {
  const own = request.beforeRedirect
  request.beforeRedirect = (options, ...more) => {
    const to = URL.parse(String(options.href ?? ''))
    const headers = options.headers as Record<string, unknown> | undefined
    if (to?.origin !== origin) {
      // Whatever answers there has not refused the token.
      request.evertoken = undefined
      for (const name of Object.keys(headers ?? {}))
        if (names.includes(name.toLowerCase())) delete headers?.[name]
    }
    own?.(options, ...more)
  }
  // fetch, where it sends for axios, takes only Authorization away, and lets nobody take more.
  const { redirect = 'follow' } = request.fetchOptions ?? {}
  if (redirect === 'follow' && names.some((name) => name !== 'authorization'))
    request.fetchOptions = { ...request.fetchOptions, redirect: 'error' }
}

import type { TokenSource } from '../grants/token.ts'

export interface AuthorizedFetchOptions {
  /** What sends the request. Default: the global `fetch`. */
  fetch?: typeof fetch | undefined
  /** Whether an answer means that the token was refused. Default: status 401. */
  isRejected?: ((response: Response) => boolean) | undefined
  /** Seconds a token must still live to be used. Default 0: the source's own margins. */
  minTtl?: number | undefined
}

const unauthorized = (response: Response): boolean => response.status === 401

/** A body that can be sent a second time: anything but a stream, which is gone once it was read. */
const repeatable = (input: string | URL | Request, init: RequestInit | undefined): boolean => {
  if (init?.body !== undefined && init.body !== null)
    return !(init.body instanceof ReadableStream) && !(Symbol.asyncIterator in Object(init.body))
  return !(input instanceof Request) || input.body === null
}

/** The caller's headers with the token's, cheaply where they are a plain object. */
function authorized(
  input: string | URL | Request,
  init: RequestInit | undefined,
  authorization: string,
): RequestInit {
  const own = init?.headers ?? (input instanceof Request ? input.headers : undefined)
  if (own === undefined) return { ...init, headers: { authorization } }
  // Pairs in whatever holds them: a list, a Map, the Headers of this or another fetch.
  if (Symbol.iterator in own) {
    const headers = new Headers([...(own as Iterable<[string, string]>)])
    headers.set('authorization', authorization)
    return { ...init, headers }
  }
  const headers: Record<string, string> = { ...(own as Record<string, string>) }
  for (const name of Object.keys(headers))
    if (name.length === 13 && name.toLowerCase() === 'authorization') delete headers[name]
  headers.authorization = authorization
  return { ...init, headers }
}

/**
 * `fetch` that adds the header itself: `Authorization: Bearer …`, RFC 6750 section 2.1. When the API refuses the
 * token it reports the refused generation, waits for a newer token and sends the request once more, if its body can
 * be sent again; otherwise, and the second time, the API's own answer comes back.
 */
export function authorizedFetch(source: TokenSource, options: AuthorizedFetchOptions = {}): typeof fetch {
  const send = options.fetch ?? ((input, init) => fetch(input, init))
  const isRejected = options.isRejected ?? unauthorized
  const { minTtl } = options
  const plain = minTtl === undefined ? undefined : { minTtl }

  return async (input, init) => {
    const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined)
    const token = await source.getToken(signal === undefined ? plain : { ...plain, signal })
    const response = await send(input, authorized(input, init, `${token.type} ${token.value}`))
    if (!isRejected(response) || !repeatable(input, init)) return response
    const newer = await source.rejected({ generation: token.generation, signal }).catch(() => {
      signal?.throwIfAborted()
      return token
    })
    if (newer.generation === token.generation) return response
    // The first answer is read no further; its connection is free for the second try.
    await response.body?.cancel()
    return send(input, authorized(input, init, `${newer.type} ${newer.value}`))
  }
}

// `evertoken/undici`: undici's dispatchers, and what stands on them, with tokens.

import type { AccessToken, TokenSource } from '../grants/token.ts'
import { checkSource, headersOf } from './authorization.ts'
import { checkedOrigins } from './origins.ts'
import { replacementOf } from './replacement.ts'
import {
  type Controller,
  type DispatchHandler,
  RefusableHandler,
  type Repeats,
  type ResponseHeaders,
} from './undici-handler.ts'

export type { DispatchHandler } from './undici-handler.ts'

/** What of undici's request options is looked at. */
export interface DispatchOptions {
  readonly origin?: string | URL | undefined
  readonly path: string
  readonly method: string
  readonly headers?: unknown
  readonly body?: unknown
  readonly signal?: unknown
}

export interface UndiciAuthorizationOptions {
  /** The origins that get the token: `['https://api.example.com']`. Requests to all others go as they are. */
  origins: readonly string[]
  /** Whether an answer means that the token was refused. Default: status 401. */
  isRejected?:
    | ((answer: { readonly statusCode: number; readonly headers: ResponseHeaders }) => boolean)
    | undefined
  /** Seconds a token must still live to be used. Default 0: the source's own margins. */
  minTtl?: number | undefined
}

type Dispatch<Options, Handler> = (options: Options, handler: Handler) => boolean

/** An interceptor as undici's `compose` takes it; generic, so that it fits the types of whichever undici there is. */
export type AuthorizationInterceptor = <Options extends DispatchOptions, Handler extends object>(
  dispatch: Dispatch<Options, Handler>,
) => Dispatch<Options, Handler>

/**
 * An interceptor of undici that authorizes requests to some origins: sets the header, reports a refused token, and sends the request
 * once more where its body is there to be sent again. Behind undici's own `redirect` interceptor it sees each request of a chain, and
 * gives the token to none but its origins.
 *
 * ```ts
 * const dispatcher = new Agent().compose(authorizationInterceptor(source, { origins: ['https://api.example.com'] }))
 * const { statusCode, body } = await request('https://api.example.com/users', { dispatcher })
 * ```
 *
 * @throws TypeError for what is no token source, EvertokenError `invalid_configuration` for what is no origin. A request fails with
 *   what the source throws.
 */
export function authorizationInterceptor(
  source: TokenSource,
  options: UndiciAuthorizationOptions,
): AuthorizationInterceptor {
  checkSource(source, 'authorizationInterceptor')
  const origins = checkedOrigins(options?.origins ?? [])
  const { isRejected = ({ statusCode }) => statusCode === 401, minTtl } = options
  const plain = minTtl === undefined ? undefined : { minTtl }

  return (dispatch) => (request, handler) => {
    const origin = URL.parse(String(request.origin))?.origin
    if (origin === undefined || !origins?.has(origin)) return dispatch(request, handler)
    const downstream: DispatchHandler = handler
    const fail = (error: unknown): void =>
      downstream.onResponseError?.(null, error instanceof Error ? error : new Error(String(error)))
    const url = new URL(request.path, origin)
    const repeatable = isRepeatable(request.body)
    const send = async (token: AccessToken, repeats?: Repeats, before?: Controller): Promise<void> => {
      const own = await headersOf(token, { method: request.method, url })
      const attempt: DispatchHandler = new RefusableHandler(downstream, {
        token,
        url,
        before,
        repeatable,
        repeats,
        isRejected,
        replaced: () => replacementOf(source, token),
        send: (...next) => void send(...next).catch(fail),
      })
      dispatch({ ...request, headers: withHeaders(request.headers, own) }, attempt as typeof handler)
    }
    // Until there is a token nothing is dispatched that undici itself could give up.
    const signal = request.signal instanceof AbortSignal ? request.signal : undefined
    source
      .getToken(signal === undefined ? plain : { ...plain, signal })
      .then((token) => send(token))
      .catch(fail)
    return true
  }
}

/** What undici's dispatchers have for interceptors. */
export interface Composable<Dispatcher> {
  compose(interceptor: AuthorizationInterceptor): Dispatcher
}

/** The same dispatcher with {@link authorizationInterceptor}: `setGlobalDispatcher(authorizedDispatcher(new Agent(), source, { origins }))`. */
export function authorizedDispatcher<Dispatcher>(
  dispatcher: Composable<Dispatcher>,
  source: TokenSource,
  options: UndiciAuthorizationOptions,
): Dispatcher {
  return dispatcher.compose(authorizationInterceptor(source, options))
}

/** undici's fetch hands over iterables, as streams are: gone once they were read. */
const isRepeatable = (body: unknown): boolean =>
  body === undefined ||
  body === null ||
  typeof body === 'string' ||
  ArrayBuffer.isView(body) ||
  body instanceof ArrayBuffer ||
  body instanceof Blob ||
  // undici's class is its own, and takes no other.
  Object.prototype.toString.call(body) === '[object FormData]'

/** Headers are a flat list of names and values, pairs, or an object. */
function withHeaders(given: unknown, own: Readonly<Record<string, string>>): string[] {
  const headers: string[] = []
  const add = (name: string, value: unknown): void => {
    if (name.toLowerCase() in own) return
    for (const one of [value].flat()) if (one !== undefined && one !== null) headers.push(name, String(one))
  }
  if (Array.isArray(given) && given.every((part) => !Array.isArray(part)))
    for (let at = 0; at + 1 < given.length; at += 2) add(String(given[at]), given[at + 1])
  else if (typeof given === 'object' && given !== null)
    for (const [name, value] of Symbol.iterator in given
      ? (given as Iterable<[string, unknown]>)
      : Object.entries(given))
      add(name, value)
  return [...headers, ...Object.entries(own).flat()]
}

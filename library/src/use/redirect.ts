/** One request of a chain of redirects. */
export interface Hop {
  readonly url: URL
  readonly init: RequestInit & { readonly method: string; readonly headers: Headers }
  /** The body can be sent again; a stream is gone once it was read. */
  readonly repeatable: boolean
}

/** As many as fetch follows (Fetch standard, HTTP-redirect fetch, step 7). */
export const mostRedirects = 20

const redirectStatuses = new Set([301, 302, 303, 307, 308])
/** What tells of a body goes where the body goes (Fetch standard, request-body-header name). */
const bodyHeaders = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-type',
]
/** What is for one origin alone; fetch takes away the first by its standard, Node's the others too. */
const originHeaders = ['authorization', 'proxy-authorization', 'cookie', 'host', 'dpop']

/** Where an answer sends its request, by the rules of fetch; undefined where it is no redirect. */
export function locationOf(response: Response, from: URL): URL | undefined {
  if (!redirectStatuses.has(response.status)) return undefined
  const location = response.headers.get('location')
  if (location === null) return undefined
  const url = URL.parse(location, from.href)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new TypeError(`${from.origin} redirects to something that is no http address`)
  if (url.username !== '' || url.password !== '')
    throw new TypeError(`${from.origin} redirects to an address with user information`)
  return url
}

/**
 * The request that follows a redirect: with GET and no body where the status says so (RFC 9110 section 15.4), and without what is
 * for one origin where it goes to another.
 *
 * @param ownHeader also goes to no other origin; in lower case.
 */
export function followed(hop: Hop, status: number, url: URL, ownHeader: string): Hop {
  const { method } = hop.init
  const headers = new Headers(hop.init.headers)
  const toGet =
    (status === 303 && method !== 'GET' && method !== 'HEAD') ||
    ((status === 301 || status === 302) && method === 'POST')
  if (!toGet && !hop.repeatable)
    throw new TypeError(
      `${hop.url.origin} redirects a request whose body cannot be sent again; give it as text or bytes beside the address`,
    )
  if (toGet) for (const name of bodyHeaders) headers.delete(name)
  if (url.origin !== hop.url.origin) for (const name of [...originHeaders, ownHeader]) headers.delete(name)
  const init = { ...hop.init, headers, method: toGet ? 'GET' : method }
  if (toGet) delete init.body
  return { url, init, repeatable: true }
}

/** What of a Request holds for the requests that follow it as well. */
const kept = [
  'cache',
  'credentials',
  'integrity',
  'keepalive',
  'mode',
  'referrer',
  'referrerPolicy',
  'signal',
] as const

/** The first request of a chain, taken apart; only done once an answer redirects. */
export function firstHop(
  input: string | URL | Request,
  init: RequestInit | undefined,
  url: URL,
  repeatable: boolean,
): Hop {
  const request = input instanceof Request ? input : undefined
  const own = Object.fromEntries(
    kept.flatMap((name) => (request?.[name] === undefined ? [] : [[name, request[name]]])),
  ) as RequestInit
  return {
    url,
    init: {
      ...own,
      ...init,
      method: (init?.method ?? request?.method ?? 'GET').toUpperCase(),
      headers: new Headers(init?.headers ?? request?.headers),
    },
    repeatable,
  }
}

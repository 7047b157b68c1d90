import { mayCarrySecrets, webAddress } from '../oauth/address.ts'
import { type Transport, WireError, type WireRequest } from '../oauth/transport.ts'
import { boundedBody } from './bounded-body.ts'

export interface FetchTransportOptions {
  /** What sends. Default: the global `fetch`. */
  fetch?: typeof fetch | undefined
}

/** As much of an answer as a transport may read. */
const largestBody = 65_536

/**
 * A transport over `fetch`, for browsers, workers and edge runtimes: one deadline over everything, at most 64 KiB of answer, no
 * redirects, plain http only where it may be. What `fetch` cannot tell apart counts as sent.
 */
export function fetchTransport({ fetch: send }: FetchTransportOptions = {}): Transport {
  const sendWith: typeof fetch = send ?? ((input, init) => fetch(input, init))
  return async (request) => {
    const url = webAddress(request.url)
    if (url === undefined) throw new WireError('local', 'no http address', { sent: false })
    if (!mayCarrySecrets(url, request.insecureHttp))
      throw new WireError('insecure_http', `plain http to ${url.host} refused`, { sent: false })
    let status: number | undefined
    try {
      const response = await sendWith(url, {
        ...initOf(request),
        signal: AbortSignal.timeout(Math.max(Math.ceil(request.deadline), 0)),
      })
      // Browsers hide where a redirect leads, and its status with that.
      if (response.type === 'opaqueredirect') return { status: 302, headers: {}, body: '' }
      status = response.status
      return { status, headers: Object.fromEntries(response.headers), body: await bodyOf(response) }
    } catch (error) {
      throw error instanceof WireError ? error : judged(error, url, request.deadline, status)
    }
  }
}

function initOf({ method, headers, body }: WireRequest): RequestInit {
  const init = { method, headers, redirect: 'manual' as const, ...(body !== undefined && { body }) }
  if (!('document' in globalThis)) return init
  // A page's own cookies and address are nobody's business there, and a header that no browser sends asks for a preflight.
  const { 'user-agent': _, ...allowed } = headers
  return { ...init, headers: allowed, credentials: 'omit', cache: 'no-store', referrerPolicy: 'no-referrer' }
}

async function bodyOf(response: Response): Promise<string> {
  const { status } = response
  const bytes = await boundedBody(response, largestBody)
  if (bytes === undefined)
    throw new WireError('too_large', `more than ${largestBody} bytes of answer`, { sent: true, status })
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new WireError('bad_encoding', 'the answer is no UTF-8', { sent: true, status })
  }
}

/** What Node's fetch says where it is certain that nothing was sent; browsers never say. */
const unsent: Readonly<Record<string, WireError['reason']>> = {
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'refused',
  ENETUNREACH: 'refused',
  ENOTFOUND: 'name_not_found',
  EAI_AGAIN: 'name_not_found',
  UND_ERR_CONNECT_TIMEOUT: 'deadline',
}

/** Built from codes and the address alone: messages may quote what was sent. */
function judged(error: unknown, url: URL, deadline: number, status: number | undefined): WireError {
  const { name, cause } = error as { name?: unknown; cause?: { code?: unknown } }
  if (name === 'TimeoutError')
    return new WireError('deadline', `no whole answer from ${url.host} within ${deadline} ms`, facts(status))
  const code = typeof cause?.code === 'string' ? cause.code : undefined
  const reason = status === undefined && code !== undefined ? unsent[code] : undefined
  if (reason !== undefined) return new WireError(reason, `${code} ${url.host}`, { sent: false })
  const what = status === undefined ? 'no answer from' : 'the answer ends too early from'
  return new WireError(
    status === undefined ? 'reset' : 'cut',
    `${what} ${url.host}${code ? ` (${code})` : ''}`,
    facts(status),
  )
}

const facts = (status: number | undefined): { sent: true; status?: number } =>
  status === undefined ? { sent: true } : { sent: true, status }

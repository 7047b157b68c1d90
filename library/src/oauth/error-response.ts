import { isJsonObject, type JsonObject, member, parseJson } from './json-object.ts'
import { printable } from './printable.ts'
import { retryAfter } from './retry-after.ts'
import type { WireResponse } from './transport.ts'

/** What a provider calls a failure. */
export interface ProviderWords {
  /** RFC 6749 section 5.2 `error`, bounded to 100 printable characters. */
  readonly error: string
  /** Bounded to 500 printable characters. */
  readonly description?: string
}

/** A provider that says no, and why. */
export interface ErrorAnswer {
  readonly kind: 'error'
  readonly status: number
  /** RFC 6749 section 5.2 `error`, bounded to 100 printable characters. */
  readonly error: string
  /** Bounded to 500 printable characters. */
  readonly description?: string | undefined
  /** Seconds, from `Retry-After` read against the answer's own `Date`; never negative. */
  readonly retryAfter?: number | undefined
}

/** The refusal that an answer is, if it is one. `now`: UTC ms. */
export function readErrorAnswer(
  { status, headers, body }: WireResponse,
  sent: readonly string[],
  now: number,
): ErrorAnswer | undefined {
  const said = readProviderError(body, sent)
  if (said === undefined) return undefined
  const asked = retryAfter(headers, now)
  return { kind: 'error', status, ...said, ...(asked === undefined ? {} : { retryAfter: asked }) }
}

/** The error in a body, whatever its status, if it names one. `sent` holds the secrets of the request; none is shown. */
export function readProviderError(text: string, sent: readonly string[]): ProviderWords | undefined {
  const body = parseJson(text)?.value
  return isJsonObject(body) ? readErrorMember(body, sent) : undefined
}

/** RFC 6749 section 5.2, as real providers write it. */
export function readErrorMember(body: JsonObject, sent: readonly string[]): ProviderWords | undefined {
  const error = member(body, 'error')
  if (error === undefined || error === null || error === '' || error === false || error === 0)
    return undefined
  // API gateways answer in their own dialect: {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "…"}}
  const inner = isJsonObject(error) ? error : {}
  const code = [
    error,
    member(inner, 'error'),
    member(inner, 'type'),
    member(inner, 'status'),
    member(inner, 'code'),
  ]
    .map((value) => (typeof value === 'string' || typeof value === 'number' ? String(value) : ''))
    .map((value) => printable(value, 100, sent))
    .find((value) => value !== '')
  const said = [member(body, 'error_description'), member(inner, 'message')].find(
    (value) => typeof value === 'string',
  )
  const description = typeof said === 'string' ? printable(said, 500, sent) : ''
  return { error: code ?? 'unspecified', ...(description === '' ? {} : { description }) }
}

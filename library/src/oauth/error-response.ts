import type { ErrorMeaning } from '../providers/profile.ts'
import { isJsonObject, type JsonObject, member } from './json-object.ts'
import { printable } from './printable.ts'

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
  /** Seconds, from `Retry-After` read against the answer's own `Date`, else from the provider's profile; never negative. */
  readonly retryAfter?: number | undefined
  /** What the provider's profile says of it. */
  readonly means?: ErrorMeaning | undefined
}

/** RFC 6749 section 5.2, as real providers write it. */
export function readErrorMember(body: JsonObject, sent: readonly string[]): ProviderWords | undefined {
  const error = member(body, 'error')
  if (!isSomething(error)) return undefined
  // API gateways answer in their own dialect: {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "…"}}
  const inner = isJsonObject(error) ? error : {}
  const code = [
    error,
    member(inner, 'error'),
    member(inner, 'type'),
    member(inner, 'status'),
    member(inner, 'code'),
  ]
    .map((value) => readErrorCode(value, sent))
    .find((value) => value !== undefined)
  const description = readDescription(body, sent) ?? readDescription(inner, sent)
  return { error: code ?? 'unspecified', ...(description === undefined ? {} : { description }) }
}

/** What says that there is an error, where it stands: providers write none as null, false, zero or nothing. */
export const isSomething = (value: unknown): boolean =>
  value !== undefined && value !== null && value !== '' && value !== false && value !== 0

/** A code as it may be shown; some are numbers. */
export function readErrorCode(value: unknown, sent: readonly string[]): string | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined
  const code = printable(String(value), 100, sent)
  return code === '' ? undefined : code
}

const descriptionNames = ['error_description', 'message', 'error_message', 'errorMessage', 'errmsg', 'msg']

/** What a provider says of an error in words, under the names that are in use for that. */
export function readDescription(body: JsonObject, sent: readonly string[]): string | undefined {
  for (const name of descriptionNames) {
    const said = member(body, name)
    const description = typeof said === 'string' ? printable(said, 500, sent) : ''
    if (description !== '') return description
  }
  return undefined
}

import {
  type ErrorCode,
  EvertokenError,
  errorCodes,
  InvalidGrantError,
  InvalidScopeError,
  ProviderError,
  type ProviderErrorFacts,
  ReauthorizationRequiredError,
} from '../errors.ts'
import { isJsonObject, type JsonObject, member } from '../oauth/json-object.ts'
import { printable } from '../oauth/printable.ts'
import { retryAfter } from '../oauth/retry-after.ts'
import type { Secret } from '../secret.ts'

/** Nothing came of a question to the broker, or nothing that a broker says. */
export const brokerUnreachable = (base: URL, why: string, grant: string): EvertokenError =>
  new EvertokenError('broker_unreachable', `the broker at ${base.href} does not answer as one: ${why}`, {
    grant,
    advice: 'See whether evertoken serve runs there, and whether the address is the right one.',
  })

/** What a broker answered that is no success, for {@link brokerRefusal}. */
export interface BrokerRefusal {
  /** HTTP status. */
  readonly status: number
  /** Its problem details; without members where there were none. */
  readonly problem: Readonly<Record<string, unknown>>
  /** Its `Retry-After`. */
  readonly wait: string | null
  /** The API key: it stands in no error, whatever the broker quotes. */
  readonly key: Secret
  /** The grant that was asked about, where the broker names none. */
  readonly grant?: string | undefined
  /** What whoever asked can do about a code, in place of the broker's own advice. Default: none. */
  readonly advice?: Partial<Record<ErrorCode, string>> | undefined
}

/**
 * The broker's problem details (RFC 9457) as the error that they were there: its class, code and advice, and what the provider said
 * in `status`, `error` and `errorDescription`. A code of a newer broker, which this library cannot tell its readers of, is
 * `broker_unreachable`.
 */
export function brokerRefusal(
  base: URL,
  { status, problem, wait, key, grant, advice = {} }: BrokerRefusal,
): EvertokenError {
  const text = (from: JsonObject, name: string): string | undefined => {
    const value = member(from, name)
    return typeof value === 'string' ? printable(value, 500, [key.reveal()]) : undefined
  }
  const said = text(problem, 'code') ?? (status === 401 ? 'unauthorized' : 'broker_unreachable')
  const code = errorCodes.find((known) => known === said) ?? 'broker_unreachable'
  const what = text(problem, 'detail') ?? text(problem, 'title') ?? `it answered ${status}`
  const unknown = code === said ? '' : `, ${said}`
  const provider = member(problem, 'provider')
  const words = isJsonObject(provider) ? provider : {}
  const answered = member(words, 'status')
  return errorOf(code, `${what} (broker ${base.host}${unknown})`, {
    grant: text(problem, 'grant') ?? grant,
    advice: advice[code] ?? text(problem, 'advice') ?? adviceFor[code],
    status: typeof answered === 'number' ? answered : undefined,
    error: text(words, 'error'),
    errorDescription: text(words, 'error_description'),
    retryAfter: wait === null ? undefined : retryAfter({ 'retry-after': wait }, 0),
  })
}

function errorOf(code: ErrorCode, message: string, facts: ProviderErrorFacts): EvertokenError {
  switch (code) {
    case 'reauthorization_required':
      return new ReauthorizationRequiredError(code, message, facts)
    case 'invalid_grant':
      return new InvalidGrantError(code, message, facts)
    case 'invalid_scope':
      return new InvalidScopeError(code, message, facts)
    case 'invalid_client':
    case 'provider_error':
    case 'provider_unreachable':
    case 'provider_timeout':
    case 'provider_answer_unusable':
    case 'provider_redirect':
    case 'token_unavailable':
      return new ProviderError(code, message, facts)
    default:
      return new EvertokenError(code, message, facts)
  }
}

const adviceFor: Partial<Record<ErrorCode, string>> = {
  broker_unreachable:
    'See whether that address is a broker, and whether it is of a newer version than this library.',
  unauthorized: 'Give a key of this broker; evertoken serve says where its keys are.',
  forbidden: 'Give a key that may read this grant.',
  unknown_grant: 'evertoken list shows the names there are; evertoken add makes one.',
}

import {
  type ErrorCode,
  EvertokenError,
  errorCodes,
  InvalidGrantError,
  InvalidScopeError,
  ProviderError,
  ReauthorizationRequiredError,
} from '../errors.ts'
import { type JsonObject, member } from '../oauth/json-object.ts'
import { printable } from '../oauth/printable.ts'
import { retryAfter } from '../oauth/retry-after.ts'
import type { Secret } from '../secret.ts'

/** Nothing came of a question to the broker, or nothing that a broker says. */
export const brokerUnreachable = (base: URL, why: string): EvertokenError =>
  new EvertokenError('broker_unreachable', `the broker at ${base.href} does not answer as one: ${why}`, {
    advice: 'See whether evertoken serve runs there, and whether the address is the right one.',
  })

/**
 * The broker's problem details (RFC 9457) as the error that they were there.
 *
 * @param wait its `Retry-After`.
 * @param key stands in no error, whatever the broker quotes.
 */
export function brokerRefusal(
  base: URL,
  status: number,
  problem: JsonObject,
  wait: string | null,
  key: Secret,
): EvertokenError {
  const text = (name: string): string | undefined => {
    const value = member(problem, name)
    return typeof value === 'string' ? printable(value, 500, [key.reveal()]) : undefined
  }
  const said = text('code') ?? (status === 401 ? 'unauthorized' : 'broker_unreachable')
  // A code of a newer broker is one that this library cannot tell its readers of.
  const code = errorCodes.find((known) => known === said) ?? 'broker_unreachable'
  const what = text('detail') ?? text('title') ?? `it answered ${status}`
  const facts = { grant: text('grant'), advice: text('advice') ?? adviceFor[code], status }
  return errorOf(code, `${what} (broker ${base.host})`, {
    ...facts,
    retryAfter: wait === null ? undefined : retryAfter({ 'retry-after': wait }, 0),
  })
}

function errorOf(
  code: ErrorCode,
  message: string,
  facts: NonNullable<ConstructorParameters<typeof ProviderError>[2]>,
): EvertokenError {
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

import type { ErrorRule } from '../providers/profile.ts'
import { type ErrorAnswer, isSomething, readDescription } from './error-response.ts'
import { isJsonObject } from './json-object.ts'
import { valueAt } from './json-pointer.ts'
import type { TokenAnswer, UnusableAnswer } from './token-answer.ts'

/**
 * A refusal with what the provider's first matching rule says of it; an answer that nobody can read becomes one by that. As
 * it was where no rule matches.
 *
 * @param document what the answer says as a whole, where it can be read.
 */
export function ruled(
  answer: ErrorAnswer | UnusableAnswer,
  document: unknown,
  rules: readonly ErrorRule[] | undefined,
  sent: readonly string[],
): TokenAnswer {
  if (rules === undefined || rules.length === 0) return answer
  const error = answer.kind === 'error' ? answer.error : undefined
  const description =
    answer.kind === 'error'
      ? answer.description
      : readDescription(isJsonObject(document) ? document : {}, sent)
  const { status } = answer
  const rule = rules.find((rule) => matches(rule, { status, error, description }, document))
  if (rule === undefined) return answer
  const retryAfter = answer.retryAfter ?? rule.retry_after
  return {
    kind: 'error',
    status,
    error: error ?? 'unspecified',
    ...(description === undefined ? {} : { description }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    means: rule.means,
  }
}

interface Said {
  readonly status: number
  readonly error: string | undefined
  readonly description: string | undefined
}

function matches(rule: ErrorRule, { status, error, description }: Said, document: unknown): boolean {
  const { code, pointer, description: part } = rule
  const isAnswer = code !== undefined || pointer !== undefined || part !== undefined
  // A success that says no error is not refused by its status: it was most likely applied.
  if (!isAnswer && (rule.status === undefined || (error === undefined && status >= 200 && status < 300)))
    return false
  if (rule.status !== undefined && rule.status !== status) return false
  if (code !== undefined && String(code) !== error) return false
  if (pointer !== undefined && !holds(document, { ...rule, pointer })) return false
  return part === undefined || (description?.toLowerCase().includes(part.toLowerCase()) ?? false)
}

/** Whether the value at `pointer` is `equals`, or without that whether something is there that says something. */
export function holds(
  document: unknown,
  { pointer, equals }: { readonly pointer: string; readonly equals?: string | number | boolean },
): boolean {
  const value = valueAt(document, pointer)
  return equals === undefined ? isSomething(value) : value === equals
}

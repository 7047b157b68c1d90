import type { AnswerDialect } from '../providers/profile.ts'
import { type AnswerReading, readRefusal } from './answer-dialect.ts'
import { readAnswerText } from './answer-text.ts'
import { type ErrorAnswer, type ProviderWords, readErrorMember } from './error-response.ts'
import { ruled } from './error-rules.ts'
import { isJsonObject } from './json-object.ts'
import { valueAt } from './json-pointer.ts'
import { retryAfter } from './retry-after.ts'
import type { WireResponse } from './transport.ts'

/**
 * The refusal that an answer of an endpoint which gives no tokens is, if it is one: by RFC 6749 section 5.2, or in the dialect of the
 * provider. `now`: UTC ms.
 */
export function readRefusedAnswer(
  { status, headers, body }: WireResponse,
  sent: readonly string[],
  now: number,
  reading?: AnswerReading | undefined,
): ErrorAnswer | undefined {
  const document = readAnswerText(body.replace(/^\ufeff/, ''), headers)?.value
  if (document === undefined) return undefined
  const said =
    reading?.answer === undefined
      ? readErrorMember(isJsonObject(document) ? document : {}, sent)
      : readRefusal(document, spokenHere(reading.answer, document), status, sent)
  if (said === undefined) return undefined
  const asked = retryAfter(headers, now)
  const refused: ErrorAnswer = {
    kind: 'error',
    status,
    ...said,
    ...(asked === undefined ? {} : { retryAfter: asked }),
  }
  const judged = ruled(refused, document, reading?.errors, sent)
  return judged.kind === 'error' ? judged : refused
}

/** Tokens may come with a word of success that these answers do not have: without it they say nothing of the kind. */
function spokenHere(dialect: AnswerDialect, document: unknown): AnswerDialect {
  const { success, ...others } = dialect
  return success === undefined || valueAt(document, success.pointer) === undefined ? others : dialect
}

/** What it says in words, of one that there may be. */
export const wordsOf = (refused: ErrorAnswer | undefined): Partial<ProviderWords> =>
  refused === undefined
    ? {}
    : {
        error: refused.error,
        ...(refused.description === undefined ? {} : { description: refused.description }),
      }

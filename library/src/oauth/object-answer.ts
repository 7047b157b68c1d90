import type { AnswerReading } from './answer-dialect.ts'
import type { ErrorAnswer } from './error-response.ts'
import type { FormAnswer, Silence } from './form-exchange.ts'
import { isJsonObject, type JsonObject, parseJson } from './json-object.ts'
import { readRefusedAnswer } from './refused-answer.ts'

/** An answer of an endpoint that gives a JSON object and no tokens. */
export type ObjectAnswer =
  | { readonly kind: 'object'; readonly status: number; readonly body: JsonObject }
  | ErrorAnswer
  /** A success that is no object, or no success and no refusal either. */
  | { readonly kind: 'unusable'; readonly status: number }
  | Silence

/** Any 2xx is a success: some say 200 where their RFC has 201. Refusals are read in the dialect. `now`: UTC ms. */
export function readObjectAnswer(
  answer: FormAnswer,
  now: number,
  reading?: AnswerReading | undefined,
): ObjectAnswer {
  if (answer.kind === 'silence') return answer
  if (answer.kind === 'unreadable') return { kind: 'unusable', status: answer.status }
  const { response, sent } = answer
  const { status } = response
  const refused = readRefusedAnswer(response, sent, now, reading)
  if (refused !== undefined) return refused
  const body = parseJson(response.body)?.value
  if (status < 200 || status >= 300 || !isJsonObject(body)) return { kind: 'unusable', status }
  return { kind: 'object', status, body }
}

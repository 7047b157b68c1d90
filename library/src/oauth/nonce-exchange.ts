import { readErrorMember } from './error-response.ts'
import type { FormAnswer } from './form-exchange.ts'
import { isJsonObject, parseJson } from './json-object.ts'
import { keepNonce, nonceFor } from './proof-nonces.ts'
import type { Wire } from './transport.ts'

/** Sends one form with that nonce in its proof, within that many milliseconds. */
type Exchange = (nonce: string | undefined, deadline: number) => Promise<FormAnswer>

/**
 * One form with a proof, and where the server answers that it wants its nonce in that (`use_dpop_nonce`, RFC 9449 section 8), the
 * same form exactly once more with the nonce that came along. This spends nothing twice, whatever the server does with a
 * refresh token that comes again: the refusal is an error response of RFC 6749 section 5.2, given to a request that was not carried
 * out because of its proof, and RFC 9449 section 8 has the client send it again for that very reason. For whoever called it was one
 * request: one claim, one attempt, one verdict, and only the last answer is told.
 */
export async function withNonce(url: string, wire: Wire, exchange: Exchange): Promise<FormAnswer> {
  if (wire.proofKey === undefined) return exchange(undefined, wire.deadline)
  const began = wire.now()
  const used = nonceFor(url)
  const answer = await exchange(used, wire.deadline)
  const isNew = kept(url, answer, used, wire)
  if (!isNew || !wantsNonce(answer)) return answer

  const left = wire.deadline - Math.max(wire.now() - began, 0)
  // The refusal is certain, and the nonce is kept: without the time for an answer the next request is the better one.
  if (left < wire.deadline / 2) return answer
  const nonce = nonceFor(url)
  const again = await exchange(nonce, left)
  kept(url, again, nonce, wire)
  return again.kind === 'silence' && !again.sent ? answer : again
}

/** Every answer may bring the next nonce, a good one too (RFC 9449 section 8.2). */
const kept = (url: string, answer: FormAnswer, used: string | undefined, { now }: Wire): boolean =>
  answer.kind === 'answer' && keepNonce(url, answer.response.headers['dpop-nonce'], used, now())

function wantsNonce(answer: FormAnswer): boolean {
  if (answer.kind !== 'answer' || answer.response.status < 400) return false
  const body = parseJson(answer.response.body)?.value
  return isJsonObject(body) && readErrorMember(body, [])?.error === 'use_dpop_nonce'
}

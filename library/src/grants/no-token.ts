import { EvertokenError, ProviderError } from '../errors.ts'
import type { GrantRecord } from './grant.ts'
import { adviceOn, failureError } from './outcome.ts'

/**
 * What a reader is told who waited for a token in vain.
 *
 * @param now store time.
 * @param opens store time before which nothing is sent, where that is why none came.
 */
export function noToken(record: GrantRecord, now: number, opens: number | undefined): EvertokenError {
  const { id, attempts } = record
  const { lastError, backoffUntil } = record.schedule
  if (lastError !== undefined)
    return failureError(id, lastError, seconds(backoffUntil - now), adviceOn(record, lastError.code))
  if (opens === undefined)
    return new EvertokenError(
      'token_unavailable',
      `grant ${id}: no token in time; another process is at it, or the provider is slow`,
      { grant: id, advice: `Ask again; if it stays so, look at evertoken show ${id} and at the provider.` },
    )
  const wait = seconds(opens - now)
  const [why, advice] = attempts.some(({ sentAt }) => sentAt !== undefined)
    ? [
        'an earlier refresh is still without an answer, and sending it again now could end the login',
        'Wait: it is settled by itself.',
      ]
    : [
        'nothing is sent to its provider now, which has failed for this client or had as many requests as it may',
        `Ask again then; evertoken list shows what failed, and evertoken refresh ${id} does not wait.`,
      ]
  return new ProviderError('token_unavailable', `grant ${id}: ${why}; next try in ${wait} s`, {
    grant: id,
    retryAfter: wait,
    advice,
  })
}

const seconds = (ms: number): number => Math.ceil(ms / 1000)

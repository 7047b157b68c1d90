import { type GrantRecord, parentOf } from './grant.ts'
import { rotates } from './lifetime-facts.ts'
import type { Moment } from './store.ts'

/**
 * A grant in a store that was copied: the other copy may have spent its refresh token just now. One attempt that nobody
 * here made stands for that, so that the usual recovery decides what may be sent and when.
 */
export function adopted(
  record: GrantRecord,
  attemptId: string,
  owner: string,
  { time }: Moment,
): GrantRecord {
  if (record.refreshToken === undefined || !rotates(record.facts)) return record
  const { state } = record.status
  if (state === 'revoking' || state === 'revoked') return record
  const fence = record.fence + 1
  return {
    ...record,
    fence,
    lease: undefined,
    attempts: [
      ...record.attempts.map((open) => ({ ...open, localDone: true })),
      {
        id: attemptId,
        fence,
        parent: parentOf(record),
        owner,
        sentAt: time.at,
        boot: time.boot,
        localDone: true,
        spool: '',
      },
    ],
  }
}

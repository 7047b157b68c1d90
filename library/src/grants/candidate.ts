import type { Attempt, Candidate, GrantRecord } from './grant.ts'
import { parentOf } from './grant.ts'
import { previousHelpsUntil, replayUntil } from './recovery.ts'
import type { Moment } from './store.ts'
import type { Timing } from './timing.ts'

/** The grant goes on with this refresh token, and with the access token that came with it where that lives longer. */
export function withCandidate(record: GrantRecord, candidate: Candidate): GrantRecord {
  const { refreshToken, token, fence } = candidate
  const present = record.tokens.find((row) => row.scope === token?.scope && row.resource === token.resource)
  const tokens =
    token === undefined || (present !== undefined && present.expiresAt >= token.expiresAt)
      ? record.tokens
      : [
          ...record.tokens.filter((row) => row !== present),
          { ...token, generation: (present?.generation ?? 0) + 1, fence },
        ]
  return {
    ...record,
    refreshToken,
    tokens,
    candidates: record.candidates.filter((other) => other !== candidate),
  }
}

/**
 * The refresh token before takes the place of the present one, which stays a candidate: inside its window it brings a
 * living child whatever became of those it brought already. Undefined where no window is open.
 */
export function withPrevious(record: GrantRecord, timing: Timing, { time }: Moment): GrantRecord | undefined {
  const { previousRefreshToken: previous, refreshToken, candidates } = record
  if (previous?.spent === undefined) return undefined
  const helps = previousHelpsUntil(record, timing, time)
  if (helps === undefined || time.at >= helps) return undefined
  const parent = previous.fingerprint
  // It was sent before: the attempt says so, and keeps it from being sent again outside of its window. With the fence of
  // now it is later than all sends so far, and earlier than the one that follows.
  const { at: sentAt, boot } = previous.spent
  const { fence } = record
  const sent: Attempt = { id: parent, fence, owner: '', spool: '', parent, sentAt, boot, localDone: true }
  const present = refreshToken && { id: refreshToken.fingerprint, fence, parent, refreshToken }
  return {
    ...record,
    refreshToken: previous,
    previousRefreshToken: undefined,
    candidates: present === undefined ? candidates : [...candidates, present],
    attempts: [...record.attempts, sent],
    schedule: { ...record.schedule, dueAt: time.at, backoffUntil: 0 },
  }
}

/**
 * The refresh token that took the place of its child, by `withPrevious`, and whose window is over: sent now it would end the
 * login, and the youngest child of it is most likely the one that lives. Any other record stays as it is.
 */
export function withChild(record: GrantRecord, timing: Timing, { time }: Moment): GrantRecord {
  const { refreshToken, candidates } = record
  const child = candidates.findLast(({ parent }) => parent === parentOf(record))
  if (child === undefined || refreshToken === undefined) return record
  const until = replayUntil(record, timing, time)
  if (until !== undefined && time.at < until) return record
  return { ...withCandidate(record, child), previousRefreshToken: refreshToken }
}

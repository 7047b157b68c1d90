import { withCandidate } from './candidate.ts'
import { type Attempt, type Candidate, findToken, type GrantRecord, ownToken, parentOf } from './grant.ts'
import { notify } from './notice.ts'
import { mandatoryAt, previousHelpsUntil, replayUntil, unresolvedOf } from './recovery.ts'
import { shortestRest } from './schedule.ts'
import type { Moment } from './store.ts'
import { effectiveClass, limitsOf, type Timing } from './timing.ts'

/*
 * One refresh token may have brought several children: it was sent again when nobody knew what had become of it. Of
 * last_child_wins one of them lives, by the order in which the provider processed the requests, and nobody here knows that
 * order. Which one is used, and what is asked first, stands here. All pure.
 */

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
 * A refresh token whose window is over, and which sent now would end the login, gives way to what is held beside it: the one
 * that took the place of its child (`withPrevious`) to the youngest child, which most likely lives; of fork to any other, since
 * there they all do. Any other record stays as it is.
 */
export function withChild(record: GrantRecord, timing: Timing, { time }: Moment): GrantRecord {
  const { refreshToken, candidates, facts } = record
  const child = candidates.findLast(({ parent }) => parent === parentOf(record))
  const forked =
    facts.replayClass === 'fork' && unresolvedOf(record).length > 0 ? candidates.at(-1) : undefined
  const other = child ?? forked
  if (other === undefined || refreshToken === undefined) return record
  const until = replayUntil(record, timing, time)
  if (until !== undefined && time.at < until) return record
  return { ...withCandidate(record, other), previousRefreshToken: refreshToken }
}

/**
 * last_child_wins: other sends on the same parent have no verdict, and each may have killed this child. While the parent can
 * still help, a child whose send was the last proves itself; one whose send was not makes room for the parent, which brings
 * a living child whatever became of the others. When it cannot help any more, the answer to a later send is waited for:
 * some providers end the login over the use of a child that is dead.
 */
export function inDoubt(
  committed: GrantRecord,
  attempt: Pick<Attempt, 'fence' | 'parent'>,
  others: readonly Attempt[],
  { utc, timing }: { readonly utc: number; readonly timing: Timing },
  moment: Moment,
): GrantRecord {
  const { time } = moment
  const { dueAt: due } = committed.schedule
  const waiting = (at: number): GrantRecord => ({
    ...committed,
    schedule: { ...committed.schedule, dueAt: Math.max(at, time.at + shortestRest) },
  })
  if (others.every(({ fence }) => fence < attempt.fence)) {
    const proveAt = provingAt(committed, timing, time)
    return proveAt === undefined ? committed : waiting(Math.min(due ?? proveAt, proveAt))
  }
  const attempts = [...committed.attempts, ...others]
  const again = withPrevious({ ...committed, attempts }, timing, moment)
  if (again !== undefined) return again
  const { parent, fence } = attempt
  const younger = committed.candidates.findLast((other) => other.parent === parent && other.fence > fence)
  if (younger !== undefined) return withYounger(committed, younger, fence)
  const { quiescence } = limitsOf(committed.facts, timing)
  const patience = Math.min(time.at + quiescence, mandatoryAt(committed, utc, time.at))
  const waits = due === null ? committed : waiting(Math.max(due, patience))
  // It does not go on before that is known: what was at risk is still.
  const notices = waits.notices.filter(({ kind, at }) => kind !== 'recovered' || at !== utc)
  const words =
    'a later refresh was sent with the same refresh token, and its answer may have replaced this one'
  return notify({ ...waits, notices }, 'at_risk', words, utc)
}

/**
 * Store time at which a child proves itself: not before the requests on its parent are over, since a provider may take
 * the use of a child as the end of the window, and early enough for a refusal and a repetition with the parent. Undefined
 * when the parent can bring nothing any more.
 */
function provingAt(record: GrantRecord, timing: Timing, time: Moment['time']): number | undefined {
  const helps = previousHelpsUntil(record, timing, time)
  if (helps === undefined || time.at >= helps) return undefined
  const { deadline, quiescence, replay } = limitsOf(record.facts, timing)
  const last = helps - replay + record.facts.reuseWindow - 2 * deadline
  return Math.max(time.at, Math.min(time.at + quiescence, last))
}

/**
 * Of two children of one parent, which can bring no third any more, the last that was asked for is most likely the one that
 * lives. Some providers end the login when the other is used, so it is the last that proves itself.
 */
export function newestPresent(record: GrantRecord, candidate: Candidate): GrantRecord {
  const fence = findToken(record, ownToken)?.fence
  return fence === undefined || fence >= candidate.fence ? record : withYounger(record, candidate, fence)
}

/** @param fence of the attempt that brought the present refresh token, which becomes a candidate. */
function withYounger(record: GrantRecord, candidate: Candidate, fence: number): GrantRecord {
  const { refreshToken } = record
  if (refreshToken === undefined) return record
  const next = withCandidate(record, candidate)
  const elder = { id: refreshToken.fingerprint, fence, parent: candidate.parent, refreshToken }
  return { ...next, candidates: [...next.candidates, elder] }
}

/**
 * A candidate takes the place of the present refresh token. `younger`: of last_child_wins only one that was asked for later:
 * an older one is dead, and one refusal is not worth showing it.
 */
export function sibling(
  record: GrantRecord,
  timing: Timing,
  { time }: Moment,
  which: 'any' | 'younger' = 'any',
): GrantRecord | undefined {
  const { candidates, previousRefreshToken, facts, schedule } = record
  const killsSiblings = facts.replayClass === 'last_child_wins' || facts.replayClass === 'strict'
  const oldest =
    which === 'younger' && effectiveClass(facts, timing) === 'last_child_wins'
      ? (findToken(record, ownToken)?.fence ?? 0)
      : 0
  // Once a sibling has been used with success the others are dead, and a provider takes them for a thief's.
  const candidate = candidates.findLast(
    ({ parent, fence }) =>
      fence > oldest &&
      (!killsSiblings || parent === previousRefreshToken?.fingerprint || parent === parentOf(record)),
  )
  if (candidate === undefined) return undefined
  return {
    ...withCandidate(record, candidate),
    schedule: { ...schedule, dueAt: time.at, backoffUntil: 0 },
  }
}

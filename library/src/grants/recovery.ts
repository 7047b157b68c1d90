import { type Attempt, findToken, type GrantRecord, ownToken, parentOf } from './grant.ts'
import { windows } from './schedule.ts'
import type { Moment } from './store.ts'
import { effectiveClass, limitsOf, type Timing } from './timing.ts'

/**
 * What may be done with a refresh token of which an earlier send has no verdict.
 *
 * - `send`: it may go out again.
 * - `probe`: ask first whether it is alive (probe.ts), since sending it dead would end the login.
 * - `wait`: nothing before that store time.
 */
export type Recovery =
  /** `before`: store time at which its reuse window is over, near enough, and the answer another. */
  | { readonly kind: 'send'; readonly before?: number | undefined }
  | { readonly kind: 'probe' }
  /** `atRisk`: the answer may be lost, and with it the login. */
  | { readonly kind: 'wait'; readonly until: number; readonly atRisk: boolean }

type Sent = Attempt & { readonly sentAt: number }

/** Attempts on the present refresh token that were sent and have no verdict: derived, so that no crash can lose it. */
export const unresolvedOf = (record: GrantRecord): readonly Sent[] => {
  const parent = parentOf(record)
  return record.attempts.filter((open): open is Sent => open.parent === parent && open.sentAt !== undefined)
}

/**
 * Store time until which a refresh token that was sent may simply be sent again: from the first send that may have spent
 * it. Undefined where its class has no window, and where a restart of the machine leaves unknown how much of it is over.
 */
export function replayUntil(
  record: GrantRecord,
  timing: Timing,
  { boot }: Moment['time'],
): number | undefined {
  const { replay } = limitsOf(record.facts, timing)
  const { spent } = record.refreshToken ?? {}
  const sends = unresolvedOf(record).map((open) => ({ at: open.sentAt, boot: open.boot }))
  if (spent !== undefined) sends.push(spent)
  if (replay <= 0 || sends.length === 0 || sends.some((sent) => sent.boot !== boot)) return undefined
  return Math.min(...sends.map(({ at }) => at)) + replay
}

/** Store time until which the refresh token before, which is spent, brings a child; undefined where nobody knows. */
export function previousHelpsUntil(
  { facts, previousRefreshToken }: GrantRecord,
  timing: Timing,
  { boot }: Moment['time'],
): number | undefined {
  const spent = previousRefreshToken?.spent
  return spent === undefined || spent.boot !== boot ? undefined : spent.at + limitsOf(facts, timing).replay
}

const wait = (until: number, atRisk = true): Recovery => ({ kind: 'wait', until, atRisk })

/** Store time at which the mandatory window of the grant's own token begins; past for one without a token. */
export function mandatoryAt(record: GrantRecord, utc: number, now: number): number {
  const own = findToken(record, ownToken)
  if (own === undefined) return now
  return now + own.expiresAt - windows(own.lifetime, record.refreshBefore).mandatory - utc
}

/**
 * Decides by what the provider does with a used refresh token (refresh-protocol 3.3 and 3.4). Pure.
 *
 * Strict, and past the end of a window: nothing while a request may still be processed (quiescence), nothing while
 * another process or host may hold the answer, until the mandatory window makes waiting cost the login anyway. Quiescence
 * itself is never cut short: until it is over the second send could be what kills the login.
 */
export function recoveryOf(
  record: GrantRecord,
  by: { readonly utc: number; readonly timing: Timing },
  { time, isGone }: Moment,
): Recovery {
  const unresolved = unresolvedOf(record)
  const { facts } = record
  const replayClass = effectiveClass(facts, by.timing)
  if (unresolved.length === 0 || replayClass === 'non_rotating') return { kind: 'send' }
  const now = time.at
  const limits = limitsOf(facts, by.timing)
  const before = replayUntil(record, by.timing, time)
  if (before !== undefined && now < before) {
    const send: Recovery = { kind: 'send', before }
    if (replayClass !== 'last_child_wins') return send
    // Its answer would be killed by ours: a sender that may still be listening is waited for.
    const listening = unresolved.filter((open) => !open.localDone)
    const over = Math.max(0, ...listening.map((open) => open.sentAt + limits.lease))
    return over > now ? wait(Math.min(over, before), false) : send
  }

  // A machine that started anew cannot say how long ago it sent: the wait begins again.
  const quiet = Math.max(limits.quiescence, limits.deadline)
  const latest = Math.max(...unresolved.map((open) => (open.boot === time.boot ? open.sentAt : now)))
  if (now < latest + quiet) return wait(latest + quiet)
  const mandatory = mandatoryAt(record, by.utc, now)
  const holder = unresolved.some((open) => !open.localDone && !isGone(open.owner))
  if (holder && now < mandatory) return wait(mandatory)
  if (hasProbe(record, by.utc)) return { kind: 'probe' }
  return now < mandatory ? wait(mandatory) : { kind: 'send' }
}

/** Whether there is a way to ask if the refresh token is alive without spending it. */
export function hasProbe({ facts, tokens }: GrantRecord, utc: number): boolean {
  if (facts.introspection) return true
  const own = tokens.find((token) => token.scope === '' && token.resource === '')
  return facts.oldTokenDies && facts.canary !== undefined && own !== undefined && own.expiresAt > utc
}

import { EvertokenError } from '../errors.ts'
import { type Answered, release } from './attempt.ts'
import type { Claimed } from './claim.ts'
import { commit } from './commit.ts'
import { durableWrite } from './durable-write.ts'
import { findToken, type TokenKey } from './grant.ts'
import type { FailedOutcome } from './outcome.ts'
import type { RefreshContext, Refreshed } from './refresh.ts'
import { settle } from './settle.ts'
import type { Moment } from './store.ts'
import type { Limits } from './timing.ts'

/** One claimed grant on its way through the steps. */
export interface Spending {
  readonly context: RefreshContext
  readonly claimed: Claimed
  readonly id: string
  readonly key: TokenKey
  readonly limits: Limits
  /** Boot time read before the claim, so that what is left of the lease is never overestimated. */
  readonly began: number
}

/** T2: durable on this host, then in the store; only now is the new token anybody's. */
export async function committed({ context, claimed, id }: Spending, answered: Answered): Promise<Refreshed> {
  const { store, clock, timing, troubled } = context
  const { attempt, record: before } = claimed
  context.faultPoint?.('post_seal')
  const spool = answered.refreshToken === undefined ? undefined : store.spool
  if (spool !== undefined) {
    const { fence, parent, owner } = attempt
    context.faultPoint?.('pre_append')
    context.uncommitted.add(attempt.id)
    // A spool that fails now changes nothing for this answer: it is in our hands, and the store may take it all the same.
    await spool
      .append({ grant: id, attempt: { id: attempt.id, fence, parent, owner }, answered })
      .catch((error: unknown) => troubled(id, error))
    context.faultPoint?.('post_append')
  }
  context.faultPoint?.('pre_commit')
  const record = await durableWrite(
    () =>
      store.update(id, (row, moment) => commit(row, attempt, answered, { utc: clock.now(), timing }, moment)),
    clock,
    (error) => troubled(id, error),
  )
  context.faultPoint?.('post_commit')
  spool?.settle(attempt.id)
  context.uncommitted.delete(attempt.id)
  context.faultPoint?.('post_unspool')
  const token =
    record === null || answered.token === undefined ? undefined : findToken(record, answered.token)
  if (record === null || token === undefined) return { kind: 'held' }
  return { kind: 'refreshed', record, token, before }
}

/** No token came: the failure becomes stored state. */
export async function settled(
  { context, claimed, id, key }: Spending,
  outcome: FailedOutcome,
  { listening = false } = {},
): Promise<Refreshed> {
  const { store, clock, timing, random, circuits } = context
  const incident = circuits.incident(claimed.record.circuit)
  context.faultPoint?.('pre_settle')
  const record = await store.update(id, (row, moment) =>
    settle(
      row,
      claimed.attempt,
      outcome,
      key,
      { utc: clock.now(), timing, random, incident, listening },
      moment,
    ),
  )
  context.faultPoint?.('post_settle')
  return { kind: 'failed', record, outcome, before: claimed.record }
}

/** Nothing was sent: the claim is given back, to be taken up again at store time `dueAt`. */
export async function released({ context, claimed, id }: Spending, dueAt?: number): Promise<Refreshed> {
  context.faultPoint?.('pre_release')
  await context.store.update(id, (row, moment: Moment) => release(row, claimed.attempt, moment, dueAt))
  context.faultPoint?.('post_release')
  return dueAt === undefined ? { kind: 'held' } : { kind: 'backoff', until: dueAt }
}

/**
 * The wire never throws for what a network does: what is thrown went wrong while the request was made (no endpoint
 * found, an unreadable signing key, a fault of ours), so nothing left.
 */
export function neverSent(error: unknown): FailedOutcome {
  const known = error instanceof EvertokenError
  const code = known ? error.code : 'internal'
  const message = error instanceof Error ? error.message : 'something that is no error was thrown'
  return { verdict: 'not_sent', failure: { code, message } }
}

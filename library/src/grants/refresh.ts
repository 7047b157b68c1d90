import type { Clock } from '../clock.ts'
import { EvertokenError } from '../errors.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import type { Transport } from '../oauth/transport.ts'
import type { Circuits } from './circuits.ts'
import { type Claim, type Claimant, claim, type Why } from './claim.ts'
import type { GrantDefinition } from './definition.ts'
import { drain } from './drain.ts'
import type { FaultPoint } from './fault-point.ts'
import type { GrantRecord, TokenRow } from './grant.ts'
import type { Notice } from './notice.ts'
import { adviceFor, type FailedOutcome } from './outcome.ts'
import { spend } from './spend.ts'
import type { GrantStore, Moment } from './store.ts'
import { effectiveClass, type Timing } from './timing.ts'

/** What came of asking for a refresh. `record` is the row as this process left it. */
export type Refreshed =
  | {
      readonly kind: 'refreshed'
      readonly record: GrantRecord
      readonly token: TokenRow
      /** The row before: what it had failed, and what had been said of it. */
      readonly before: GrantRecord
    }
  | {
      readonly kind: 'failed'
      readonly record: GrantRecord | undefined
      readonly outcome: FailedOutcome
      readonly before?: GrantRecord | undefined
    }
  /** The provider was told of a revocation, or could not be yet. */
  | { readonly kind: 'revocation'; readonly record: GrantRecord | undefined; readonly before: GrantRecord }
  | Exclude<Claim, { kind: 'claimed' }>

export interface RefreshContext {
  readonly store: GrantStore
  readonly transport: Transport
  readonly clock: Clock
  readonly random: () => number
  readonly timing: Timing
  readonly circuits: Circuits
  /** Finds the provider's endpoints; remembers what it discovered. */
  readonly serverOf: (definition: GrantDefinition) => Promise<ServerMetadata>
  /** Told when an answer cannot be stored, with the error, and when it could in the end, without. */
  readonly troubled: (id: string, error: unknown) => void
  /** Attempts of this process whose answer is in the spool and on its way into the store. */
  readonly uncommitted: Set<string>
  /** Told of an answer that a process left behind and this one has stored. */
  readonly drained: (record: GrantRecord, before: GrantRecord) => void
  /** Told of an answer that is listened for after the deadline, and what will come of it. */
  readonly listening: (id: string, heard: Promise<Refreshed>) => void
  /** Told of a notice that a claim wrote. */
  readonly noticed: (id: string, notice: Notice) => void
  /** For tests that kill a process at a named moment. */
  readonly faultPoint?: ((point: FaultPoint) => void) | undefined
}

/**
 * The only way by which a refresh token is spent, and by which tokens are minted for grants without one. Worker, readers,
 * rejections and people all come here, or to {@link refreshDue}; see attempt.ts and claim.ts for the steps and why each is
 * a transaction.
 *
 * A closed door is seen without a lock: those who wait for another's refresh are not to keep it from being stored. Who asks for what is
 * due is told by the store's own time, inside: one that is guessed outside may be a moment early, and nobody would come again.
 * `looksFree`: whoever asks has read the row just now and nobody was at work on it, so a look of our own would only be one more.
 */
export async function refresh(
  context: RefreshContext,
  id: string,
  why: Why,
  looksFree = false,
): Promise<Refreshed> {
  const refusal = await ready(context)
  if (refusal !== undefined) return refusal
  const { store } = context
  const by = claimant(context, why)
  if (!looksFree && why.kind !== 'due') {
    const seen = claim(await store.read(id), why, by(), momentOf(store))
    if (seen.record === undefined && seen.result.kind !== 'claimed') return seen.result
  }
  const began = context.clock.boot()
  const claimed = await store.update(id, (record, moment) => claim(record, why, by(), moment))
  context.faultPoint?.('post_intent')
  if (claimed.kind === 'backoff' && claimed.notice !== undefined) context.noticed(id, claimed.notice)
  return claimed.kind === 'claimed' ? spend(context, claimed, why, began) : claimed
}

/** A refresh that was begun by {@link refreshDue}. */
export interface Begun {
  readonly id: string
  readonly result: Promise<Refreshed>
}

/**
 * Claims what is due, at most `limit`, in one transaction, and refreshes it. `looked`: how many were due, those that
 * could not be claimed now among them. What is under way in this process is left alone, however long that takes: its
 * answer may be in our hands already, on its way into a slow store.
 *
 * @throws EvertokenError `store_foreign`.
 */
export async function refreshDue(
  context: RefreshContext,
  limit: number,
  isUnderWay: (id: string) => boolean,
): Promise<{ readonly looked: number; readonly begun: readonly Begun[] }> {
  const refusal = await ready(context)
  if (refusal !== undefined)
    throw new EvertokenError('store_foreign', refusal.outcome.failure.message, {
      advice: adviceFor.store_foreign,
    })
  const began = context.clock.boot()
  const why: Why = { kind: 'due' }
  const by = claimant(context, why)
  const claims = await context.store.updateDue(limit, (record, moment) => {
    if (isUnderWay(record.id)) {
      const schedule = { ...record.schedule, dueAt: moment.time.at + context.timing.scan }
      return {
        result: { id: record.id, claimed: { kind: 'held' } as const },
        record: { ...record, schedule },
      }
    }
    const { result, record: next } = claim(record, why, by(), moment)
    return { result: { id: record.id, claimed: result }, record: next }
  })
  context.faultPoint?.('post_intent')
  const begun: Begun[] = []
  for (const { id, claimed } of claims)
    if (claimed.kind === 'claimed') begun.push({ id, result: spend(context, claimed, why, began) })
    else if (claimed.kind === 'backoff' && claimed.notice !== undefined) context.noticed(id, claimed.notice)
  return { looked: claims.length, begun }
}

/** What stands before every claim: this store may be a copy, and a dead process may have left the newest answer. */
async function ready(context: RefreshContext): Promise<Extract<Refreshed, { kind: 'failed' }> | undefined> {
  const { foreign } = context.store
  if (foreign !== undefined)
    return {
      kind: 'failed',
      record: undefined,
      outcome: { verdict: 'not_sent', failure: { code: 'store_foreign', message: foreign } },
    }
  context.faultPoint?.('pre_drain')
  await drain(context)
  context.faultPoint?.('post_drain')
  context.faultPoint?.('pre_intent')
  return undefined
}

/** What a decision has to go on outside of a transaction. */
const momentOf = (store: GrantStore): Moment => ({
  time: store.time(),
  isGone: (owner) => store.spool?.isGone(owner) === true,
})

/** Whoever claims: a fresh attempt id for each grant, and what is known of its provider. */
function claimant({ store, clock, timing, circuits }: RefreshContext, why: Why): () => Claimant {
  const { owner } = store
  const utc = clock.now()
  const closedUntil = (record: GrantRecord): number | undefined =>
    // A person who asks by hand may knock at a closed door.
    why.kind === 'manual'
      ? undefined
      : circuits.closedUntil(
          record.circuit,
          effectiveClass(record.facts, timing) === 'strict',
          why.kind !== 'due',
        )
  return () => ({
    owner,
    attemptId: crypto.randomUUID(),
    spool: store.spool?.id ?? '',
    utc,
    timing,
    closedUntil,
  })
}

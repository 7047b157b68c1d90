import type { Clock } from '../clock.ts'
import { EvertokenError } from '../errors.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import type { TokenAnswer } from '../oauth/token-answer.ts'
import { type Transport, WireError } from '../oauth/transport.ts'
import { Secret } from '../secret.ts'
import { type AnswerContext, sealAnswer, sealRefreshToken } from './answer.ts'
import { type Answered, markSent, release, withoutLease } from './attempt.ts'
import type { Circuits } from './circuits.ts'
import { type Claim, type Claimant, type Claimed, claim, keyOf, lastTry, type Why } from './claim.ts'
import { commit } from './commit.ts'
import { type GrantDefinition, readDefinition } from './definition.ts'
import { drain } from './drain.ts'
import { durableWrite } from './durable-write.ts'
import type { FaultPoint } from './fault-point.ts'
import { findToken, type GrantRecord, parentOf, quarantine, type TokenKey, type TokenRow } from './grant.ts'
import type { Notice } from './notice.ts'
import { adviceFor, type FailedOutcome, judge, type Outcome } from './outcome.ts'
import { probe } from './probe.ts'
import { mandatoryAt, unresolvedOf } from './recovery.ts'
import { revokeUpstream } from './revocation.ts'
import { lost, settle } from './settle.ts'
import type { GrantStore, Moment } from './store.ts'
import { effectiveClass, type Limits, limitsOf, type Timing } from './timing.ts'
import { sendTokenMessage } from './token-message.ts'

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
 */
export async function refresh(context: RefreshContext, id: string, why: Why): Promise<Refreshed> {
  const refusal = await ready(context)
  if (refusal !== undefined) return refusal
  const began = context.clock.boot()
  const by = claimant(context, why)
  const claimed = await context.store.update(id, (record, moment) => claim(record, why, by(), moment))
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

/** One claimed grant on its way through the steps. */
interface Spending {
  readonly context: RefreshContext
  readonly claimed: Claimed
  readonly id: string
  readonly key: TokenKey
  readonly limits: Limits
  /** Boot time read before the claim, so that what is left of the lease is never overestimated. */
  readonly began: number
}

async function spend(context: RefreshContext, claimed: Claimed, why: Why, began: number): Promise<Refreshed> {
  try {
    return await follow(context, claimed, why, began)
  } catch (error) {
    // Every way out gives the lease back, also one that should not be; what was sent stays on record.
    const { record, attempt } = claimed
    const free = context.store.update(record.id, (row) => ({
      result: undefined,
      ...withoutLease(row, attempt),
    }))
    await free.catch(() => undefined)
    throw error
  }
}

async function follow(
  context: RefreshContext,
  claimed: Claimed,
  why: Why,
  began: number,
): Promise<Refreshed> {
  const { record, attempt, task } = claimed
  const { clock, timing, store, circuits } = context
  const limits = limitsOf(record.facts, timing)
  const spending: Spending = { context, claimed, id: record.id, key: keyOf(why), limits, began }
  if (task === 'revoke') return revocation(spending)
  let opened: Opened
  try {
    opened = open(store, record)
  } catch (error) {
    return unopened(spending, error)
  }
  context.faultPoint?.('post_open')

  const { definition, held } = opened
  if (held === undefined && needsRefreshToken(definition)) return settled(spending, nothingToSpend)
  const server = await context.serverOf(definition).catch((error: unknown) => neverSent(error))
  if ('verdict' in server) {
    circuits.report(record.circuit, { grant: record.id, outcome: server })
    return settled(spending, server)
  }
  if (why.kind === 'rejected') tellAge(spending)

  const interactive = why.kind !== 'due'
  const tryBy =
    claimed.before === undefined ? Number.POSITIVE_INFINITY : lastTry(record, claimed.before, timing)
  const permit = await circuits.permit(record.circuit, record.facts.refreshRate, {
    interactive,
    strict: effectiveClass(record.facts, timing) === 'strict',
    knocks: why.kind === 'manual' || store.time().at >= tryBy,
    // The wait comes out of what the lease holds beside the request itself.
    longest: Math.min(2_000, (limits.lease - limits.deadline) / 2),
  })
  if (permit !== undefined)
    return released(spending, tryBy > store.time().at ? Math.min(permit, tryBy) : permit)
  context.faultPoint?.('post_permit')

  // Another server may have been the first to hear of this claim; markSent finds what comes to light now.
  if (store.regressions !== undefined) await drain(context)
  if (claimed.again && (await answeredMeanwhile(spending))) return { kind: 'held' }
  if (claimed.probe) {
    const stopped = await probed(spending, server, opened)
    if (stopped !== undefined) return stopped
  }
  // Whoever read the old token from memory a moment ago has been told by now that it is being replaced.
  if (record.facts.oldTokenDies && record.tokens.length > 0) await clock.sleep(timing.revalidate)

  context.faultPoint?.('pre_mark')
  const { before = Number.POSITIVE_INFINITY } = claimed
  const tooLate = () => clock.boot() - began > limits.lease - limits.deadline || store.time().at >= before
  if (attempt.sentAt === undefined) {
    const blocked = await unspoolable(spending)
    if (blocked !== undefined) return settled(spending, blocked)
    if (tooLate() || !(await store.update(record.id, (row, moment) => markSent(row, attempt, moment))))
      return released(spending)
  } else if (tooLate()) return released(spending)
  context.faultPoint?.('pre_send')
  // Stopped since the mark, and somebody else may have spent it meanwhile: what is left is the step into the kernel.
  if (tooLate()) return released(spending)

  const askedAt = clock.now()
  const livesFrom = askedAt - sinceFirstSend(spending)
  let listening: Promise<TokenAnswer> | undefined
  const late = listeningTime(record, limits, timing)
  const take = (answer: Promise<TokenAnswer>): void => {
    listening = answer
  }
  const message = {
    server,
    definition,
    held,
    key: spending.key,
    deadline: limits.deadline,
    late: late > 0 ? { ms: late, take } : undefined,
  }
  const wire = { clock, transport: inTime(context.transport, tooLate) }
  const answer = await sendTokenMessage(message, wire).catch((error: unknown) => neverSent(error))
  context.faultPoint?.('post_receive')
  const outcome = 'verdict' in answer ? answer : judge(answer, effectiveClass(record.facts, timing))
  circuits.report(record.circuit, { grant: record.id, outcome })
  const sealing: AnswerContext = {
    seal: store.seal,
    record,
    attempt,
    definition,
    held,
    key: spending.key,
    askedAt,
    claimedAt: record.schedule.lastAttemptAt,
    livesFrom,
    assumedLifetime: circuits.lifetime(record.circuit) ?? timing.assumedLifetime,
  }
  if (listening !== undefined) {
    const heard = listening.then((late) => judged(spending, judge(late, 'strict'), sealing))
    context.listening(record.id, heard)
    return settled(spending, outcome as FailedOutcome, { listening: true })
  }
  return judged(spending, outcome, sealing)
}

async function judged(spending: Spending, outcome: Outcome, sealing: AnswerContext): Promise<Refreshed> {
  if (outcome.verdict === 'ok') return committed(spending, sealAnswer(sealing, outcome.response))
  if (outcome.verdict === 'ambiguous' && outcome.refreshToken !== undefined) {
    const { context, claimed, id } = spending
    // The old one is spent whatever came beside the new: it is kept first, and proved by using it.
    await committed(spending, { refreshToken: sealRefreshToken(sealing, outcome.refreshToken) })
    return { kind: 'failed', record: await context.store.read(id), outcome, before: claimed.record }
  }
  return settled(spending, outcome)
}

/**
 * Milliseconds after the deadline for which an answer is still listened for. Where a used refresh token ends the login
 * nothing is sent before quiescence is over, so until shortly before that listening costs nothing, and what it hears is all
 * there is.
 */
const listeningTime = (record: GrantRecord, { deadline, quiescence }: Limits, timing: Timing): number =>
  effectiveClass(record.facts, timing) === 'strict' && record.refreshToken !== undefined
    ? 0.9 * quiescence - deadline
    : 0

/**
 * Milliseconds from the first send on this refresh token to now, where the provider repeats its answer to that: the same token,
 * with a lifetime that is stated anew and counts from then.
 */
function sinceFirstSend({ context, claimed }: Spending): number {
  const { record, attempt } = claimed
  if (record.facts.replayClass !== 'idempotent') return 0
  const earlier = unresolvedOf(record).filter(({ id }) => id !== attempt.id)
  const { at } = context.store.time()
  return Math.max(0, ...earlier.map(({ sentAt }) => at - sentAt))
}

/** Between the last look at the clock and the wire the message is made: whoever was stopped there is late as well. */
const inTime =
  (transport: Transport, isLate: () => boolean): Transport =>
  (request) =>
    isLate()
      ? Promise.reject(new WireError('local', 'this process was stopped before the send', { sent: false }))
      : transport(request)

interface Opened {
  readonly definition: GrantDefinition
  readonly held: Secret | undefined
}

function open(store: GrantStore, record: GrantRecord): Opened {
  const definition = readDefinition(
    store.seal.open(record.definition, { grant: record.id, field: 'definition' }),
  )
  const held =
    record.refreshToken === undefined
      ? undefined
      : new Secret(store.seal.open(record.refreshToken.sealed, { grant: record.id, field: 'refresh_token' }))
  return { definition, held }
}

const needsRefreshToken = ({ grantType }: GrantDefinition): boolean =>
  grantType === 'authorization_code' || grantType === 'refresh_token'

const nothingToSpend: FailedOutcome = {
  verdict: 'rejected',
  person: true,
  failure: {
    code: 'no_refresh_token',
    message: 'the provider gave no refresh token, so this login ends with its access token',
  },
}

/**
 * The wire never throws for what a network does: what is thrown went wrong while the request was made (no endpoint
 * found, an unreadable signing key, a fault of ours), so nothing left.
 */
function neverSent(error: unknown): FailedOutcome {
  const known = error instanceof EvertokenError
  const code = known ? error.code : 'internal'
  const message = error instanceof Error ? error.message : 'something that is no error was thrown'
  return { verdict: 'not_sent', failure: { code, message } }
}

/** How long a token lived whose lifetime nobody stated. */
function tellAge({ context, claimed, key }: Spending): void {
  const { record } = claimed
  const refused = findToken(record, key)
  if (refused?.lifetimeFrom === 'assumed')
    context.circuits.reportAge(record.circuit, context.clock.now() - refused.obtainedAt)
}

/** Where an answer could not be kept, a refresh token is not sent whose answer comes once. */
async function unspoolable({ context }: Spending): Promise<FailedOutcome | undefined> {
  const { spool } = context.store
  if (spool === undefined) return undefined
  return spool.ready().then(
    () => undefined,
    (error: unknown) => neverSent(error),
  )
}

/** A sender of this host may have died since the claim, with the answer in its spool. */
async function answeredMeanwhile({ context, claimed, id }: Spending): Promise<boolean> {
  await drain(context)
  return (await context.store.read(id))?.fence !== claimed.attempt.fence
}

/** Asks whether the refresh token is alive; undefined when it may be sent. */
async function probed(
  spending: Spending,
  server: ServerMetadata,
  { definition, held }: Opened,
): Promise<Refreshed | undefined> {
  const { context, claimed, id, limits } = spending
  const { store, clock, timing } = context
  const { record, attempt } = claimed
  context.faultPoint?.('pre_probe')
  // What the lease leaves beside the request itself.
  const deadline = (limits.lease - limits.deadline) / 2
  const alive = await probe(context, record, server, definition, held, deadline)
  context.faultPoint?.('post_probe')
  switch (alive) {
    case 'alive':
      return undefined
    case 'dead': {
      context.faultPoint?.('pre_lost')
      const after = await store.update(id, (row, moment) =>
        lost(row, attempt, { utc: clock.now(), timing }, moment),
      )
      context.faultPoint?.('post_lost')
      const message = 'the provider has replaced the refresh token, and the answer with the new one was lost'
      return {
        kind: 'failed',
        record: after,
        outcome: {
          verdict: 'rejected',
          person: true,
          failure: { code: 'reauthorization_required', message },
        },
        before: record,
      }
    }
    case 'unknown': {
      const { at } = store.time()
      const mandatory = mandatoryAt(record, clock.now(), at)
      // Without an answer it is as without a probe: one late replay, when waiting on would cost the token anyway.
      return at >= mandatory ? undefined : released(spending, Math.min(mandatory, at + timing.probePause))
    }
    default:
      return alive satisfies never
  }
}

/** T2: durable on this host, then in the store; only now is the new token anybody's. */
async function committed({ context, claimed, id }: Spending, answered: Answered): Promise<Refreshed> {
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

async function settled(
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
async function released({ context, claimed, id }: Spending, dueAt?: number): Promise<Refreshed> {
  context.faultPoint?.('pre_release')
  await context.store.update(id, (row, moment: Moment) => release(row, claimed.attempt, moment, dueAt))
  context.faultPoint?.('post_release')
  return dueAt === undefined ? { kind: 'held' } : { kind: 'backoff', until: dueAt }
}

async function revocation({ context, claimed, id }: Spending): Promise<Refreshed> {
  context.faultPoint?.('pre_revoke')
  const record = await revokeUpstream(context, id, claimed)
  context.faultPoint?.('post_revoke')
  return { kind: 'revocation', record, before: claimed.record }
}

async function unopened(spending: Spending, error: unknown): Promise<Refreshed> {
  const { context, claimed, id } = spending
  if (!(error instanceof EvertokenError)) throw error
  const failure = { code: error.code, message: error.message }
  // A key that is merely not configured is the operator's to bring back; the row itself may be perfectly good.
  if (error.code !== 'store_damaged') return settled(spending, { verdict: 'refused', failure })
  const record = await context.store.update(id, (row) => {
    if (row === undefined || parentOf(row) !== claimed.attempt.parent) return { result: row }
    const next = quarantine(row, error.message, context.clock.now())
    return { result: next, record: next }
  })
  return { kind: 'failed', record, outcome: { verdict: 'refused', failure }, before: claimed.record }
}

import { EvertokenError } from '../errors.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import type { ProofKey } from '../oauth/proof-key.ts'
import type { TokenAnswer, TokenResponse } from '../oauth/token-answer.ts'
import { type Transport, WireError, type WireRequest } from '../oauth/transport.ts'
import { Secret } from '../secret.ts'
import { type AnswerContext, sealAnswer, sealRefreshToken } from './answer.ts'
import { askedLifetime } from './asked-lifetime.ts'
import { markSent, withoutLease } from './attempt.ts'
import { type Claimed, keyOf, lastTry, type Why } from './claim.ts'
import { type GrantDefinition, openedDefinition } from './definition.ts'
import { drain } from './drain.ts'
import { extended } from './extension.ts'
import { findToken, type GrantRecord, mints, parentOf, quarantine } from './grant.ts'
import { type FailedOutcome, judge, type Outcome } from './outcome.ts'
import { probe } from './probe.ts'
import { provingKey } from './proof-key.ts'
import { mandatoryAt, unresolvedOf } from './recovery.ts'
import type { RefreshContext, Refreshed } from './refresh.ts'
import { revokeUpstream } from './revocation.ts'
import { keepSecondaries } from './secondary.ts'
import { lost } from './settle.ts'
import { committed, neverSent, released, type Spending, settled } from './spending.ts'
import type { GrantStore } from './store.ts'
import { effectiveClass, type Limits, limitsOf, type Timing } from './timing.ts'
import { checkReadersWait } from './timing-check.ts'
import { sendTokenMessage } from './token-message.ts'

/** Takes a claimed grant through the steps after the claim; every way out gives the lease back. */
export async function spend(
  context: RefreshContext,
  claimed: Claimed,
  why: Why,
  began: number,
): Promise<Refreshed> {
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
  const claimedBy = clock.boot()
  const spending: Spending = { context, claimed, id: record.id, key: keyOf(why), limits, began }
  if (task === 'revoke') return revocation(spending)
  let opened: Opened
  try {
    opened = open(store, record)
  } catch (error) {
    return unopened(spending, error)
  }
  context.faultPoint?.('post_open')

  const { definition, held, proofKey } = opened
  if (held === undefined && !mints(record.grantType)) return settled(spending, nothingToSpend)
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
  // Whoever read the old token from memory before the claim has been told by then that it is being replaced.
  const untold = claimedBy + timing.revalidate - clock.boot()
  if (record.facts.oldTokenDies && record.tokens.length > 0 && untold > 0) {
    try {
      checkReadersWait(timing)
    } catch (error) {
      // Another process added the grant, with times of its own.
      return settled(spending, neverSent(error))
    }
    await clock.sleep(untold)
  }

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
    proofKey,
    key: spending.key,
    deadline: limits.deadline,
    late: late > 0 ? { ms: late, take } : undefined,
  }
  const wire = { clock, transport: inTime(context.transport, tooLate) }
  const told = (answer: TokenAnswer) => extended(answer, store.seal, record, spending.key)
  const answer = await sendTokenMessage(message, wire).then(told, (error: unknown) => neverSent(error))
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
    issuer: server.issuer,
    assumedLifetime: circuits.lifetime(record.circuit) ?? timing.assumedLifetime,
  }
  if (listening !== undefined) {
    const heard = listening.then((late) => judged(spending, judge(told(late), 'strict'), sealing))
    context.listening(record.id, heard)
    return settled(spending, outcome as FailedOutcome, { listening: true })
  }
  return askedLifetime(spending, server, definition, await judged(spending, outcome, sealing))
}

async function judged(spending: Spending, outcome: Outcome, sealing: AnswerContext): Promise<Refreshed> {
  if (outcome.verdict === 'ok') {
    const result = await committed(spending, sealAnswer(sealing, outcome.response))
    if (result.kind === 'refreshed') await keepFirstSecondaries(spending, outcome.response, sealing)
    return result
  }
  if (outcome.verdict === 'ambiguous' && outcome.refreshToken !== undefined) {
    const { context, claimed, id } = spending
    // The old one is spent whatever came beside the new: it is kept first, and proved by using it.
    await committed(spending, { refreshToken: sealRefreshToken(sealing, outcome.refreshToken) })
    return { kind: 'failed', record: await context.store.read(id), outcome, before: claimed.record }
  }
  return settled(spending, outcome)
}

/** The first answer to a login that was imported may bring what a consent would have: the grants of its secondary tokens. */
async function keepFirstSecondaries(
  { context, claimed: { record }, id }: Spending,
  response: TokenResponse,
  { definition, askedAt }: AnswerContext,
): Promise<void> {
  if (response.secondary === undefined || record.tokens.length > 0 || record.epoch > 1) return
  const login = { id, labels: () => record.labels, definition, response, askedAt }
  const kept = keepSecondaries(context, login, () => true, Promise.resolve())
  // A name that another grant has taken since this one was added keeps nobody from the token that is there.
  const made = await kept.catch(() => [])
  for (const { id: other, notices, epoch } of made)
    for (const notice of notices) if (notice.epoch === epoch) context.noticed(other, notice)
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
const inTime = (transport: Transport, isLate: () => boolean): Transport =>
  Object.assign(
    (request: WireRequest) =>
      isLate()
        ? Promise.reject(new WireError('local', 'this process was stopped before the send', { sent: false }))
        : transport(request),
    { showsCertificates: transport.showsCertificates },
  )

interface Opened {
  readonly definition: GrantDefinition
  readonly held: Secret | undefined
  readonly proofKey: ProofKey | undefined
}

function open(store: GrantStore, record: GrantRecord): Opened {
  const definition = openedDefinition(store.seal, record)
  const held =
    record.refreshToken === undefined
      ? undefined
      : new Secret(store.seal.open(record.refreshToken.sealed, { grant: record.id, field: 'refresh_token' }))
  return { definition, held, proofKey: provingKey(store.seal, record, definition) }
}

const nothingToSpend: FailedOutcome = {
  verdict: 'rejected',
  person: true,
  failure: {
    code: 'no_refresh_token',
    message: 'the provider gave no refresh token, so this login ends with its access token',
  },
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

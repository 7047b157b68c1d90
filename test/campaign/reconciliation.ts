import {
  awake,
  historyOf,
  judgeLogin,
  type LoginHistory,
  type LoginVerdict,
  type LossCause,
  loginHistories,
  overlaps,
  refreshesDone,
  refreshRequests,
  type TruthEntry,
} from '@evertoken/testing'
import type { CampaignEvent, SeenEvent } from './event-file.ts'
import type { HeldLogin } from './observer.ts'
import { isWindowed, type ProviderClass, rotationOf } from './provider-class.ts'
import type { Scale } from './scale.ts'
import type { StoreKind } from './store-place.ts'
import { faultsInWindow, hardshipsOf, struckClaims } from './window-faults.ts'

/** Everything that is known of a run when it is over. */
export interface Records {
  readonly name: ProviderClass
  readonly store: StoreKind | 'file'
  readonly scale: Scale
  readonly truth: readonly TruthEntry[]
  readonly campaign: readonly CampaignEvent[]
  readonly seen: readonly SeenEvent[]
  readonly logins: readonly HeldLogin[]
}

export interface JudgedLogin {
  readonly grant: string
  readonly state: string
  readonly verdict: LoginVerdict
  readonly history: LoginHistory
  /** Of a loss: milliseconds until somebody was told; undefined when nobody was. */
  readonly noticedAfter?: number | undefined
  /** Of a loss: nobody was told within 60 s, in proportion to the lease, from when it could be known. */
  readonly isSilent?: boolean | undefined
}

/** What the ground truth says of a run. */
export interface Findings {
  readonly logins: readonly JudgedLogin[]
  readonly lostAvoidably: readonly JudgedLogin[]
  readonly lostUnavoidably: readonly JudgedLogin[]
  /** Those that `judgeLogin` calls avoidable, which knows nothing of tries that were struck one after the other. */
  readonly avoidableByChecker: readonly JudgedLogin[]
  readonly causes: ReadonlyMap<LossCause, number>
  /** Logins that a person was asked to renew, and that were alive. */
  readonly falseReauthorizations: readonly JudgedLogin[]
  /** Losses of which nobody was told in time. */
  readonly silent: readonly JudgedLogin[]
  /** The longest that a notice of a loss took, in milliseconds. */
  readonly slowestNotice: number
  /** Used refresh tokens of ours that ended a login which lived, and ones that ended what was lost or could not be helped. */
  readonly familyKills: { readonly ofLiving: readonly string[]; readonly ofLost: readonly string[] }
  /** Logins with two requests in flight at once. */
  readonly inFlight: readonly string[]
  /** Pairs of those requests. */
  readonly pairsInFlight: number
  readonly requests: { readonly due: number; readonly sent: number }
  /** Of those sent, the ones for logins that were lost already: to find that out, and to be sure of it. */
  readonly sentToLost: number
  /** The same before the first fault. */
  readonly quiet: { readonly due: number; readonly sent: number }
  /** Times that a process died or stood still while it held a login. */
  readonly struck: number
  readonly served: {
    readonly reads: number
    readonly expired: readonly ServedToken[]
    readonly revoked: readonly ServedToken[]
  }
  /** Alive at the provider, and not refreshed any more: neither lost nor told. */
  readonly stuck: readonly JudgedLogin[]
  /** Said to be revoked at the provider, where they live on. */
  readonly unrevoked: readonly JudgedLogin[]
}

export interface ServedToken {
  readonly grant: string
  readonly sender: string
  readonly at: number
  /** Milliseconds since it was over. */
  readonly late: number
}

/** Compares what the client believes with what truly happened. */
export function reconcile(records: Records): Findings {
  const { truth, campaign, logins: held } = records
  const histories = loginHistories(truth)
  const evidence = evidenceOf(records)
  const notices = byGrant(of(campaign, 'notice'))
  const first = new Map(of(campaign, 'added').map(({ grant, refreshToken }) => [grant, refreshToken]))
  const spooled = byGrant(of(campaign, 'spooled'))

  const logins = held.map((login): JudgedLogin => {
    const { grant, state } = login
    const history = historyOf(histories, first.get(grant) ?? '')
    if (history === undefined) throw new Error(`the provider knows no login of ${grant}`)
    const kept = [...login.kept, ...(spooled.get(grant) ?? []).map(({ refreshToken }) => refreshToken)]
    const verdict = judgeLogin(history, { ...evidence, held: login.held, kept })
    if (verdict.state !== 'lost') return { grant, state, verdict, history }
    const at = lostAt(history, verdict, records)
    const noticedAfter = noticeOf(at, notices.get(grant) ?? [], records.scale)
    const isSilent =
      noticedAfter === undefined || noticedAfter > knowableAfter(history, at, evidence) + records.scale.notice
    return { grant, state, verdict, history, noticedAfter, isSilent }
  })
  const lost = logins.filter(({ verdict }) => verdict.state === 'lost')
  const hardships = { ...hardshipsOf(campaign, records.seen), absences: evidence.absences }
  const isAvoidable = ({ grant, history, verdict }: JudgedLogin): boolean => {
    if (verdict.state !== 'lost') return false
    // A request of ours that came later than anybody waits: the protocol's residual loss, window or not.
    if (verdict.familyKill?.alreadyLost === false && !verdict.avoidable) return false
    // With a window everything is avoidable that was struck only once: the window is there to ask again.
    return isWindowed(records.name)
      ? faultsInWindow(grant, history, verdict, hardships, records.scale) < 2
      : verdict.avoidable
  }
  const causes = new Map<LossCause, number>()
  for (const { verdict } of lost)
    if (verdict.state === 'lost') causes.set(verdict.cause, (causes.get(verdict.cause) ?? 0) + 1)
  const delays = lost.flatMap(({ noticedAfter }) => noticedAfter ?? [])
  const pairs = logins.map(({ grant, history }) => ({ grant, pairs: overlaps(history).length }))
  const storm = of(campaign, 'phase').find(({ phase }) => phase === 'storm')?.at ?? Number.POSITIVE_INFINITY
  const alive = logins.filter(({ verdict }) => verdict.state === 'alive')
  const asked = (grant: string) =>
    (notices.get(grant) ?? []).some(({ kind }) => kind === 'reauthorization_required')
  return {
    logins,
    lostAvoidably: lost.filter(isAvoidable),
    lostUnavoidably: lost.filter((login) => !isAvoidable(login)),
    avoidableByChecker: lost.filter(({ verdict }) => verdict.state === 'lost' && verdict.avoidable),
    causes,
    falseReauthorizations: alive.filter(
      ({ grant, state }) => state === 'reauthorization_required' || asked(grant),
    ),
    silent: lost.filter(({ isSilent }) => isSilent),
    slowestNotice: Math.max(0, ...delays),
    familyKills: {
      ofLiving: logins.filter(({ verdict }) => isGuilty(verdict)).map(({ grant }) => grant),
      ofLost: logins
        .filter(({ verdict }) => verdict.familyKill !== undefined && !isGuilty(verdict))
        .map(({ grant }) => grant),
    },
    inFlight: pairs.filter((login) => login.pairs > 0).map(({ grant }) => grant),
    pairsInFlight: pairs.reduce((sum, login) => sum + login.pairs, 0),
    requests: requestsOf([...histories.values()]),
    sentToLost: lost.reduce((sum, login) => sum + requestsAfterLoss(login), 0),
    quiet: requestsOf([...loginHistories(truth.filter(({ at }) => at < storm)).values()]),
    struck: struckClaims(campaign, records.seen),
    served: servedOf(records, logins),
    stuck: alive.filter(({ grant, state }) => state !== 'active' || !isProven(records, grant)),
    unrevoked: logins.filter(({ state, verdict }) => state === 'revoked' && verdict.state === 'alive'),
  }
}

/** It ended a login that lived, and not because it was processed later than anybody waits. */
const isGuilty = (verdict: LoginVerdict): boolean =>
  verdict.familyKill?.alreadyLost === false && (verdict.state !== 'lost' || verdict.avoidable)

/** A login is proved to live by a refresh that the provider carried out after the last fault. */
function isProven({ campaign, logins }: Records, grant: string): boolean {
  const calm = of(campaign, 'phase').find(({ phase }) => phase === 'calm')?.at ?? 0
  const login = logins.find((one) => one.grant === grant)
  return login !== undefined && (login.refreshedAt ?? 0) > calm
}

const requestsOf = (histories: readonly LoginHistory[]) => ({
  due: histories.reduce((sum, history) => sum + refreshesDone(history), 0),
  sent: histories.reduce((sum, history) => sum + refreshRequests(history).length, 0),
})

function requestsAfterLoss({ history, verdict }: JudgedLogin): number {
  if (verdict.state !== 'lost') return 0
  const last = verdict.request ?? history.requests.at(-1)
  const at = last?.processedAt ?? last?.receivedAt ?? 0
  return refreshRequests(history).filter((request) => request !== last && request.receivedAt > at).length
}

/** What the server's log cannot know, from what we did to the processes. */
function evidenceOf({ name, store, scale, campaign, seen, truth }: Omit<Records, 'logins'>) {
  const { deadline, lease, quiescence } = scale.timing
  return {
    rotation: rotationOf(name),
    reuseWindow: isWindowed(name) ? scale.reuseWindow : undefined,
    kills: killsOf(campaign, seen, truth, scale.handover),
    stops: stopsOf(campaign),
    absences: [...absencesOf(campaign, seen), ...(store === 'sqlite' ? locksOf(campaign, seen) : [])],
    timing: { deadline, lease, quiescence, mandatory: scale.mandatory, handover: scale.handover },
  }
}

const stopsOf = (campaign: readonly CampaignEvent[]) =>
  of(campaign, 'stopped').map(({ sender, at, until }) => ({ sender, from: at, until }))

/**
 * When each process died, which it knows better itself than whoever waits for its end. For an answer it dies again where
 * the server received the request after its death, and where it had not read the answer, or had read it just before.
 */
function killsOf(
  campaign: readonly CampaignEvent[],
  seen: readonly SeenEvent[],
  truth: readonly TruthEntry[],
  handover: number,
): { sender: string; at: number }[] {
  const own = new Map(of(seen, 'die').map(({ sender, at }) => [sender, at]))
  const died = new Map(of(campaign, 'killed').map(({ sender, at }) => [sender, own.get(sender) ?? at]))
  const read = new Map(of(seen, 'answer').map((event) => [`${event.sender} ${event.refreshToken}`, event.at]))
  const tellsReads = new Set(of(seen, 'send').map(({ sender }) => sender))
  const stops = stopsOf(campaign)
  const unread = of(truth, 'received').flatMap(({ sender = '', refreshToken, at }) => {
    const death = died.get(sender)
    if (death === undefined) return []
    const readAt = read.get(`${sender} ${refreshToken}`) ?? Number.POSITIVE_INFINITY
    const isUnread = at > death || (tellsReads.has(sender) && awake(sender, readAt, death, stops) <= handover)
    return isUnread ? [{ sender, at }] : []
  })
  return [...[...died].map(([sender, at]) => ({ sender, at })), ...unread]
}

/** Spans in which no process was at work: dead, not yet started, stopped, or kept waiting by the machine. */
export function absencesOf(
  campaign: readonly CampaignEvent[],
  seen: readonly SeenEvent[],
): { from: number; until: number }[] {
  const changes = [
    ...of(seen, 'ready').map(({ at }) => ({ at, by: 1 })),
    ...of(campaign, 'killed').map(({ at }) => ({ at, by: -1 })),
    // A stop is a stall as well, but for one that ended with a kill.
    ...of(seen, 'stalled').flatMap(({ at, from }) => [
      { at: from, by: -1 },
      { at, by: 1 },
    ]),
  ].sort((a, b) => a.at - b.at || a.by - b.by)
  const absences: { from: number; until: number }[] = []
  let present = 0
  let since: number | undefined
  for (const { at, by } of changes) {
    present += by
    if (present <= 0) since ??= at
    else if (since !== undefined) {
      absences.push({ from: since, until: at })
      since = undefined
    }
  }
  return absences
}

/**
 * Spans in which a process that stood still in the middle of a transaction kept all others from a SQLite file: it may have,
 * where it was stopped, and nobody at all claimed anything meanwhile.
 */
export function locksOf(
  campaign: readonly CampaignEvent[],
  seen: readonly SeenEvent[],
): { from: number; until: number }[] {
  const claims = of(seen, 'claimed')
  return of(campaign, 'stopped')
    .filter(({ point }) => point === 'pre_store_commit' || point === 'outside')
    .map(({ at, until }) => ({ from: at + stopping, until: until - stopping }))
    .filter(({ from, until }) => from < until && !claims.some(({ at }) => at > from && at < until))
}

/** Milliseconds from the stop of a process until somebody else notices: what it let go of just before is still under way. */
const stopping = 50

type Notice = Extract<CampaignEvent, { type: 'notice' }>
type Lost = Extract<LoginVerdict, { state: 'lost' }>
type Evidence = ReturnType<typeof evidenceOf>

/** UTC ms at which it was certain. */
function lostAt(
  { requests }: LoginHistory,
  verdict: Lost,
  { name, scale }: Pick<Records, 'name' | 'scale'>,
): number {
  const request = verdict.request ?? requests.at(-1)
  // As long as its window is open nothing is lost.
  const open = isWindowed(name) ? scale.reuseWindow * 1000 : 0
  return (request?.processedAt ?? request?.receivedAt ?? 0) + open
}

/**
 * Milliseconds from a loss until it could be known: until a request after it was answered, and whoever asked lived. Only the
 * answer to another request tells that one which came late has ended the login.
 */
function knowableAfter({ requests }: LoginHistory, from: number, { kills, stops, timing }: Evidence): number {
  const answered = requests.filter(({ receivedAt, delivery }) => receivedAt >= from && delivery === 'whole')
  const heard = answered.find(
    ({ sender, receivedAt, answeredAt = Number.POSITIVE_INFINITY }) =>
      !kills.some(
        (kill) =>
          kill.sender === sender &&
          kill.at >= receivedAt &&
          awake(sender, answeredAt, kill.at, stops) <= timing.handover,
      ),
  )
  // Where all died who asked, it was known no sooner than by the last of them.
  return ((heard ?? answered.at(-1))?.receivedAt ?? from) - from
}

/** Milliseconds from a loss to the first notice that tells of it; negative where it was told before it was certain. */
function noticeOf(lost: number, notices: readonly Notice[], { timing }: Scale): number | undefined {
  // A request that was held back is at risk before it is processed; what was said and taken back does not count.
  const told = notices.filter(({ kind, at }, index) => {
    if (kind !== 'at_risk' && kind !== 'reauthorization_required') return false
    if (at >= lost) return true
    const takenBack = notices
      .slice(index + 1)
      .some((later) => later.kind === 'recovered' && later.at <= lost + timing.lease)
    return !takenBack
  })
  const earliest = told[0]?.at
  return earliest === undefined ? undefined : earliest - lost
}

/** Tokens that a reader was given when they were over. */
function servedOf(records: Records, logins: readonly JudgedLogin[]): Findings['served'] {
  const { campaign, seen } = records
  const reads = of(seen, 'read')
  const revokedAt = new Map(of(seen, 'revoked').map(({ grant, at }) => [grant, at]))
  const expiries = new Map(
    logins.flatMap(({ history }) =>
      [...history.accessTokens.values()].map(({ fingerprint, expiresAt }) => [fingerprint, expiresAt]),
    ),
  )
  const stops = of(campaign, 'stopped')
  const wasStopped = ({ sender, asked, at }: (typeof reads)[number]) =>
    stops.some((stop) => stop.sender === sender && stop.at <= at && stop.until >= asked)
  const expired: ServedToken[] = []
  const revoked: ServedToken[] = []
  for (const read of reads) {
    const { grant, sender, at, asked } = read
    const late = at - (expiries.get(read.accessToken) ?? Number.POSITIVE_INFINITY)
    // A process that is stopped between looking at its clock and writing it down has served nothing that was over.
    if (late > 0 && !wasStopped(read)) expired.push({ grant, sender, at, late })
    const over = revokedAt.get(grant)
    if (over !== undefined && asked > over) revoked.push({ grant, sender, at, late: asked - over })
  }
  return { reads: reads.length, expired, revoked }
}

function byGrant<Event extends { readonly grant: string }>(events: readonly Event[]): Map<string, Event[]> {
  const grouped = new Map<string, Event[]>()
  for (const event of events) grouped.set(event.grant, [...(grouped.get(event.grant) ?? []), event])
  return grouped
}

function of<Event extends { readonly type: string }, Type extends Event['type']>(
  events: readonly Event[],
  type: Type,
): Extract<Event, { readonly type: Type }>[] {
  return events.filter((event): event is Extract<Event, { readonly type: Type }> => event.type === type)
}

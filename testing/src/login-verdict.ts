import { excuseOfKill, parentOf } from './family-kill.ts'
import { type LoginHistory, liveRefreshTokens, type TokenRequestHistory } from './login-history.ts'
import {
  awake,
  type LossCause,
  type LossEvidence,
  type ResolvedEvidence,
  resolveEvidence,
} from './loss-evidence.ts'
import { isWindowed } from './rotation.ts'

/** A used refresh token that ended its login. */
export interface FamilyKill {
  readonly request: TokenRequestHistory
  /** The client had no live refresh token any more, and none was on its way: the kill cost no login. */
  readonly alreadyLost: boolean
}

/** What became of a login. */
export type LoginVerdict = {
  /** The refresh tokens that are live at the end. */
  readonly live: readonly string[]
  readonly familyKill?: FamilyKill | undefined
} & (
  | {
      /** The client holds a live refresh token; asking for a new login would be a false alarm. */
      readonly state: 'alive'
    }
  | {
      /** Revoked by its client or by an administrator: no loss. */
      readonly state: 'revoked'
    }
  | {
      readonly state: 'lost'
      readonly avoidable: boolean
      readonly cause: LossCause
      /** The request whose answer, or whose coming, it was. */
      readonly request?: TokenRequestHistory | undefined
    }
)

/** Whether a client with that evidence still has the login, and if not, whether it could have. */
export function judgeLogin(history: LoginHistory, given: LossEvidence): LoginVerdict {
  const evidence = resolveEvidence(history, given)
  const familyKill = familyKillOf(history, evidence)
  const live = liveRefreshTokens(history)
  const common = { live, familyKill }
  const { ended } = history
  if (ended !== undefined && ended.by !== 'family_kill') return { ...common, state: 'revoked' }
  if (live.some((token) => evidence.held.has(token))) return { ...common, state: 'alive' }
  if (familyKill !== undefined && !familyKill.alreadyLost) {
    const { request } = familyKill
    const excuse = excuseOfKill(history, request, evidence)
    return { ...common, state: 'lost', avoidable: !excuse, cause: excuse ?? 'family_killed', request }
  }
  const wanted = ofLastParent(history, ended === undefined ? live : liveRefreshTokens(history, ended.place))
  // Of several live children each would have been enough, so the one that was easiest to keep decides.
  const losses = wanted.map((token) => lossOf(history, token, evidence))
  const decisive = losses.find(({ avoidable }) => avoidable) ?? losses[0]
  // Every login has a live refresh token until it ends; without one it never had any.
  return { ...common, state: 'lost', ...(decisive ?? { avoidable: false, cause: 'answer_lost' }) }
}

/**
 * The children of the refresh token that the client had last, where there are any: a provider that forks leaves others alive
 * whose answers were lost, and which nobody has missed since.
 */
function ofLastParent({ requests, refreshTokens, ended }: LoginHistory, live: readonly string[]) {
  const last =
    ended?.request?.presented ?? requests.findLast(({ presented }) => presented !== undefined)?.presented
  const children = live.filter((token) => refreshTokens.get(token)?.issuedBy.presented === last)
  return children.length === 0 ? live : children
}

interface Loss {
  readonly avoidable: boolean
  readonly cause: LossCause
  readonly request?: TokenRequestHistory | undefined
}

/** Why the client does not hold a refresh token that is live. */
function lossOf(history: LoginHistory, refreshToken: string, evidence: ResolvedEvidence): Loss {
  const answers = history.requests.filter((request) => request.refreshToken === refreshToken)
  const request = answers.at(-1)
  if (evidence.unreachable.has(refreshToken))
    return inWindow(history, { avoidable: false, cause: 'host_gone', request }, evidence)
  if (evidence.ever.has(refreshToken)) return { avoidable: true, cause: 'token_discarded', request }
  for (const answer of answers)
    if (excuseOfAnswer(answer, evidence) === undefined)
      return { avoidable: true, cause: 'answer_dropped', request: answer }
  const cause = (request && excuseOfAnswer(request, evidence)) ?? 'answer_lost'
  return inWindow(history, { avoidable: false, cause, request }, evidence)
}

/** Why an answer never became the client's; undefined when nothing speaks against its having arrived. */
function excuseOfAnswer(request: TokenRequestHistory, evidence: ResolvedEvidence): LossCause | undefined {
  const { kills, stops, timing } = evidence
  const { receivedAt, answeredAt, delivery, sender } = request
  if (request.processedLate) return 'processed_late'
  if (delivery !== 'whole' || answeredAt === undefined) return 'answer_lost'
  if (answeredAt - receivedAt >= timing.deadline) return 'answer_lost'
  const killed = kills.some(
    (kill) =>
      (kill.sender === undefined || sender === undefined || kill.sender === sender) &&
      kill.at >= receivedAt &&
      awake(sender, answeredAt, kill.at, stops) <= timing.handover,
  )
  return killed ? 'killed_before_durable' : undefined
}

/** With a reuse window a lost answer is had again, if anybody lives long enough to ask for it. */
function inWindow(history: LoginHistory, loss: Loss, evidence: ResolvedEvidence): Loss {
  const parent = parentOf(history, loss.request)
  if (parent?.consumedAt === undefined || !isWindowed(evidence.rotation)) return loss
  const end = parent.consumedAt + evidence.reuseWindow
  const sends = history.requests.filter(
    ({ presented, receivedAt }) => presented === parent.fingerprint && receivedAt < end,
  )
  // Whoever asked again and lost that answer as well has done what there was to do.
  if (sends.length > 1) return loss
  const from = loss.request?.answeredAt ?? parent.consumedAt
  const lived = longestPresence(from, end, evidence.absences)
  return lived < evidence.timing.lease ? loss : { ...loss, avoidable: true, cause: 'window_missed' }
}

/** The longest span between two times, in milliseconds, in which a process of the client lived. */
function longestPresence(from: number, until: number, absences: ResolvedEvidence['absences']): number {
  let longest = 0
  let since = from
  for (const absence of [...absences].sort((a, b) => a.from - b.from)) {
    if (absence.from > until) break
    longest = Math.max(longest, absence.from - since)
    since = Math.max(since, absence.until)
  }
  return Math.max(longest, until - since)
}

function familyKillOf(history: LoginHistory, evidence: ResolvedEvidence): FamilyKill | undefined {
  const { request, place } = history.ended ?? {}
  if (request === undefined || place === undefined) return undefined
  // What the client never got, nor can get any more, it did not lose by the kill.
  const alreadyLost = liveRefreshTokens(history, place).every(
    (token) => evidence.unreachable.has(token) || !evidence.ever.has(token),
  )
  return { request, alreadyLost }
}

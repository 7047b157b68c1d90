import type { LoginHistory, RefreshTokenHistory, TokenRequestHistory } from './login-history.ts'
import { awake, type LossCause, type ResolvedEvidence } from './loss-evidence.ts'
import { isWindowed, type Rotation } from './rotation.ts'

/** The refresh token that a request presented. */
export function parentOf(
  { refreshTokens }: LoginHistory,
  request: TokenRequestHistory | undefined,
): RefreshTokenHistory | undefined {
  return request?.presented === undefined ? undefined : refreshTokens.get(request.presented)
}

/** Why a request killed a login that lived, although its client did nothing wrong; undefined when it did. */
export function excuseOfKill(
  history: LoginHistory,
  kill: TokenRequestHistory,
  evidence: ResolvedEvidence,
): LossCause | undefined {
  const { reuseWindow, rotation } = evidence
  const parent = parentOf(history, kill)
  const consumedAt = parent?.consumedAt
  if (parent === undefined || consumedAt === undefined) return undefined
  if (isWindowed(rotation)) {
    const end = consumedAt + reuseWindow
    // It came while the window was open, and was processed when it had closed.
    if (kill.receivedAt < end && (kill.processedAt ?? kill.receivedAt) >= end) return 'processed_late'
  }
  const wait = longestWait(evidence)
  const lethal = lethalSend(history, parent, kill, rotation)
  if (lethal !== undefined && lethal.from > kill.from) {
    if (lethal.receivedAt - kill.receivedAt >= wait) return 'processed_late'
  }
  if (lethal !== undefined && heldByStopped(lethal, kill, wait, evidence)) return 'stopped_before_durable'
  return stoppedBefore(history, kill, wait, evidence) ? 'stopped_before_send' : undefined
}

/** How long after a send its child, or another send of the same token, must be held back. Milliseconds. */
function longestWait({ rotation, reuseWindow, timing }: ResolvedEvidence): number {
  if (!isWindowed(rotation)) return timing.quiescence
  // Two requests must fit into the window, so the shorter window has the shorter patience.
  const slack = timing.lease - timing.deadline
  const deadline = Math.min(timing.deadline, (reuseWindow - slack) / 2)
  return Math.min(timing.quiescence, reuseWindow - 2 * deadline)
}

/**
 * The request without which the killing one would have been harmless: the one that spent the same token, and where that is
 * forgiven for a while, the first that used its child.
 */
function lethalSend(
  { requests }: LoginHistory,
  parent: RefreshTokenHistory,
  kill: TokenRequestHistory,
  rotation: Rotation,
): TokenRequestHistory | undefined {
  const spent = requests.filter(
    (request) =>
      request !== kill && request.presented === parent.fingerprint && request.accessToken !== undefined,
  )
  if (!isWindowed(rotation)) return spent[0]
  const children = new Set(spent.map(({ refreshToken }) => refreshToken))
  return requests.find(({ presented }) => presented !== undefined && children.has(presented))
}

/** Whoever had the answer stood still with it until nobody had to wait for it any more: to all others it was dead. */
function heldByStopped(
  { sender, receivedAt, answeredAt }: TokenRequestHistory,
  kill: TokenRequestHistory,
  wait: number,
  { stops, timing }: ResolvedEvidence,
): boolean {
  if (answeredAt === undefined || answeredAt > kill.receivedAt || kill.receivedAt - receivedAt < wait)
    return false
  const stood = stops.some(
    (stop) => stop.sender === sender && stop.from < kill.receivedAt && stop.until > answeredAt,
  )
  return stood && awake(sender, answeredAt, kill.receivedAt, stops) <= timing.handover
}

function stoppedBefore(
  { requests }: LoginHistory,
  kill: TokenRequestHistory,
  wait: number,
  { stops }: ResolvedEvidence,
): boolean {
  return stops.some(
    ({ sender, from, until }) =>
      sender === kill.sender &&
      until - from >= wait &&
      until <= kill.receivedAt &&
      !requests.some(
        (request) =>
          request.sender === sender && request.receivedAt >= until && request.receivedAt < kill.receivedAt,
      ),
  )
}

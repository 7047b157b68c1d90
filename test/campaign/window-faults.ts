import type { LoginHistory, LoginVerdict } from '@evertoken/testing'
import type { CampaignEvent, SeenEvent } from './event-file.ts'
import type { Scale } from './scale.ts'

/** What was done to the processes, by process. */
export interface Hardships {
  /** UTC ms of its death. */
  readonly deaths: ReadonlyMap<string, number>
  /** When a process stood still, for half a deadline or more. */
  readonly pauses: ReadonlyMap<string, readonly { readonly from: number; readonly until: number }[]>
  /** Who said, and when, what came of a refresh of that login. `late`: that it came too late to its send to begin it. */
  readonly told: ReadonlyMap<
    string,
    readonly { readonly sender: string; readonly at: number; readonly late: boolean }[]
  >
  /** When no process at all was at work, as when one was stopped in the middle of a transaction on a SQLite file. */
  readonly absences: readonly { readonly from: number; readonly until: number }[]
  /** Who took the right to refresh a login, and when. */
  readonly claims: ReadonlyMap<string, readonly { readonly sender: string; readonly at: number }[]>
}

export function hardshipsOf(
  campaign: readonly CampaignEvent[],
  seen: readonly SeenEvent[],
): Omit<Hardships, 'absences'> {
  const deaths = new Map<string, number>()
  const pauses = new Map<string, { from: number; until: number }[]>()
  const claims = new Map<string, { sender: string; at: number }[]>()
  const told = new Map<string, { sender: string; at: number; late: boolean }[]>()
  const add = <Value>(to: Map<string, Value[]>, key: string, value: Value) => {
    const values = to.get(key)
    if (values === undefined) to.set(key, [value])
    else values.push(value)
  }
  for (const event of campaign)
    if (event.type === 'killed') deaths.set(event.sender, event.at)
    else if (event.type === 'stopped') add(pauses, event.sender, { from: event.at, until: event.until })
  for (const event of seen)
    if (event.type === 'stalled') add(pauses, event.sender, { from: event.from, until: event.at })
    else if (event.type === 'claimed') add(claims, event.grant, { sender: event.sender, at: event.at })
    else if (event.type === 'told') {
      const { sender, at, what } = event
      add(told, event.grant, { sender, at, late: what.includes('stopped before the send') })
    }
  return { deaths, pauses, claims, told }
}

/**
 * How many tries were struck on the refresh token that a login was lost with, until its reuse window was over: their process died or stood still while it
 * held the claim, or had so little of the processor that it could not send in time, or the provider or the network spoilt
 * the request; and how often nobody was there at all. The protocol has room in a window for one try that
 * fails and for one more (L + H <= window).
 */
export function faultsInWindow(
  grant: string,
  history: LoginHistory,
  verdict: LoginVerdict,
  { deaths, pauses, claims, told, absences }: Hardships,
  { timing, reuseWindow }: Scale,
): number {
  const parent = parentOf(history, verdict)
  if (parent?.consumedAt === undefined) return 0
  const sends = history.requests.filter(({ presented }) => presented === parent.fingerprint)
  // The client's window runs from the first try that may have sent it, of which the provider need not have heard.
  const from = parent.issuedAt
  const until = parent.consumedAt + reuseWindow * 1000
  const tries = (claims.get(grant) ?? []).filter(({ at }) => at >= from && at < until)
  const gone = absences.filter(
    (absence) =>
      Math.min(absence.until, until) - Math.max(absence.from, from) >= timing.lease - timing.deadline,
  )
  const struck = tries.filter(({ sender, at }, index) => {
    const said = (told.get(grant) ?? []).find((one) => one.sender === sender && one.at >= at)
    const end = Math.min(
      at + timing.lease,
      tries[index + 1]?.at ?? Number.POSITIVE_INFINITY,
      said?.at ?? Number.POSITIVE_INFINITY,
    )
    const death = deaths.get(sender)
    const wasHit =
      death !== undefined && death >= at && death <= at + timing.lease && (said?.at ?? death) >= death
    const stood = (pauses.get(sender) ?? []).some((pause) => pause.from < end && pause.until > at)
    const spoilt = sends.some(
      (send) =>
        send.sender === sender &&
        send.receivedAt >= at &&
        send.receivedAt <= at + timing.lease &&
        (send.delivery !== 'whole' || send.accessToken === undefined || isLate(send, timing.deadline)),
    )
    return wasHit || stood || spoilt || said?.late === true
  })
  return struck.length + gone.length
}

const isLate = (
  { receivedAt, answeredAt = Number.POSITIVE_INFINITY }: LoginHistory['requests'][number],
  deadline: number,
): boolean => answeredAt - receivedAt >= deadline

/** The refresh token whose answer was lost: the last that was spent and whose child the client never used. */
function parentOf({ refreshTokens, requests }: LoginHistory, verdict: LoginVerdict) {
  const lost = verdict.state === 'lost' ? verdict.request?.presented : undefined
  const presented = lost ?? requests.findLast(({ presented: token }) => token !== undefined)?.presented
  return presented === undefined ? undefined : refreshTokens.get(presented)
}

/**
 * How often a process died, or stood still for a lease, while it held a login: each may cost one request, since whoever
 * comes next cannot know what became of the last.
 */
export function struckClaims(campaign: readonly CampaignEvent[], seen: readonly SeenEvent[]): number {
  const { deaths } = hardshipsOf(campaign, seen)
  const stops = campaign.filter((event) => event.type === 'stopped')
  const open = new Map<string, number>()
  let struck = 0
  const isStopped = (sender: string, from: number, until: number): boolean =>
    stops.some((stop) => stop.sender === sender && stop.at >= from && stop.at <= until)
  for (const event of seen.toSorted((a, b) => a.at - b.at)) {
    if (event.type !== 'claimed' && event.type !== 'told') continue
    const key = `${event.sender} ${event.grant}`
    const since = open.get(key)
    if (since !== undefined && isStopped(event.sender, since, event.at)) struck += 1
    if (event.type === 'claimed') open.set(key, event.at)
    else open.delete(key)
  }
  for (const [key, since] of open) {
    const death = deaths.get(key.slice(0, key.indexOf(' ')))
    if (death !== undefined && death >= since) struck += 1
  }
  return struck
}

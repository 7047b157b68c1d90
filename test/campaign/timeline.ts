import { historyOf, loginHistories } from '@evertoken/testing'
import type { CampaignEvent } from './event-file.ts'
import type { Records } from './reconciliation.ts'

/** Everything that anybody knows of one login, in order: the provider, the processes, and what was done to them. */
export function timelineOf(
  { truth, campaign, seen }: Pick<Records, 'truth' | 'campaign' | 'seen'>,
  grant: string,
): readonly string[] {
  const added = campaign.find((event) => event.type === 'added' && event.grant === grant)
  if (added?.type !== 'added') throw new Error(`no login is called ${grant}`)
  const history = historyOf(loginHistories(truth), added.refreshToken)
  if (history === undefined) throw new Error(`the provider knows no login of ${grant}`)
  const tokens = new Set(history.refreshTokens.keys())
  const requests = new Set(history.requests.map(({ run, number }) => `${run}:${number}`))
  const senders = new Set(history.requests.flatMap(({ sender }) => sender ?? []))
  const lines: { at: number; who: string; what: string }[] = []
  for (const { at, run, request, type, ...facts } of truth)
    if (requests.has(`${run}:${request}`) || ('login' in facts && facts.login === history.login))
      lines.push({ at, who: 'provider', what: `#${request} ${type} ${JSON.stringify(facts)}` })
  for (const { at, sender, type, ...facts } of seen) {
    const mine =
      ('grant' in facts && facts.grant === grant) ||
      ('refreshToken' in facts && tokens.has(String(facts.refreshToken)))
    if (mine && type !== 'read') lines.push({ at, who: sender, what: `${type} ${JSON.stringify(facts)}` })
    if (!mine && senders.has(sender) && (type === 'die' || type === 'stop'))
      lines.push({ at, who: sender, what: `${type} ${JSON.stringify(facts)}` })
  }
  for (const event of campaign) {
    const { at, type, ...facts } = event
    if (concerns(event, grant, senders))
      lines.push({ at, who: 'campaign', what: `${type} ${JSON.stringify(facts)}` })
  }
  const start = lines.reduce((earliest, { at }) => Math.min(earliest, at), Number.POSITIVE_INFINITY)
  return lines
    .sort((a, b) => a.at - b.at)
    .map(({ at, who, what }) => `${((at - start) / 1000).toFixed(3).padStart(9)} s  ${who.padEnd(9)} ${what}`)
}

function concerns(event: CampaignEvent, grant: string, senders: ReadonlySet<string>): boolean {
  if ('grant' in event) return event.grant === grant
  return 'sender' in event && senders.has(event.sender)
}

import type { ProviderClass } from './provider-class.ts'
import { isWindowed } from './provider-class.ts'
import type { Findings } from './reconciliation.ts'

/** One line of the table: a contender against a class of provider on a store. */
export interface Row {
  readonly contender: string
  readonly class: ProviderClass
  readonly store: string
  readonly seed: number
  readonly kills: number
  readonly stops: number
  /** Times that a process died or stood still while it held a login; for the others, kills and stops. */
  readonly struck: number
  /** Token requests that met a fault. */
  readonly faults: number
  readonly logins: number
  readonly due: number
  readonly sent: number
  /** Of those, for logins that were lost already. */
  readonly sentToLost: number
  readonly quiet: { readonly due: number; readonly sent: number }
  readonly lostAvoidably: number
  readonly lostUnavoidably: number
  /** Of all that were lost, those that `judgeLogin` alone calls avoidable. */
  readonly avoidableByChecker: number
  readonly causes: Readonly<Record<string, number>>
  readonly falseReauthorizations: number
  readonly familyKillsOfLiving: number
  readonly familyKillsOfLost: number
  readonly pairsInFlight: number
  readonly reads: number
  readonly expiredServed: number
  readonly revokedServed: number
  readonly silent: number
  /** Milliseconds. */
  readonly slowestNotice: number
  readonly stuck: number
  readonly unrevoked: number
  readonly secrets: readonly string[]
  readonly crashes: readonly string[]
  /** Kills by the point at which they came. */
  readonly killsAt: Readonly<Record<string, number>>
  readonly seconds: number
}

export type RunFacts = Pick<
  Row,
  | 'contender'
  | 'class'
  | 'store'
  | 'seed'
  | 'kills'
  | 'stops'
  | 'faults'
  | 'secrets'
  | 'crashes'
  | 'killsAt'
  | 'seconds'
>

export const rowOf = (facts: RunFacts, findings: Findings): Row => ({
  ...facts,
  struck: findings.struck > 0 ? findings.struck : facts.kills + facts.stops,
  logins: findings.logins.length,
  due: findings.requests.due,
  sent: findings.requests.sent,
  sentToLost: findings.sentToLost,
  quiet: findings.quiet,
  lostAvoidably: findings.lostAvoidably.length,
  lostUnavoidably: findings.lostUnavoidably.length,
  avoidableByChecker: findings.avoidableByChecker.length,
  causes: Object.fromEntries(findings.causes),
  falseReauthorizations: findings.falseReauthorizations.length,
  familyKillsOfLiving: findings.familyKills.ofLiving.length,
  familyKillsOfLost: findings.familyKills.ofLost.length,
  pairsInFlight: findings.pairsInFlight,
  reads: findings.served.reads,
  expiredServed: findings.served.expired.length,
  revokedServed: findings.served.revoked.length,
  silent: findings.silent.length,
  slowestNotice: findings.slowestNotice,
  stuck: findings.stuck.length,
  unrevoked: findings.unrevoked.length,
})

/**
 * Requests beyond those that were due, for each blow: a kill, a stop, a request that met a fault. Not those for a login that was
 * lost already: a refusal is believed after three.
 */
export const extraPerBlow = ({ due, sent, sentToLost, quiet, kills, stops, faults }: Row): number =>
  (sent - sentToLost - quiet.sent - (due - quiet.due)) / Math.max(1, kills + stops + faults)

/** What a run of ours must reach, refresh-protocol section 6; gives a sentence for each bar that was missed. */
export function missedBars(row: Row): readonly string[] {
  const bars: readonly (readonly [isReached: boolean, sentence: string])[] = [
    [row.lostAvoidably === 0, `${row.lostAvoidably} logins lost avoidably`],
    [row.falseReauthorizations === 0, `${row.falseReauthorizations} false reauthorizations`],
    [row.silent === 0, `${row.silent} silent losses`],
    [row.stuck === 0, `${row.stuck} logins that live and are not refreshed`],
    [
      row.quiet.sent === row.quiet.due,
      `${row.quiet.sent} requests for ${row.quiet.due} refreshes without faults`,
    ],
    [
      extraPerBlow(row) <= (row.class === 'last_child_wins' ? 3 : 1),
      `${extraPerBlow(row).toFixed(2)} extra requests for each blow`,
    ],
    [row.familyKillsOfLiving === 0, `${row.familyKillsOfLiving} logins ended by us that lived`],
    // Without a probe the last replay before the token ends finds out what is lost.
    [
      row.class !== 'strict_probe' || row.familyKillsOfLost === 0,
      `${row.familyKillsOfLost} used refresh tokens sent to the provider`,
    ],
    [
      isWindowed(row.class) || row.class === 'non_rotating' || row.pairsInFlight === 0,
      `${row.pairsInFlight} times two requests in flight for one login`,
    ],
    [
      row.class !== 'non_rotating' || row.lostUnavoidably === 0,
      `${row.lostUnavoidably} logins lost of a class that loses none`,
    ],
    [row.expiredServed === 0, `${row.expiredServed} expired tokens served`],
    [row.revokedServed === 0, `${row.revokedServed} tokens served after their login was revoked`],
    [row.unrevoked === 0, `${row.unrevoked} logins said to be revoked that live`],
    [row.secrets.length === 0, `secrets found: ${row.secrets.join(', ')}`],
    [row.crashes.length === 0, `processes that ended by themselves: ${row.crashes.join(', ')}`],
  ]
  return bars.filter(([isReached]) => !isReached).map(([, sentence]) => sentence)
}

const isOurs = ({ contender }: Row): boolean => contender === 'evertoken'

/** What the others do not have: notices, revocation, a state that says so. */
const ours =
  (value: (row: Row) => string | number) =>
  (row: Row): string | number =>
    isOurs(row) ? value(row) : '-'

const columns: readonly (readonly [string, (row: Row) => string | number])[] = [
  ['contender', ({ contender }) => contender],
  ['class', (row) => row.class],
  ['store', ({ store }) => store],
  ['seed', ({ seed }) => seed],
  ['kills', ({ kills }) => kills],
  ['struck', ({ struck }) => struck],
  ['stops', ({ stops }) => stops],
  ['faults', ({ faults }) => faults],
  ['logins', ({ logins }) => logins],
  ['due', ({ due }) => due],
  ['sent', ({ sent }) => sent],
  ['of these to lost', ({ sentToLost }) => sentToLost],
  ['sent/due, quiet', ({ quiet }) => (quiet.due === 0 ? '-' : (quiet.sent / quiet.due).toFixed(3))],
  ['extra/blow', (row) => extraPerBlow(row).toFixed(2)],
  ['**lost avoidably**', ({ lostAvoidably }) => lostAvoidably],
  ['by the bare checker', ({ avoidableByChecker }) => avoidableByChecker],
  ['lost unavoidably', ({ lostUnavoidably }) => lostUnavoidably],
  ['false reauth.', ours(({ falseReauthorizations }) => falseReauthorizations)],
  ['silent', ours(({ silent }) => silent)],
  ['slowest notice', ours(({ slowestNotice }) => `${slowestNotice} ms`)],
  ['family kills: living/lost', (row) => `${row.familyKillsOfLiving}/${row.familyKillsOfLost}`],
  ['two in flight', ({ pairsInFlight }) => pairsInFlight],
  [
    'expired/revoked served',
    (row) => (isOurs(row) ? `${row.expiredServed}/${row.revokedServed}` : row.expiredServed),
  ],
  ['stuck', ours(({ stuck }) => stuck)],
  ['secrets', ours(({ secrets }) => secrets.length)],
]

/** A table in Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const lines = [
    columns.map(([name]) => name),
    columns.map(([, value], index) =>
      index < 3 || typeof value(rows[0] as Row) === 'string' ? '---' : '---:',
    ),
    ...rows.map((row) => columns.map(([, value]) => String(value(row)))),
  ]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

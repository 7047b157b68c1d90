// The reckoning on ground truths that were made up: what it counts, and as what.

import type { TruthEntry, TruthFact } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import type { CampaignEvent, SeenEvent } from './event-file.ts'
import { extraPerBlow, missedBars, rowOf } from './findings-table.ts'
import type { HeldLogin } from './observer.ts'
import { absencesOf, type Findings, locksOf, type Records, reconcile } from './reconciliation.ts'
import { scaled } from './scale.ts'
import { timelineOf } from './timeline.ts'
import { struckClaims } from './window-faults.ts'

const scale = scaled()
const { lease, deadline, quiescence } = scale.timing

/** One login `L` with refresh tokens R0, R1, … and access tokens A0, A1, …, told request by request. */
class Truth {
  readonly entries: TruthEntry[] = []
  #request = 0

  constructor() {
    this.#note(0, { type: 'received' }, issue(0), processed, answered('whole'))
  }

  /** R(n-1) is spent for Rn, and its answer fares as `delivery` says. */
  refresh(at: number, n: number, delivery: 'whole' | 'cut' = 'whole', sender = 'a1.1'): this {
    const spent = `R${n - 1}`
    this.#note(
      at,
      { type: 'received', refreshToken: spent, sender },
      { type: 'consumed', refreshToken: spent },
      issue(n, at),
      processed,
      answered(delivery),
    )
    return this
  }

  familyKilled(at: number, refreshToken: string): this {
    this.#note(
      at,
      { type: 'received', refreshToken, sender: 'a2.1' },
      { type: 'family_killed', login: 'L', refreshToken },
      { type: 'processed', outcome: 'invalid_grant', status: 400 },
      answered('whole'),
    )
    return this
  }

  /** Two requests on one token of which the second comes before the first is answered. */
  overlapping(at: number, refreshToken: string): this {
    const [first, second] = [this.#request + 1, this.#request + 2]
    this.#request += 2
    const of = (request: number, fact: TruthFact) => this.entries.push({ ...fact, at, request, run: 1 })
    of(first, { type: 'received', refreshToken })
    of(second, { type: 'received', refreshToken })
    of(first, answered('cut'))
    of(second, answered('cut'))
    return this
  }

  #note(at: number, ...facts: TruthFact[]): void {
    this.#request += 1
    for (const fact of facts) this.entries.push({ ...fact, at, request: this.#request, run: 1 })
  }
}

const issue = (n: number, at = 0): TruthFact => ({
  type: 'issued',
  login: 'L',
  accessToken: `A${n}`,
  refreshToken: `R${n}`,
  parent: n === 0 ? undefined : `R${n - 1}`,
  expiresAt: at + 12_000,
})
const processed: TruthFact = { type: 'processed', outcome: 'issued', status: 200 }
const answered = (delivery: 'whole' | 'cut'): TruthFact => ({ type: 'answered', delivery })

const held = (...tokens: string[]): HeldLogin => ({
  grant: 'ann',
  state: 'active',
  generation: 1,
  refreshedAt: 90_000,
  held: tokens,
  kept: [],
  unresolved: 0,
})
const lost: HeldLogin = { ...held('R0'), state: 'reauthorization_required' }

const phase = (at: number, name: 'storm' | 'calm'): CampaignEvent => ({ type: 'phase', at, phase: name })
const notice = (at: number, kind: 'at_risk' | 'reauthorization_required' | 'recovered'): CampaignEvent => ({
  type: 'notice',
  at,
  grant: 'ann',
  kind,
})

function reckon(truth: Truth, login: HeldLogin, more: Partial<Records> = {}): Findings {
  return reconcile({
    name: 'strict',
    store: 'sqlite',
    scale,
    truth: truth.entries,
    seen: [],
    logins: [login],
    ...more,
    campaign: [
      { type: 'added', at: 0, grant: 'ann', refreshToken: 'R0' },
      phase(10_000, 'storm'),
      phase(80_000, 'calm'),
      ...(more.campaign ?? []),
    ],
  })
}

const numbers = ({ lostAvoidably, lostUnavoidably, falseReauthorizations, silent, stuck }: Findings) => [
  lostAvoidably.length,
  lostUnavoidably.length,
  falseReauthorizations.length,
  silent.length,
  stuck.length,
]

test('a login that was refreshed without faults is alive, for one request each', () => {
  const findings = reckon(new Truth().refresh(6_000, 1).refresh(12_000, 2).refresh(90_000, 3), held('R3'))
  expect(numbers(findings)).toEqual([0, 0, 0, 0, 0])
  expect(findings.requests).toEqual({ due: 3, sent: 3 })
  expect(findings.quiet).toEqual({ due: 1, sent: 1 })
})

describe('an answer that the network lost', () => {
  const truth = new Truth().refresh(20_000, 1, 'cut')

  test('is an unavoidable loss on strict when somebody was told', () => {
    const findings = reckon(truth, lost, { campaign: [notice(20_100, 'at_risk')] })
    expect(numbers(findings)).toEqual([0, 1, 0, 0, 0])
    expect(findings.causes).toEqual(new Map([['answer_lost', 1]]))
    expect(findings.slowestNotice).toBe(100)
  })

  test('is a silent loss when nobody was told, or too late', () => {
    expect(numbers(reckon(truth, lost))[3]).toBe(1)
    const late = [notice(20_001 + scale.notice, 'reauthorization_required')]
    expect(numbers(reckon(truth, lost, { campaign: late }))[3]).toBe(1)
  })

  test('is silent too when all that was said had been taken back before', () => {
    const campaign = [notice(15_000, 'at_risk'), notice(16_000, 'recovered')]
    expect(numbers(reckon(truth, lost, { campaign }))[3]).toBe(1)
    expect(numbers(reckon(truth, lost, { campaign: campaign.slice(0, 1) }))[3]).toBe(0)
  })

  const claimed = (at: number, sender: string): SeenEvent => ({ type: 'claimed', at, grant: 'ann', sender })
  const windowed = (seen: SeenEvent[], campaign: CampaignEvent[] = []) =>
    numbers(reckon(truth, lost, { name: 'idempotent', seen, campaign })).slice(0, 2)

  test('is avoidable with a window in which nobody asked again', () => {
    expect(windowed([])).toEqual([1, 0])
    expect(windowed([claimed(19_990, 'a1.1')])).toEqual([1, 0])
  })

  test('is avoidable with a window in which whoever asked again was not hindered', () => {
    expect(windowed([claimed(19_990, 'a1.1'), claimed(20_400, 'a2.1')])).toEqual([1, 0])
  })

  test('is unavoidable with a window in which whoever would have asked again was killed, stopped or kept waiting', () => {
    const tries = [claimed(19_990, 'a1.1'), claimed(20_400, 'a2.1')]
    const killed: CampaignEvent = { type: 'killed', at: 20_500, sender: 'a2.1' }
    expect(windowed(tries, [killed])).toEqual([0, 1])
    expect(windowed(tries, [{ ...killed, sender: 'b1.1' }])).toEqual([1, 0])
    expect(windowed(tries, [{ ...killed, at: 20_400 + lease + 1 }])).toEqual([1, 0])
    const stopped: CampaignEvent = { ...killed, type: 'stopped', until: 21_700, point: 'pre_send' }
    expect(windowed(tries, [stopped])).toEqual([0, 1])
    expect(windowed([...tries, { type: 'stalled', at: 20_900, from: 20_450, sender: 'a2.1' }])).toEqual([
      0, 1,
    ])
  })
})

describe('an answer that arrived', () => {
  const truth = new Truth().refresh(20_000, 1)
  const killed: CampaignEvent = { type: 'killed', at: 20_050, sender: 'a1.1' }

  test('is an avoidable loss when nobody was killed', () => {
    expect(numbers(reckon(truth, lost)).slice(0, 2)).toEqual([1, 0])
  })

  test('is an unavoidable one when its process was killed at once', () => {
    const findings = reckon(truth, lost, { campaign: [killed] })
    expect(numbers(findings).slice(0, 2)).toEqual([0, 1])
    expect(findings.causes).toEqual(new Map([['killed_before_durable', 1]]))
  })

  test('is an unavoidable one when the request reached the server after the death of its sender', () => {
    const before = { ...killed, at: 19_995 }
    expect(numbers(reckon(truth, lost, { campaign: [before] })).slice(0, 2)).toEqual([0, 1])
    const other = { ...before, sender: 'a1.2' }
    expect(numbers(reckon(truth, lost, { campaign: [other] })).slice(0, 2)).toEqual([1, 0])
  })

  test('counts as read only when its process had the time to keep it', () => {
    const late: CampaignEvent = { type: 'killed', at: 20_000 + 10 * scale.handover, sender: 'a1.1' }
    const event = { path: '/token', refreshToken: 'R0', sender: 'a1.1' }
    const sent: SeenEvent = { type: 'send', at: 19_999, ...event }
    const read = (at: number): SeenEvent => ({ type: 'answer', at, result: 200, ...event })
    const lostWith = (...seen: SeenEvent[]) =>
      numbers(reckon(truth, lost, { campaign: [late], seen })).slice(0, 2)
    expect(lostWith(sent)).toEqual([0, 1])
    expect(lostWith(sent, read(late.at - 1))).toEqual([0, 1])
    expect(lostWith(sent, read(late.at - scale.handover - 1))).toEqual([1, 0])
  })

  test('is an avoidable one when it had stood in the spool', () => {
    const spooled: CampaignEvent = { type: 'spooled', at: 20_060, grant: 'ann', refreshToken: 'R1' }
    const findings = reckon(truth, lost, { campaign: [killed, spooled] })
    expect(findings.causes).toEqual(new Map([['token_discarded', 1]]))
    expect(numbers(findings).slice(0, 2)).toEqual([1, 0])
  })
})

test('a person asked for a new consent while the login lives is a false alarm, also when it was taken back', () => {
  const truth = new Truth().refresh(90_000, 1)
  const campaign = [notice(30_000, 'reauthorization_required'), notice(31_000, 'recovered')]
  expect(numbers(reckon(truth, held('R1'), { campaign }))[2]).toBe(1)
})

test('a login that lives and was not refreshed after the last fault is stuck', () => {
  const findings = reckon(new Truth().refresh(20_000, 1), { ...held('R1'), refreshedAt: 20_000 })
  expect(numbers(findings)).toEqual([0, 0, 0, 0, 1])
})

test('a used refresh token that ended a login is told apart by what the client still had', () => {
  const living = reckon(new Truth().refresh(20_000, 1).familyKilled(30_000, 'R0'), held('R1'))
  expect(living.familyKills).toEqual({ ofLiving: ['ann'], ofLost: [] })
  const gone = reckon(new Truth().refresh(20_000, 1, 'cut').familyKilled(30_000, 'R0'), lost)
  expect(gone.familyKills).toEqual({ ofLiving: [], ofLost: ['ann'] })
})

test('two requests in flight on one login are counted', () => {
  const findings = reckon(new Truth().overlapping(20_000, 'R0'), held('R0'))
  expect([findings.inFlight, findings.pairsInFlight]).toEqual([['ann'], 1])
})

describe('a reader', () => {
  const truth = new Truth().refresh(90_000, 1)
  const read = (at: number, asked = at): SeenEvent => ({
    type: 'read',
    at,
    asked,
    grant: 'ann',
    generation: 1,
    accessToken: 'A0',
    sender: 'b1.1',
  })
  const served = (seen: SeenEvent[], campaign: CampaignEvent[] = []) =>
    reckon(truth, held('R1'), { seen, campaign }).served

  test('is served a token until it ends, and not afterwards', () => {
    expect(served([read(11_999)])).toMatchObject({ reads: 1, expired: [] })
    expect(served([read(12_040)]).expired).toEqual([{ grant: 'ann', sender: 'b1.1', at: 12_040, late: 40 }])
  })

  test('that was stopped between its look at the clock and its note was served nothing that was over', () => {
    const stop: CampaignEvent = {
      type: 'stopped',
      at: 11_990,
      until: 13_000,
      sender: 'b1.1',
      point: 'outside',
    }
    expect(served([read(13_001, 11_980)], [stop]).expired).toEqual([])
  })

  test('is served nothing of a login once its revocation has returned', () => {
    const revoked: SeenEvent = { type: 'revoked', at: 5_000, grant: 'ann', state: 'revoked', sender: 'a1.1' }
    expect(served([revoked, read(5_020, 4_999)]).revoked).toEqual([])
    expect(served([revoked, read(5_020, 5_001)]).revoked).toMatchObject([{ grant: 'ann', late: 1 }])
  })
})

test('nobody is at work between the last death or stall and the next start', () => {
  const seen: SeenEvent[] = [
    { type: 'ready', at: 100, sender: 'a1.1' },
    { type: 'ready', at: 110, sender: 'b1.1' },
    { type: 'stalled', at: 900, from: 600, sender: 'b1.1' },
  ]
  const campaign: CampaignEvent[] = [{ type: 'killed', at: 500, sender: 'a1.1' }]
  expect(absencesOf(campaign, seen)).toEqual([{ from: 600, until: 900 }])
})

test('a process that is stopped keeps others away where nobody could claim anything meanwhile', () => {
  const stop = (at: number, point: string): CampaignEvent => ({
    type: 'stopped',
    at,
    until: at + 1_200,
    sender: 'a1.1',
    point,
  })
  const seen: SeenEvent[] = [
    { type: 'claimed', at: 1_030, grant: 'ann', sender: 'b1.1' },
    { type: 'claimed', at: 5_600, grant: 'ann', sender: 'b1.1' },
  ]
  const campaign = [stop(1_000, 'pre_store_commit'), stop(3_000, 'pre_send'), stop(5_000, 'outside')]
  expect(locksOf(campaign, seen)).toEqual([{ from: 1_050, until: 2_150 }])
})

test('the timeline of a login is that of the provider, its senders and the campaign, and of no other', () => {
  const truth = new Truth().refresh(20_000, 1)
  const other = { ...new Truth().entries[1], login: 'M', request: 9 } as TruthEntry
  const lines = timelineOf(
    {
      truth: [...truth.entries, other],
      campaign: [
        { type: 'added', at: 0, grant: 'ann', refreshToken: 'R0' },
        { type: 'added', at: 0, grant: 'bob', refreshToken: 'S0' },
        { type: 'killed', at: 20_050, sender: 'a1.1' },
        { type: 'killed', at: 20_060, sender: 'b1.1' },
      ],
      seen: [{ type: 'send', at: 19_990, path: '/token', refreshToken: 'R0', sender: 'a1.1' }],
    },
    'ann',
  )
  expect(lines.map((line) => line.replace(/ \{.*/, ''))).toEqual([
    '    0.000 s  provider  #1 received',
    '    0.000 s  provider  #1 issued',
    '    0.000 s  provider  #1 processed',
    '    0.000 s  provider  #1 answered',
    '    0.000 s  campaign  added',
    '   19.990 s  a1.1      send',
    '   20.000 s  provider  #2 received',
    '   20.000 s  provider  #2 consumed',
    '   20.000 s  provider  #2 issued',
    '   20.000 s  provider  #2 processed',
    '   20.000 s  provider  #2 answered',
    '   20.050 s  campaign  killed',
  ])
})

describe('the bars', () => {
  const facts = {
    contender: 'evertoken',
    class: 'strict_probe',
    store: 'sqlite',
    seed: 1,
    kills: 2,
    stops: 0,
    faults: 2,
    secrets: [],
    crashes: [],
    killsAt: {},
    seconds: 1,
  } as const
  const good = rowOf(facts, reckon(new Truth().refresh(6_000, 1).refresh(90_000, 2), held('R2')))

  test('are reached by a run in which nothing was lost', () => {
    expect(missedBars(good)).toEqual([])
  })

  test('let a strict provider cost what nobody could help, and one that does not rotate cost nothing', () => {
    expect(missedBars({ ...good, lostUnavoidably: 3 })).toEqual([])
    expect(missedBars({ ...good, class: 'non_rotating', lostUnavoidably: 3 })).toEqual([
      '3 logins lost of a class that loses none',
    ])
  })

  test('count what was sent beyond what was due, the quiet time apart, by blows', () => {
    const row = { ...good, due: 101, sent: 109, quiet: { due: 1, sent: 1 } }
    expect(extraPerBlow(row)).toBe(2)
    expect(missedBars(row)).toEqual(['2.00 extra requests for each blow'])
    expect(missedBars({ ...row, class: 'last_child_wins' })).toEqual([])
    expect(missedBars({ ...good, quiet: { due: 10, sent: 11 } })).toEqual([
      '11 requests for 10 refreshes without faults',
    ])
  })

  test.each([
    ['lostAvoidably', '1 logins lost avoidably'],
    ['falseReauthorizations', '1 false reauthorizations'],
    ['silent', '1 silent losses'],
    ['stuck', '1 logins that live and are not refreshed'],
    ['familyKillsOfLiving', '1 logins ended by us that lived'],
    ['familyKillsOfLost', '1 used refresh tokens sent to the provider'],
    ['pairsInFlight', '1 times two requests in flight for one login'],
    ['expiredServed', '1 expired tokens served'],
    ['revokedServed', '1 tokens served after their login was revoked'],
    ['unrevoked', '1 logins said to be revoked that live'],
  ] as const)('are missed by one %s', (column, sentence) => {
    expect(missedBars({ ...good, [column]: 1 })).toEqual([sentence])
  })
})

test('a login is struck when its process dies or stands still while it holds it, and not before or after', () => {
  const event = (at: number, type: 'claimed' | 'told', sender = 'a1.1'): SeenEvent =>
    type === 'claimed' ? { type, at, grant: 'ann', sender } : { type, at, grant: 'ann', what: '', sender }
  const killed: CampaignEvent = { type: 'killed', at: 500, sender: 'a1.1' }
  expect(struckClaims([killed], [event(100, 'claimed'), event(200, 'told')])).toBe(0)
  expect(struckClaims([killed], [event(100, 'claimed'), event(200, 'told'), event(300, 'claimed')])).toBe(1)
  expect(struckClaims([killed], [event(300, 'claimed', 'b1.1')])).toBe(0)
  const stopped: CampaignEvent = { type: 'stopped', at: 150, until: 400, sender: 'a1.1', point: 'pre_mark' }
  expect(struckClaims([stopped], [event(100, 'claimed'), event(410, 'told')])).toBe(1)
  expect(struckClaims([stopped], [event(160, 'claimed'), event(410, 'told')])).toBe(0)
})

test('the scaled times keep the order of the real ones', () => {
  expect(deadline).toBeLessThan(lease)
  expect(quiescence).toBeGreaterThan(2 * lease)
  // After quiescence there is time for a probe before the mandatory window.
  expect(scale.refreshBefore * 1000 - quiescence).toBeGreaterThan(scale.mandatory)
})

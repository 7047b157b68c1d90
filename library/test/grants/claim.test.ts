import { describe, expect, test } from 'vitest'
import type { Claim, Why } from '../../src/grants/claim.ts'
import { type Attempt, type GrantRecord, ownToken } from '../../src/grants/grant.ts'
import type { ReplayClass } from '../../src/grants/lifetime-facts.ts'
import { settle } from '../../src/grants/settle.ts'
import { defaultTiming as timing } from '../../src/grants/timing.ts'
import { claimed, due, manual, rejected, wanted } from './claims.ts'
import {
  attempt,
  candidate,
  facts,
  grantRecord,
  held,
  lease,
  loginRecord,
  moment,
  statuses,
  storeNow,
  strictRecord,
  tokenRow,
  tokenWith,
  utc,
} from './records.ts'

const leased = (change: Partial<GrantRecord> = {}): GrantRecord =>
  grantRecord({ fence: 2, lease: lease(), attempts: [attempt()], ...change })

describe('a claim', () => {
  test('raises the fence, takes the lease and writes its intent, with the spool its answer would stand in', () => {
    const { result, record } = claimed(strictRecord({ fence: 7 }), due)
    expect(result).toMatchObject({ kind: 'claimed', task: 'refresh', probe: false })
    expect(record).toMatchObject({
      fence: 8,
      lease: { owner: 'owner-1', until: storeNow + 20_000, boot: 'boot-1' },
      schedule: { dueAt: storeNow + 20_000, lastAttemptAt: utc },
      attempts: [
        { id: 'attempt-1', fence: 8, parent: 'print of refresh-1', localDone: false, spool: 'spool-1' },
      ],
    })
  })

  // A send that is marked in a commit of its own proves, where it is missing, that nothing left.
  test.each<[ReplayClass, number | undefined]>([
    ['strict', undefined],
    ['last_child_wins', undefined],
    ['idempotent', storeNow],
    ['fork', storeNow],
    ['non_rotating', storeNow],
  ])('of a %s refresh token notes as time of sending: %s', (replayClass, sentAt) => {
    expect(claimed(loginRecord(replayClass), due).record?.attempts[0]?.sentAt).toBe(sentAt)
  })

  test('treats a reuse window below nine seconds as none', () => {
    const short = (reuseWindow: number) =>
      claimed(loginRecord('idempotent', { facts: facts('idempotent', { reuseWindow }) }), due).record
    expect(short(8999)?.attempts[0]?.sentAt).toBeUndefined()
    expect(short(9000)?.attempts[0]?.sentAt).toBe(storeNow)
    expect(short(9000)?.lease?.until).toBe(storeNow + 7000)
  })

  describe('of last_child_wins, where the parent stands before its children to bring another,', () => {
    const asked = (ago: number) =>
      loginRecord('last_child_wins', {
        refreshToken: held('refresh-1'),
        candidates: [
          candidate('2', { parent: 'print of refresh-1' }),
          candidate('2b', { parent: 'print of refresh-1' }),
        ],
        attempts: [attempt({ parent: 'print of refresh-1', sentAt: storeNow - ago, localDone: true })],
      })

    test('is of the parent while its window is open', () => {
      const { result, record } = claimed(asked(57_999), due)
      expect(result).toMatchObject({ kind: 'claimed', before: storeNow + 1 })
      expect(record?.refreshToken?.fingerprint).toBe('print of refresh-1')
    })

    test('is of the youngest child when it is over', () => {
      const { record } = claimed(asked(58_000), due)
      expect(record?.refreshToken).toEqual(candidate('2b').refreshToken)
      expect(record?.previousRefreshToken?.fingerprint).toBe('print of refresh-1')
      expect(record?.attempts).toMatchObject([{ parent: record?.refreshToken?.fingerprint }])
    })
  })

  // Its late repetition ended the login, with a living child of an earlier refresh token in hand.
  test('of fork is of whatever else lives when the window is over in which nobody got an answer', () => {
    const other = candidate('1b', { parent: 'print of refresh-0' })
    const asked = (replayClass: ReplayClass, ago: number) =>
      claimed(
        loginRecord(replayClass, {
          refreshToken: held('refresh-1'),
          candidates: [other],
          attempts: [attempt({ parent: 'print of refresh-1', sentAt: storeNow - ago, localDone: true })],
          tokens: [],
        }),
        due,
      ).record?.refreshToken?.fingerprint
    expect(asked('fork', 57_999)).toBe('print of refresh-1')
    expect(asked('fork', 58_000)).toBe(other.refreshToken.fingerprint)
    expect(asked('idempotent', 58_000)).toBe('print of refresh-1')
  })

  test('is dead for a grant that is gone or whose state does not refresh', () => {
    expect(claimed(undefined, due).result).toEqual({ kind: 'dead' })
    for (const [state, status] of Object.entries(statuses))
      expect([state, claimed(grantRecord({ status }), manual).result.kind]).toEqual([
        state,
        state === 'active' || state === 'suspect' ? 'claimed' : 'dead',
      ])
  })

  test('is held while another lives, whatever the reason, and free once that lease is over, foreign or dead', () => {
    const record = leased({
      tokens: [tokenRow()],
      schedule: { dueAt: storeNow, backoffUntil: 0, failures: 0 },
    })
    const other = { owner: 'owner-2' }
    for (const why of [due, wanted(1), rejected(1), manual])
      expect(claimed(record, why, moment(), other).result).toEqual({ kind: 'held' })
    expect(claimed(record, manual, moment(storeNow + 19_999), other).result).toEqual({ kind: 'held' })
    expect(claimed(record, manual, moment(storeNow + 20_000), other).result.kind).toBe('claimed')
    expect(claimed(record, manual, moment(storeNow, { boot: 'boot-2' }), other).result.kind).toBe('claimed')
    expect(claimed(record, manual, moment(storeNow, { gone: ['owner-1'] }), other).result.kind).toBe(
      'claimed',
    )
  })

  test.each<[string, Why, Partial<GrantRecord['schedule']>, Claim['kind']]>([
    ['due and free', due, {}, 'claimed'],
    ['due in a moment', due, { dueAt: storeNow + 1 }, 'fresh'],
    ['never due', due, { dueAt: null }, 'fresh'],
    ['due in its backoff', due, { backoffUntil: storeNow + 1 }, 'backoff'],
    ['wanted', wanted(1), { dueAt: storeNow + 99 }, 'claimed'],
    ['wanted in its backoff', wanted(1), { backoffUntil: storeNow + 1 }, 'backoff'],
    ['wanted by a reader who saw an older generation', wanted(0), {}, 'fresh'],
    ['refused', rejected(1), { dueAt: storeNow + 99 }, 'claimed'],
    ['refused in its backoff', rejected(1), { backoffUntil: storeNow + 1 }, 'claimed'],
    ['refused in an older generation', rejected(0), {}, 'fresh'],
    ['refused in a generation nobody issued', rejected(2), {}, 'fresh'],
    ['refreshed by hand in its backoff', manual, { backoffUntil: storeNow + 1 }, 'claimed'],
    [
      'refreshed by hand by somebody who saw the present one',
      { kind: 'manual', key: ownToken, generation: 1 },
      {},
      'claimed',
    ],
    ['refreshed by hand, and was meanwhile', { kind: 'manual', key: ownToken, generation: 0 }, {}, 'fresh'],
  ])('of a grant that is %s', (_name, why, schedule, kind) => {
    const record = grantRecord({
      tokens: [tokenRow()],
      schedule: { dueAt: storeNow, backoffUntil: 0, failures: 0, ...schedule },
    })
    expect(claimed(record, why).result.kind).toBe(kind)
  })

  test('for a refused token is made once: the next report of that generation waits like everybody', () => {
    const record = claimed(grantRecord({ tokens: [tokenRow()] }), rejected(1)).record as GrantRecord
    expect(record.tokens[0]?.rejectedAt).toBe(utc)
    const turnedAway = { verdict: 'refused', failure: { code: 'provider_error', message: 'm' } } as const
    const by = { utc, timing, random: () => 0.5, incident: false, listening: false }
    const own = record.attempts[0] as Attempt
    const after = settle(record, own, turnedAway, ownToken, by, moment()).record
    expect(claimed(after as GrantRecord, rejected(1)).result).toEqual({
      kind: 'backoff',
      until: storeNow + 1000,
    })
  })

  test('for the successor of a refused token waits a minute, or a quarter of its life', () => {
    const schedule = { dueAt: null, backoffUntil: 0, failures: 0, lastRejectionAt: utc - 1000 }
    const one = (lifetime: number) =>
      grantRecord({ tokens: [tokenRow({ generation: 2, lifetime })], schedule })
    expect(claimed(one(3_600_000), rejected(2)).result).toEqual({ kind: 'backoff', until: storeNow + 59_000 })
    expect(claimed(one(20_000), rejected(2)).result).toEqual({ kind: 'backoff', until: storeNow + 4000 })
    expect(claimed(one(4000), rejected(2)).result.kind).toBe('claimed')
  })

  // A worker that found such a row asked for it two hundred times a second, and `once` never came to an end.
  test('that meets a closed door moves the due time to when the door opens', () => {
    const backingOff = grantRecord({
      schedule: { dueAt: storeNow, backoffUntil: storeNow + 9000, failures: 3 },
    })
    expect(claimed(backingOff, due).record?.schedule.dueAt).toBe(storeNow + 9000)
    const beingRefreshed = leased({ schedule: { dueAt: storeNow, backoffUntil: 0, failures: 0 } })
    expect(claimed(beingRefreshed, due).record?.schedule.dueAt).toBe(storeNow + 20_000)
    // A reader changes nothing.
    expect(claimed(backingOff, wanted(0)).record).toBeUndefined()
    expect(claimed(beingRefreshed, wanted(0)).record).toBeUndefined()
  })

  test('waits for the breaker of its provider, except where that is open no longer', () => {
    const closedUntil = (until: number | undefined) => ({ closedUntil: () => until })
    const closed = claimed(strictRecord(), due, moment(), closedUntil(storeNow + 7000))
    expect(closed.result).toEqual({ kind: 'backoff', until: storeNow + 7000 })
    expect(closed.record).toMatchObject({ fence: 1, attempts: [], schedule: { dueAt: storeNow + 7000 } })
    expect(claimed(strictRecord(), due, moment(), closedUntil(storeNow)).result.kind).toBe('claimed')
    expect(claimed(strictRecord(), due, moment(), closedUntil(undefined)).result.kind).toBe('claimed')
  })
})

// The breaker of a provider in trouble stayed closed for longer than the reuse window of what had been sent before.
test('a breaker that opens too late for a reuse window lets the last try in it pass', () => {
  const closedUntil = (until: number) => ({ closedUntil: () => until })
  const sentAgo = (ago: number) => {
    const sent = attempt({
      id: 'attempt-0',
      parent: 'print of refresh-1',
      sentAt: storeNow - ago,
      localDone: true,
    })
    return loginRecord('idempotent', { fence: 2, attempts: [sent] })
  }
  // A window of 60 s less its margin of 2 s, and 15 s for the answer.
  const wait = claimed(sentAgo(10_000), due, moment(), closedUntil(storeNow + 300_000))
  expect(wait.result).toEqual({ kind: 'backoff', until: storeNow - 10_000 + 43_000 })
  expect(claimed(sentAgo(10_000), due, moment(), closedUntil(storeNow + 5_000)).result).toEqual({
    kind: 'backoff',
    until: storeNow + 5_000,
  })
  expect(claimed(sentAgo(43_000), due, moment(), closedUntil(storeNow + 300_000)).result.kind).toBe('claimed')
})

describe('a claim on a refresh token with a send of unknown end', () => {
  const sent = attempt({
    id: 'attempt-0',
    parent: 'print of refresh-1',
    sentAt: storeNow - 30_000,
    localDone: true,
  })
  const unresolved = (replayClass: ReplayClass, change: Partial<GrantRecord> = {}) =>
    loginRecord(replayClass, {
      fence: 2,
      tokens: [tokenWith(3_000_000)],
      attempts: [sent],
      schedule: { dueAt: storeNow, backoffUntil: 0, failures: 1 },
      ...change,
    })

  test('that must wait takes nothing, whoever asks and why, and makes the grant due when the wait is over', () => {
    for (const why of [due, wanted(1), rejected(1), manual]) {
      const { result, record } = claimed(unresolved('strict'), why)
      expect(result).toMatchObject({ kind: 'backoff', until: storeNow + 90_000 })
      expect(record).toMatchObject({
        fence: 2,
        lease: undefined,
        schedule: { dueAt: storeNow + 90_000 },
        attempts: [sent],
      })
    }
  })

  // Its sender may be dead, and then nobody else says it.
  test('tells that the login is at risk, once', () => {
    const first = claimed(unresolved('strict'), due)
    expect(first.result).toMatchObject({ notice: { kind: 'at_risk', epoch: 1, at: utc } })
    expect(first.record?.notices.map(({ kind }) => kind)).toEqual(['at_risk'])
    const again = claimed(first.record as GrantRecord, manual)
    expect(again.result).toEqual({ kind: 'backoff', until: storeNow + 90_000 })
    expect(again.record).toBeUndefined()
    // While its sender listens nothing is lost.
    const listening = { ...sent, sentAt: storeNow, localDone: false }
    expect(claimed(unresolved('strict', { attempts: [listening] }), due).record?.notices).toEqual([])
  })

  // A pause, a changed definition or a label took the lease away; the second send met the first and ended the login.
  test.each(['strict', 'last_child_wins'] as const)(
    'of class %s is held while its sender may still hear the answer, lease or none',
    (replayClass) => {
      const listening = { ...sent, sentAt: storeNow - 1000, localDone: false }
      const record = unresolved(replayClass, { attempts: [listening] })
      for (const why of [due, wanted(1), rejected(1), manual])
        expect(claimed(record, why, moment(), { owner: 'owner-2' }).result).toEqual({ kind: 'held' })
      const next = claimed(record, due, moment()).record
      expect(next).toMatchObject({ attempts: [listening], schedule: { dueAt: storeNow + 14_000 } })
      expect(claimed(next as GrantRecord, manual).record).toBeUndefined()
      // Its patience is over, or its process is gone.
      const strict = replayClass === 'strict'
      const later = strict ? storeNow + 119_000 : storeNow + 19_000
      expect(claimed(record, due, moment(storeNow + 14_000)).result).toMatchObject({
        kind: 'backoff',
        until: later,
      })
      expect(claimed(record, due, moment(storeNow, { gone: ['owner-1'] })).result).toMatchObject({
        kind: 'backoff',
        until: later,
      })
    },
  )

  test.each<[ReplayClass, Claim['kind']]>([
    ['strict', 'backoff'],
    ['last_child_wins', 'claimed'],
    ['idempotent', 'claimed'],
    ['fork', 'claimed'],
    ['non_rotating', 'claimed'],
  ])('of class %s, its sender done: %s', (replayClass, kind) => {
    expect(claimed(unresolved(replayClass), due).result.kind).toBe(kind)
  })

  test('keeps the earlier send on record beside its own, and forgets what was never sent', () => {
    const unsent = attempt({ id: 'attempt-00', parent: 'print of refresh-1' })
    const { record } = claimed(unresolved('idempotent', { attempts: [unsent, sent] }), due)
    expect(record?.attempts.map(({ id, fence }) => [id, fence])).toEqual([
      ['attempt-0', 2],
      ['attempt-1', 3],
    ])
  })

  test('is made at once when nothing left: claimed and never marked', () => {
    const { result, record } = claimed(
      unresolved('strict', { attempts: [{ ...sent, sentAt: undefined, localDone: false }] }),
      due,
    )
    expect(result).toMatchObject({ kind: 'claimed', probe: false })
    expect(record?.attempts.map(({ id }) => id)).toEqual(['attempt-1'])
  })

  test('is made at once when the grant has another refresh token by now', () => {
    const { result, record } = claimed(unresolved('strict', { refreshToken: held('refresh-2') }), due)
    expect(result.kind).toBe('claimed')
    expect(record?.attempts.map(({ parent }) => parent)).toEqual(['print of refresh-2'])
  })

  test('when its wait is over goes ahead in the backoff of the failure before: that is for refreshes, not for recovery', () => {
    const schedule = { dueAt: storeNow, backoffUntil: storeNow + 300_000, failures: 4 }
    expect(claimed(unresolved('idempotent', { schedule }), due).result.kind).toBe('claimed')
    // A reader in the meantime waits.
    expect(claimed(unresolved('idempotent', { schedule }), wanted(1)).result.kind).toBe('backoff')
  })

  test('says that the provider has to be asked first where that is so', () => {
    const record = unresolved('strict', {
      facts: facts('strict', { introspection: true }),
      attempts: [{ ...sent, sentAt: storeNow - 120_000 }],
    })
    expect(claimed(record, due).result).toMatchObject({ kind: 'claimed', probe: true, again: true })
  })

  test('says until when it may be sent where a reuse window allows it, and that answers on this host come first', () => {
    expect(claimed(unresolved('idempotent'), due).result).toMatchObject({
      kind: 'claimed',
      again: true,
      before: storeNow + 28_000,
    })
    expect(claimed(loginRecord('idempotent'), due).result).toMatchObject({ again: false, before: undefined })
  })

  // Store time of another boot is no measure: the wall clock may have been set in between.
  test('waits anew after a restart of the machine, as if it had been sent now', () => {
    const at = storeNow + 60_000
    const { result, record } = claimed(unresolved('strict'), due, moment(at, { boot: 'boot-2' }))
    expect(result).toMatchObject({ kind: 'backoff', until: at + 120_000 })
    expect(record).toMatchObject({
      attempts: [{ id: 'attempt-0', sentAt: at, boot: 'boot-2', localDone: true }],
      schedule: { dueAt: at + 120_000 },
    })
    const late = { utc: utc + 2_700_000 }
    const later = moment(at + 120_000, { boot: 'boot-2' })
    expect(claimed(record as GrantRecord, due, later, late).result.kind).toBe('claimed')
  })
})

// A second claim after the restart took the rewritten time of sending for the beginning of a fresh window.
test('a reuse window that was open before a restart of the machine is not opened anew by waiting', () => {
  const open = attempt({
    id: 'attempt-0',
    parent: 'print of refresh-1',
    sentAt: storeNow - 40_000,
    localDone: true,
  })
  const record = loginRecord('idempotent', { tokens: [tokenWith(3_000_000)], attempts: [open] })
  const restarted = moment(storeNow, { boot: 'boot-2' })
  const waiting = claimed(record, manual, restarted).record as GrantRecord
  expect(waiting.refreshToken?.spent).toEqual({ at: storeNow - 40_000, boot: 'boot-1' })
  expect(claimed(waiting, manual, restarted).result).toMatchObject({
    kind: 'backoff',
    until: storeNow + 120_000,
  })
})

describe('a claim on a grant that is being revoked', () => {
  const revoking = (change: Partial<GrantRecord> = {}) =>
    strictRecord({ status: statuses.revoking, fence: 5, ...change })

  test('is for telling the provider, spends nothing and writes no attempt', () => {
    const { result, record } = claimed(revoking(), due)
    expect(result).toMatchObject({ kind: 'claimed', task: 'revoke', probe: false })
    expect(record).toMatchObject({
      fence: 6,
      lease: { owner: 'owner-1', until: storeNow + 20_000 },
      attempts: [],
      schedule: { dueAt: storeNow + 20_000 },
    })
  })

  test('is not made by readers, nor by hand, nor before it is due, nor beside another', () => {
    for (const why of [wanted(0), rejected(0), manual])
      expect(claimed(revoking(), why).result).toEqual({ kind: 'dead' })
    const later = { dueAt: storeNow + 1, backoffUntil: 0, failures: 1 }
    expect(claimed(revoking({ schedule: later }), due).result).toEqual({ kind: 'dead' })
    const taken = claimed(revoking({ lease: lease({ owner: 'owner-2' }) }), due)
    expect(taken.result).toEqual({ kind: 'held' })
    expect(taken.record?.schedule.dueAt).toBe(storeNow + 20_000)
  })
})

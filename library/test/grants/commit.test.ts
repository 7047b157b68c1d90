import { describe, expect, test } from 'vitest'
import type { Answered } from '../../src/grants/attempt.ts'
import { commit } from '../../src/grants/commit.ts'
import { type Attempt, findToken, type GrantRecord, ownToken, resume } from '../../src/grants/grant.ts'
import { replayClasses } from '../../src/grants/lifetime-facts.ts'
import { unresolvedOf } from '../../src/grants/recovery.ts'
import type { Change } from '../../src/grants/store.ts'
import { defaultTiming as timing } from '../../src/grants/timing.ts'
import {
  attempt,
  brought,
  bytes,
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

const own = attempt({ parent: 'print of refresh-1', sentAt: storeNow - 200 })
const scoped = { scope: 'read', resource: '' }
const answer: Answered = { token: brought(), refreshToken: held('refresh-2') }

/** A login whose refresh token was sent, once, and now the answer comes. */
const sent = (change: Partial<GrantRecord> = {}): GrantRecord =>
  strictRecord({
    fence: 2,
    lease: lease(),
    attempts: [own],
    tokens: [tokenWith(700_000)],
    schedule: {
      dueAt: storeNow,
      backoffUntil: storeNow + 5,
      failures: 2,
      lastError: { code: 'provider_error', message: 'm', at: 1 },
    },
    ...change,
  })

const commits = (
  record: GrantRecord | undefined,
  answered: Answered = answer,
  one: Attempt = own,
  at = moment(),
  now = utc,
): Change<GrantRecord | null> => commit(record, one, answered, { utc: now, timing }, at)

const committed = (record: GrantRecord, answered: Answered = answer): GrantRecord => {
  const { result, record: row } = commits(record, answered)
  expect(result).toBe(row)
  return row as GrantRecord
}

describe('an answer', () => {
  test('becomes the next generation, ends the lease, the failures and every attempt on its refresh token', () => {
    const sibling = attempt({ id: 'attempt-0', parent: 'print of refresh-1', sentAt: storeNow - 900 })
    const other = attempt({ id: 'attempt-9', parent: 'print of refresh-9', sentAt: storeNow - 999 })
    expect(committed(sent({ attempts: [sibling, other, own] }))).toMatchObject({
      status: { state: 'active' },
      fence: 3,
      lease: undefined,
      refreshToken: { fingerprint: 'print of refresh-2' },
      previousRefreshToken: {
        fingerprint: 'print of refresh-1',
        spent: { at: storeNow - 900, boot: 'boot-1' },
      },
      tokens: [{ generation: 2, fence: 2, sealed: bytes('access-2') }],
      attempts: [other],
      schedule: { backoffUntil: 0, failures: 0, lastError: undefined, lastSuccessAt: utc },
    })
    const due = committed(sent()).schedule.dueAt
    expect(due).toBeGreaterThanOrEqual(storeNow + 2_655_000)
    expect(due).toBeLessThanOrEqual(storeNow + 2_880_000)
  })

  test.each(replayClasses)(
    'of class %s that comes late is taken, whoever has claimed since',
    (replayClass) => {
      const overtaken = sent({
        facts: facts(replayClass),
        fence: 5,
        lease: lease({ owner: 'owner-2' }),
        attempts: [
          own,
          attempt({ id: 'attempt-5', fence: 5, owner: 'owner-2', parent: 'print of refresh-1' }),
        ],
      })
      expect(committed(overtaken)).toMatchObject({
        fence: 6,
        lease: undefined,
        refreshToken: { fingerprint: 'print of refresh-2' },
        attempts: [],
      })
    },
  )

  test('beats a verdict: a login that was given up, or not believed any more, goes on', () => {
    for (const status of [statuses.suspect, statuses.reauthorization_required]) {
      const record = committed(
        sent({ status, attempts: [], notices: [{ kind: 'at_risk', epoch: 1, at: 1, message: 'm' }] }),
      )
      expect(record.status).toEqual({ state: 'active' })
      expect(record.notices.map(({ kind }) => kind)).toEqual(['at_risk', 'recovered'])
    }
    expect(committed(sent()).notices).toEqual([])
  })

  test('is kept through a pause, which it does not end', () => {
    expect(committed(sent({ status: statuses.paused }))).toMatchObject({
      status: { state: 'paused' },
      refreshToken: { fingerprint: 'print of refresh-2' },
      schedule: { dueAt: null },
    })
  })

  test('that comes again, out of a spool or after a lost COMMIT, changes nothing but gives the lease back', () => {
    const once = committed(sent())
    expect(commits(once)).toEqual({ result: once, record: undefined })
    const claimedAgain = { ...once, lease: lease(), fence: 2 }
    expect(commits(claimedAgain).record).toEqual({ ...claimedAgain, lease: undefined })
  })

  test('of the grant’s past is wanted by nobody, and still gives the lease back', () => {
    expect(commits(undefined)).toEqual({ result: null })
    const unwanted = commits(sent({ status: statuses.pending }))
    expect(unwanted.result).toBeNull()
    expect(unwanted.record).toMatchObject({
      lease: undefined,
      refreshToken: { fingerprint: 'print of refresh-1' },
    })
    // Another consent has come since: what belongs to the login before it is dropped.
    const consented = sent({ refreshToken: held('refresh-9'), loginAt: utc + 1, lease: undefined })
    expect(commits(consented)).toEqual({ result: null })
  })

  test('without a refresh token leaves the one there is', () => {
    expect(committed(sent(), { token: brought() })).toMatchObject({
      refreshToken: { fingerprint: 'print of refresh-1' },
      previousRefreshToken: undefined,
      attempts: [],
    })
  })

  test('without a refresh token never replaces an access token of a younger fence', () => {
    const record = loginRecord('non_rotating', { fence: 4, tokens: [tokenRow({ generation: 3, fence: 3 })] })
    expect(commits(record, { token: brought() }, { ...own, fence: 3 })).toEqual({ result: null })
    expect(commits(record, { token: brought() }, { ...own, fence: 4 }).record?.tokens).toMatchObject([
      { generation: 4, fence: 4 },
    ])
  })

  test('to a request for a minted token counts while that request stands', () => {
    const request = attempt({ sentAt: storeNow })
    const minted = grantRecord({ fence: 2, lease: lease(), attempts: [request] })
    expect(commits(minted, { token: brought() }, request).record?.tokens).toMatchObject([{ generation: 1 }])
    const changed = { ...minted, attempts: [] }
    expect(commits(changed, { token: brought() }, request).result).toBeNull()
  })

  test('to another scope gets a row of its own and leaves the grant due for its own token', () => {
    const record = committed(sent({ tokens: [tokenWith(0)] }), {
      token: brought(scoped),
      refreshToken: held('refresh-2'),
    })
    expect(record.tokens.map(({ scope, generation }) => [scope, generation])).toEqual([
      ['', 1],
      ['read', 1],
    ])
    expect(record.schedule.dueAt).toBe(storeNow + 250)
  })

  // The worker asked again the moment the answer came.
  test('that comes expired leaves the grant due after a quarter of a second', () => {
    const born = brought({ expiresAt: utc - 1, lifetime: 1000 })
    expect(committed(sent(), { token: born }).schedule.dueAt).toBe(storeNow + 250)
  })

  test('that grants less than before says so, once', () => {
    const had = sent({ tokens: [tokenRow({ grantedScope: ['read', 'write'] })] })
    const less = committed(had, { ...answer, token: brought({ grantedScope: ['read'] }) })
    expect(less.notices).toEqual([
      { kind: 'scope_reduced', epoch: 1, at: utc, message: 'the provider no longer grants write' },
    ])
    expect(
      committed(had, { ...answer, token: brought({ grantedScope: ['write', 'read'] }) }).notices,
    ).toEqual([])
  })

  test('remembers whom it is for, and when the refresh token dies', () => {
    const record = committed(sent(), { ...answer, subject: 'print of ada', refreshTokenExpiresAt: utc + 9 })
    expect(record).toMatchObject({ subject: 'print of ada', refreshTokenExpiresAt: utc + 9 })
    // A new refresh token of which nothing is said may live longer than the old one.
    const later = committed({ ...sent(), subject: 'print of ada', refreshTokenExpiresAt: utc + 9 })
    expect(later).toMatchObject({ subject: 'print of ada', refreshTokenExpiresAt: undefined })
  })
})

describe('a refresh token that came without an access token', () => {
  test('takes the place of the spent one, and is proved at once', () => {
    const record = committed(sent({ schedule: { dueAt: storeNow, backoffUntil: 0, failures: 0 } }), {
      refreshToken: held('refresh-2'),
    })
    expect(record).toMatchObject({
      refreshToken: { fingerprint: 'print of refresh-2' },
      previousRefreshToken: { fingerprint: 'print of refresh-1' },
      tokens: [{ generation: 1 }],
      attempts: [],
      schedule: { dueAt: storeNow + 250, failures: 1 },
    })
  })

  // The grant was due four times a second for as long as the provider answered so.
  test('again and again is asked for ever less often, every five minutes in the end', () => {
    const dueAfter = (failures: number) =>
      Number(
        committed(sent({ schedule: { dueAt: storeNow, backoffUntil: 0, failures } }), {
          refreshToken: held('refresh-2'),
        }).schedule.dueAt,
      ) - storeNow
    expect([0, 1, 2, 5, 11, 40].map(dueAfter)).toEqual([250, 500, 1000, 8000, 300_000, 300_000])
  })
})

describe('an answer to a refresh token that the grant no longer holds', () => {
  const renewed = (change: Partial<GrantRecord> = {}): GrantRecord =>
    sent({
      refreshToken: held('refresh-3'),
      previousRefreshToken: held('refresh-1', { spent: { at: storeNow - 20_000, boot: 'boot-1' } }),
      fence: 7,
      lease: lease({ owner: 'owner-2' }),
      attempts: [own],
      ...change,
    })

  test('is kept as a candidate, never dropped, and disturbs nobody', () => {
    const { result, record } = commits(renewed())
    expect(result).toBeNull()
    expect(record).toEqual({
      ...renewed(),
      attempts: [],
      candidates: [
        {
          id: 'attempt-1',
          fence: 2,
          parent: 'print of refresh-1',
          refreshToken: held('refresh-2'),
          token: brought(),
        },
      ],
    })
    expect(commits(renewed({ fence: 2 })).record?.lease).toBeUndefined()
    expect(commits(record as GrantRecord).record).toBeUndefined()
  })

  test('without a refresh token is nothing to keep', () => {
    expect(commits(renewed({ lease: undefined }), { token: brought() })).toEqual({ result: null })
  })

  // Nothing was due any more, so the live refresh token lay there until it died.
  test('brings a login back for which a person was asked', () => {
    const over = renewed({
      status: statuses.reauthorization_required,
      lease: undefined,
      tokens: [],
      schedule: { dueAt: null, backoffUntil: 0, failures: 3 },
    })
    expect(commits(over).record).toMatchObject({
      status: { state: 'active' },
      refreshToken: { fingerprint: 'print of refresh-2' },
      tokens: [{ generation: 1, fence: 2, sealed: bytes('access-2') }],
      candidates: [],
      schedule: { dueAt: storeNow },
    })
  })

  test('of another subject sets the grant aside too', () => {
    const named = renewed({ subject: 'print of ada' })
    expect(commits(named, { ...answer, subject: 'print of bob' }).record).toMatchObject({
      status: { state: 'quarantined' },
      refreshToken: { fingerprint: 'print of refresh-3' },
      candidates: [{ refreshToken: { fingerprint: 'print of refresh-2' } }],
    })
  })

  test('waits until two successes lie between, and a day', () => {
    const old = candidate('sibling', { refreshToken: held('sibling', { receivedAt: utc - 86_400_000 }) })
    const young = candidate('young', { parent: 'print of refresh-0' })
    const first = committed(
      sent({
        refreshToken: held('refresh-1'),
        candidates: [{ ...old, parent: 'print of refresh-0' }, young],
        previousRefreshToken: held('refresh-0'),
      }),
    )
    expect(first.candidates.map(({ id }) => id)).toEqual(['attempt of sibling', 'attempt of young'])
    const next = attempt({ id: 'attempt-2', fence: 3, parent: 'print of refresh-2', sentAt: storeNow })
    const second = commits(first, { ...answer, refreshToken: held('refresh-3') }, next)
    expect(second.record?.candidates.map(({ id }) => id)).toEqual(['attempt of young'])
  })
})

describe('after two sends on one parent, a child', () => {
  const sibling = attempt({
    id: 'attempt-0',
    fence: 1,
    parent: 'print of refresh-1',
    sentAt: storeNow - 1000,
    localDone: true,
  })
  const overlapped = (change: Partial<GrantRecord> = {}) =>
    sent({ attempts: [sibling, own], facts: facts('last_child_wins', { reuseWindow: 300_000 }), ...change })

  test('of last_child_wins proves itself when requests on its parent are over, and its parent can still help', () => {
    expect(committed(overlapped()).schedule.dueAt).toBe(storeNow + 120_000)
    const shorter = { facts: facts('last_child_wins') }
    // First send, and a window of a minute, and two patiences of 15 s before its end.
    expect(committed(overlapped(shorter)).schedule.dueAt).toBe(storeNow - 1000 + 30_000)
    const atTheEnd = { ...sibling, sentAt: storeNow - 40_000 }
    expect(committed(overlapped({ ...shorter, attempts: [atTheEnd, own] })).schedule.dueAt).toBe(
      storeNow + 250,
    )
  })

  const fingerprints = (record: GrantRecord | null | undefined) => [
    record?.refreshToken?.fingerprint,
    ...(record?.candidates ?? []).map(({ refreshToken }) => refreshToken.fingerprint),
  ]
  const later = attempt({ id: 'attempt-3', fence: 4, parent: 'print of refresh-1', sentAt: storeNow - 50 })
  const younger = { ...answer, refreshToken: held('refresh-2b') }

  // Which of the two is dead only the order tells in which they were processed, and some providers end the login over it.
  test.each([
    ['before', sibling],
    ['after', later],
  ])('of last_child_wins makes room for their parent when that of a send %s is here too', (_, other) => {
    const record = committed(sent({ facts: facts('last_child_wins') }))
    const { record: next } = commits(record, younger, other)
    expect(fingerprints(next)).toEqual(['print of refresh-1', 'print of refresh-2b', 'print of refresh-2'])
    expect(next?.schedule.dueAt).toBe(storeNow)
    expect(next?.attempts).toMatchObject([
      { parent: 'print of refresh-1', sentAt: storeNow - 200, localDone: true },
    ])
  })

  describe('of last_child_wins, whose parent has no time left to bring a third,', () => {
    const spentLongAgo = (record: GrantRecord): GrantRecord => ({
      ...record,
      previousRefreshToken: held('refresh-1', { spent: { at: storeNow - 58_000, boot: 'boot-1' } }),
    })
    const record = spentLongAgo(committed(sent({ facts: facts('last_child_wins') })))

    test('is used when it is due', () => {
      const { record: next } = commits(record, younger, sibling)
      expect(fingerprints(next)).toEqual(['print of refresh-2', 'print of refresh-2b'])
      expect(next?.schedule).toEqual(record.schedule)
    })

    test('gives way to one that was asked for later, although its answer came first', () => {
      const { record: next } = commits(record, younger, later)
      expect(fingerprints(next)).toEqual(['print of refresh-2b', 'print of refresh-2'])
    })
  })

  test('of last_child_wins stays when it is used already', () => {
    const using = attempt({ id: 'attempt-9', fence: 9, parent: 'print of refresh-2' })
    const record = committed(sent({ facts: facts('last_child_wins') }))
    const { record: next } = commits({ ...record, attempts: [using] }, younger, later)
    expect(fingerprints(next)).toEqual(['print of refresh-2', 'print of refresh-2b'])
    expect(next?.schedule).toEqual(record.schedule)
  })

  describe('of last_child_wins, while a later send on its parent has no verdict,', () => {
    const facts_ = facts('last_child_wins')

    test('makes room for their parent, and whoever may hear that answer is waited for', () => {
      const record = committed(sent({ attempts: [own, later], facts: facts_ }))
      expect(fingerprints(record)).toEqual(['print of refresh-1', 'print of refresh-2'])
      expect(record.schedule.dueAt).toBe(storeNow)
      expect(unresolvedOf(record).map(({ id, sentAt }) => [id, sentAt])).toEqual([
        ['attempt-3', storeNow - 50],
        ['print of refresh-1', storeNow - 200],
      ])
      expect(findToken(record, ownToken)?.sealed).toEqual(bytes('access-2'))
    })

    // It was used when it was due, and the provider ended the login over it.
    test('gives way to a child of a later send that is here already, when their parent helps no more', () => {
      const early = { ...own, sentAt: storeNow - 58_000 }
      const here = candidate('2b', { fence: 3, parent: 'print of refresh-1' })
      const asked = attempt({ id: 'again', fence: 3, parent: 'print of refresh-1', sentAt: early.sentAt })
      const record = committed(sent({ attempts: [early, asked], candidates: [here], facts: facts_ }))
      expect(fingerprints(record)).toEqual([here.refreshToken.fingerprint, 'print of refresh-2'])
    })

    test('is not used before that answer has had its time, when their parent helps no more', () => {
      const early = { ...own, sentAt: storeNow - 58_000 }
      const record = committed(sent({ attempts: [early, later], facts: facts_, tokens: [] }))
      expect(fingerprints(record)).toEqual(['print of refresh-2'])
      const due = record.schedule.dueAt
      expect(due).toBeGreaterThanOrEqual(storeNow + 120_000)
      expect(record.notices.map(({ kind }) => kind)).toEqual(['at_risk'])
      const risk = { kind: 'at_risk', epoch: 1, at: 1, message: 'm' } as const
      const told = sent({ attempts: [early, later], facts: facts_, notices: [risk] })
      expect(committed(told).notices).toEqual([risk])
    })
  })

  test.each(['idempotent', 'fork', 'strict', 'non_rotating'] as const)(
    'of %s has nothing to prove',
    (replayClass) => {
      expect(committed(overlapped({ facts: facts(replayClass) })).schedule.dueAt).toBeGreaterThan(
        storeNow + 2_600_000,
      )
    },
  )
})

describe('an answer for another subject', () => {
  const named = sent({ subject: 'print of ada' })
  const foreign: Answered = { ...answer, subject: 'print of bob' }

  test('is kept and served to nobody', () => {
    const record = committed(named, foreign)
    expect(record).toMatchObject({
      status: { state: 'quarantined', reason: 'the provider answered for another subject than before' },
      fence: 3,
      lease: undefined,
      subject: 'print of ada',
      refreshToken: { fingerprint: 'print of refresh-1' },
      tokens: [{ generation: 1 }],
      candidates: [{ refreshToken: { fingerprint: 'print of refresh-2' } }],
      schedule: { dueAt: null },
    })
    expect(record.notices.map(({ kind }) => kind)).toEqual(['quarantined'])
  })

  test('sets aside whatever the state that takes answers', () => {
    for (const state of ['suspect', 'paused', 'reauthorization_required'] as const)
      expect(committed({ ...named, status: statuses[state] }, foreign).status.state).toBe('quarantined')
  })

  test('that an operator accepts goes on with the refresh token that came, not with the spent one', () => {
    const released = resume(committed(named, foreign), utc, storeNow)
    expect(released).toMatchObject({
      status: { state: 'active' },
      refreshToken: { fingerprint: 'print of refresh-2' },
      candidates: [],
      subject: undefined,
    })
  })

  test('is none where nobody was named before, or now', () => {
    expect(committed(sent(), foreign)).toMatchObject({ status: { state: 'active' }, subject: 'print of bob' })
    expect(committed(named)).toMatchObject({ status: { state: 'active' }, subject: 'print of ada' })
  })
})

describe('an answer that comes during a quarantine', () => {
  test('is a candidate, whatever it was bought with, and what an operator lets go on', () => {
    const aside = sent({ status: statuses.quarantined, lease: undefined })
    const { result, record } = commits(aside)
    expect(result).toBeNull()
    expect(record).toMatchObject({
      status: { state: 'quarantined' },
      refreshToken: { fingerprint: 'print of refresh-1' },
      candidates: [{ parent: 'print of refresh-1', refreshToken: { fingerprint: 'print of refresh-2' } }],
      attempts: [],
    })
    // The refresh token it was bought with is spent: sent again it would end a strict login.
    expect(resume(record as GrantRecord, utc, storeNow)).toMatchObject({
      refreshToken: { fingerprint: 'print of refresh-2' },
      previousRefreshToken: {
        fingerprint: 'print of refresh-1',
        spent: { at: storeNow - 200, boot: 'boot-1' },
      },
    })
  })
})

describe.each(['revoking', 'revoked'] as const)('an answer that comes to a login that is %s', (state) => {
  const over = sent({
    status: statuses[state],
    lease: undefined,
    schedule: { dueAt: null, backoffUntil: 0, failures: 0 },
  })

  test('is never used: its refresh token joins what the provider is told to revoke', () => {
    const { result, record } = commits(over)
    expect(result).toBeNull()
    expect(record).toMatchObject({
      status: { state: 'revoking', since: utc },
      refreshToken: over.refreshToken,
      tokens: over.tokens,
      candidates: [{ refreshToken: { fingerprint: 'print of refresh-2' } }],
      schedule: { dueAt: storeNow },
    })
    expect(record?.candidates[0]?.token).toBeUndefined()
  })

  test('without a refresh token changes nothing', () => {
    expect(commits(over, { token: brought() })).toEqual({ result: null })
  })
})

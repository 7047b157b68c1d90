import { describe, expect, test } from 'vitest'
import { commit, markSent, release, settle } from '../../src/grants/attempt.ts'
import { type Claim, claim, type Why } from '../../src/grants/claim.ts'
import { type Attempt, type GrantRecord, ownToken } from '../../src/grants/grant.ts'
import type { Failure, Outcome } from '../../src/grants/outcome.ts'
import { defaultTiming as timing } from '../../src/grants/timing.ts'
import {
  attempt,
  bytes,
  grantRecord,
  held,
  moment,
  statuses,
  storeNow,
  strictRecord,
  tokenRow,
  tokenWith,
  utc,
} from './records.ts'

const scoped = { scope: 'read', resource: '' }
const due: Why = { kind: 'due' }
const manual: Why = { kind: 'manual', key: ownToken }
const wanted = (generation: number): Why => ({ kind: 'wanted', key: ownToken, generation })
const rejected = (generation: number): Why => ({ kind: 'rejected', key: ownToken, generation })

const claimed = (record: GrantRecord | undefined, why: Why, at = moment(), owner = 'owner-1') =>
  claim(record, why, { owner, attemptId: 'attempt-1', utc, timing }, at)

const failed = (
  verdict: 'not_sent' | 'refused' | 'ambiguous',
  failure: Partial<Failure> = {},
): Exclude<Outcome, { verdict: 'ok' }> => ({
  verdict,
  failure: { code: 'provider_error', message: 'because', ...failure },
})
const refusal = (person = false): Exclude<Outcome, { verdict: 'ok' }> => ({
  verdict: 'rejected',
  person,
  failure: { code: 'invalid_grant', message: 'refused' },
})
const settled = (
  record: GrantRecord,
  one: Attempt,
  outcome: Exclude<Outcome, { verdict: 'ok' }>,
  { key = ownToken, at = moment(), random = 0.5 } = {},
) => settle(record, one, outcome, key, { utc, timing, random: () => random }, at).record as GrantRecord

const leased = (change: Partial<GrantRecord> = {}): GrantRecord =>
  grantRecord({
    fence: 2,
    lease: { owner: 'owner-1', until: storeNow + timing.lease, boot: 'boot-1' },
    attempts: [attempt()],
    ...change,
  })

describe('a claim', () => {
  test('raises the fence, takes the lease and writes its intent', () => {
    const { result, record } = claimed(strictRecord({ fence: 7 }), due)
    expect(result.kind).toBe('claimed')
    expect(record).toMatchObject({
      fence: 8,
      lease: { owner: 'owner-1', until: storeNow + 20_000, boot: 'boot-1' },
      schedule: { dueAt: storeNow + 20_000, lastAttemptAt: utc },
      attempts: [{ id: 'attempt-1', fence: 8, parent: 'print of refresh-1', localDone: false }],
    })
    // Nothing left yet: only markSent says that something did.
    expect(record?.attempts[0]?.sentAt).toBeUndefined()
  })

  test('marks the send at once where sending twice does no harm', () => {
    expect(claimed(grantRecord(), due).record?.attempts[0]?.sentAt).toBe(storeNow)
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
    for (const why of [due, wanted(1), rejected(1), manual])
      expect(claimed(record, why, moment(), 'owner-2').result).toEqual({ kind: 'held' })
    expect(claimed(record, manual, moment(storeNow + 20_000), 'owner-2').result.kind).toBe('claimed')
    expect(claimed(record, manual, moment(storeNow, { boot: 'boot-2' }), 'owner-2').result.kind).toBe(
      'claimed',
    )
    expect(claimed(record, manual, moment(storeNow, { dead: ['owner-1'] }), 'owner-2').result.kind).toBe(
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
    ['refreshed by hand by somebody who saw the present one', { ...manual, generation: 1 }, {}, 'claimed'],
    ['refreshed by hand, and was meanwhile', { ...manual, generation: 0 }, {}, 'fresh'],
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
    const after = settled(record, record.attempts[0] as Attempt, failed('refused'))
    expect(claimed(after, rejected(1)).result).toEqual({ kind: 'backoff', until: storeNow + 1000 })
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
})

describe('a strict refresh token whose fate is unknown', () => {
  const sent = attempt({ parent: 'print of refresh-1', sentAt: storeNow - 30_000, localDone: true })
  const unresolved = (left: number, change: Partial<GrantRecord> = {}) =>
    strictRecord({
      fence: 2,
      tokens: [tokenWith(left)],
      attempts: [sent],
      schedule: { dueAt: storeNow, backoffUntil: 0, failures: 1 },
      ...change,
    })

  test('waits, by whomever and why ever it is wanted, until the mandatory window of its access token', () => {
    for (const why of [due, wanted(1), rejected(1), manual]) {
      const { result, record } = claimed(unresolved(400_000), why)
      expect(result).toEqual({ kind: 'backoff', until: storeNow + 100_000 })
      expect(record).toMatchObject({ fence: 2, schedule: { dueAt: storeNow + 100_000 }, attempts: [sent] })
    }
  })

  test('is sent again in the mandatory window, and its old attempt stays on record', () => {
    const { result, record } = claimed(unresolved(300_000), due)
    expect(result.kind).toBe('claimed')
    expect(record?.attempts.map(({ id, fence }) => [id, fence])).toEqual([
      ['attempt-1', 2],
      ['attempt-1', 3],
    ])
  })

  test('is sent again when there is no access token left to lose', () => {
    expect(claimed(unresolved(0), due).result.kind).toBe('claimed')
    expect(claimed(unresolved(0, { tokens: [] }), due).result.kind).toBe('claimed')
  })

  // A pause, a changed definition or a label took the lease away; the second send met the first and ended the login.
  test('is not sent again while its sender lives and may still be waiting for the answer', () => {
    const underWay = { ...sent, sentAt: storeNow - 1000, localDone: false }
    const record = unresolved(0, { attempts: [underWay] })
    expect(claimed(record, manual, moment(), 'owner-2').result).toEqual({ kind: 'held' })
    expect(claimed(record, due, moment(), 'owner-2').record?.schedule.dueAt).toBe(storeNow + 14_000)
    expect(claimed(record, due, moment(storeNow + 14_000), 'owner-2').result.kind).toBe('claimed')
    expect(claimed(record, due, moment(storeNow, { dead: ['owner-1'] }), 'owner-2').result.kind).toBe(
      'claimed',
    )
    expect(claimed(record, due, moment(storeNow, { boot: 'boot-2' }), 'owner-2').result.kind).toBe('claimed')
  })

  test('is known by its attempt alone: one that was claimed and never marked stops nobody', () => {
    const record = unresolved(3_000_000, { attempts: [{ ...sent, sentAt: undefined }] })
    const { result, record: next } = claimed(record, due)
    expect(result.kind).toBe('claimed')
    expect(next?.attempts.map(({ fence }) => fence)).toEqual([3])
  })

  test('is forgotten with its refresh token', () => {
    const record = unresolved(3_000_000, { refreshToken: held('refresh-2') })
    expect(claimed(record, due).result.kind).toBe('claimed')
  })
})

describe('marking a send', () => {
  const own = attempt({ parent: 'print of refresh-1' })
  const record = leased({ replayClass: 'strict', refreshToken: held('refresh-1'), attempts: [own] })

  test('writes the store time of the moment before', () => {
    expect(markSent(record, own, moment(storeNow + 5))).toMatchObject({
      result: true,
      record: { attempts: [{ id: 'attempt-1', sentAt: storeNow + 5, boot: 'boot-1' }] },
    })
  })

  test.each<[string, GrantRecord | undefined, number, string]>([
    ['the grant is gone', undefined, storeNow, 'boot-1'],
    ['somebody claimed since', { ...record, fence: 3 }, storeNow, 'boot-1'],
    ['the refresh token changed', { ...record, refreshToken: held('refresh-2') }, storeNow, 'boot-1'],
    ['the lease is over', record, storeNow + 20_000, 'boot-1'],
    ['the machine started anew', record, storeNow, 'boot-2'],
    ['the lease was taken away', { ...record, lease: undefined }, storeNow, 'boot-1'],
    [
      'the lease is another owner’s',
      { ...record, lease: { owner: 'owner-2', until: storeNow + 20_000, boot: 'boot-1' } },
      storeNow,
      'boot-1',
    ],
  ])('is refused when %s', (_name, row, at, boot) => {
    expect(markSent(row, own, moment(at, { boot }))).toEqual({ result: false })
  })
})

describe('a claim that is given back', () => {
  test('leaves no lease and no attempt, and the next may begin at once', () => {
    const record = leased({ schedule: { dueAt: storeNow + 20_000, backoffUntil: 0, failures: 0 } })
    const free = release(record, attempt(), moment()).record as GrantRecord
    expect(free).toMatchObject({ lease: undefined, attempts: [], fence: 2, schedule: { dueAt: storeNow } })
    expect(claimed(free, due).result.kind).toBe('claimed')
  })

  test('takes nothing from whoever claimed since', () => {
    expect(release(leased({ fence: 3 }), attempt(), moment())).toEqual({ result: undefined })
    expect(release(undefined, attempt(), moment())).toEqual({ result: undefined })
  })
})

describe('an answer', () => {
  const { generation: _, fence: __, ...token } = tokenRow({ sealed: bytes('access-2') })
  const own = attempt({ parent: 'print of refresh-1', sentAt: storeNow })
  const strict = (change: Partial<GrantRecord> = {}) =>
    leased({
      replayClass: 'strict',
      refreshToken: held('refresh-1'),
      attempts: [own],
      tokens: [tokenRow()],
      schedule: {
        dueAt: storeNow,
        backoffUntil: storeNow + 5,
        failures: 2,
        lastError: { code: 'provider_error', message: 'm', at: 1 },
      },
      ...change,
    })
  const committed = (record: GrantRecord, refreshToken = held('refresh-2')) =>
    commit(record, own, { token, refreshToken }, utc, moment()).record as GrantRecord

  test('becomes the next generation, ends the lease, the failures and every attempt on its refresh token', () => {
    expect(committed(strict())).toMatchObject({
      status: { state: 'active' },
      fence: 3,
      lease: undefined,
      refreshToken: { fingerprint: 'print of refresh-2' },
      previousRefreshToken: { fingerprint: 'print of refresh-1' },
      tokens: [{ generation: 2, fence: 2, sealed: bytes('access-2') }],
      attempts: [],
      schedule: { backoffUntil: 0, failures: 0, lastError: undefined, lastSuccessAt: utc },
    })
    expect(committed(strict()).schedule.dueAt).toBeGreaterThan(storeNow + 2_600_000)
  })

  test('that comes late is still taken, whoever has claimed since, and beats a verdict', () => {
    const overtaken = strict({ fence: 5, lease: { owner: 'owner-2', until: storeNow + 9, boot: 'boot-1' } })
    expect(committed(overtaken)).toMatchObject({
      fence: 6,
      refreshToken: { fingerprint: 'print of refresh-2' },
    })
    for (const status of [statuses.suspect, statuses.reauthorization_required])
      expect(committed(strict({ status })).status).toEqual({ state: 'active' })
  })

  test('is kept through a pause, which it does not end', () => {
    expect(committed(strict({ status: { state: 'paused' } }))).toMatchObject({
      status: { state: 'paused' },
      refreshToken: { fingerprint: 'print of refresh-2' },
      schedule: { dueAt: null },
    })
  })

  test('to a refresh token that the grant no longer holds changes nothing', () => {
    const renewed = strict({ refreshToken: held('refresh-9'), lease: undefined })
    expect(commit(renewed, own, { token, refreshToken: held('refresh-2') }, utc, moment())).toEqual({
      result: null,
    })
    for (const status of [statuses.pending, statuses.quarantined])
      expect(commit(strict({ status, lease: undefined }), own, { token }, utc, moment()).result).toBeNull()
    expect(commit(undefined, own, { token }, utc, moment()).result).toBeNull()
  })

  test('that nobody wants any more still gives the lease back', () => {
    const { result, record } = commit(
      strict({ refreshToken: held('refresh-9') }),
      own,
      { token },
      utc,
      moment(),
    )
    expect(result).toBeNull()
    expect(record).toMatchObject({ lease: undefined, refreshToken: { fingerprint: 'print of refresh-9' } })
  })

  test('without a refresh token leaves the one there is', () => {
    const record = commit(strict(), own, { token }, utc, moment()).record
    expect(record).toMatchObject({
      refreshToken: { fingerprint: 'print of refresh-1' },
      previousRefreshToken: undefined,
    })
  })

  test('to another scope gets a row of its own and leaves the grant due for its own token', () => {
    const record = commit(
      strict({ tokens: [tokenWith(0)] }),
      own,
      { token: { ...token, ...scoped }, refreshToken: held('refresh-2') },
      utc,
      moment(),
    ).record as GrantRecord
    expect(record.tokens.map(({ scope, generation }) => [scope, generation])).toEqual([
      ['', 1],
      ['read', 1],
    ])
    expect(record.schedule.dueAt).toBe(storeNow + 250)
  })

  // The worker asked again the moment the answer came.
  test('that comes expired leaves the grant due after a quarter of a second', () => {
    const born = { ...token, expiresAt: utc - 1, lifetime: 1000 }
    expect(commit(strict(), own, { token: born }, utc, moment()).record?.schedule.dueAt).toBe(storeNow + 250)
  })
})

describe('a failure', () => {
  const own = attempt({ parent: 'print of refresh-1' })
  const strict = (change: Partial<GrantRecord> = {}) =>
    leased({ replayClass: 'strict', refreshToken: held('refresh-1'), attempts: [own], ...change })

  test('is stored, counted, and backed off from', () => {
    const record = settled(
      strict({ tokens: [tokenRow()] }),
      own,
      failed('refused', { error: 'flux', status: 418 }),
    )
    expect(record).toMatchObject({
      lease: undefined,
      attempts: [],
      status: { state: 'active' },
      schedule: {
        failures: 1,
        backoffUntil: storeNow + 1000,
        dueAt: storeNow + 1000,
        lastError: { code: 'provider_error', message: 'because', at: utc, error: 'flux', status: 418 },
      },
    })
  })

  test('obeys Retry-After', () => {
    const record = settled(strict(), own, failed('refused', { retryAfter: 100 }))
    expect(record.schedule.dueAt).toBe(storeNow + 110_000)
  })

  test('with an unknown end keeps the attempt of a strict refresh token, and no other', () => {
    expect(settled(strict(), own, failed('ambiguous')).attempts).toMatchObject([
      { id: 'attempt-1', sentAt: storeNow, localDone: true },
    ])
    expect(settled(leased(), attempt(), failed('ambiguous')).attempts).toEqual([])
    expect(settled(strict(), own, failed('not_sent')).attempts).toEqual([])
  })

  test('that is certain clears its own attempt only: an earlier send stays unresolved', () => {
    const earlier = attempt({ id: 'attempt-0', parent: 'print of refresh-1', sentAt: storeNow - 1, fence: 1 })
    expect(settled(strict({ attempts: [earlier, own] }), own, failed('not_sent')).attempts).toEqual([earlier])
    expect(settled(strict({ attempts: [earlier, own] }), own, refusal()).attempts).toEqual([])
  })

  test('of a reader’s own scope says nothing about the grant', () => {
    const before = strict({ tokens: [tokenRow()] })
    const record = settled(before, own, failed('refused', { code: 'invalid_scope' }), { key: scoped })
    expect(record).toMatchObject({ lease: undefined, attempts: [], status: { state: 'active' } })
    expect(record.schedule).toMatchObject({ failures: 0, backoffUntil: 0 })
    expect(record.schedule.lastError).toBeUndefined()
    const own_ = settled(before, own, failed('refused', { code: 'invalid_scope' }))
    expect(own_.schedule.lastError?.code).toBe('invalid_scope')
  })

  test('never makes a paused grant due', () => {
    const paused = strict({ status: { state: 'paused' } })
    expect(settled(paused, own, failed('refused')).schedule.dueAt).toBeNull()
    expect(
      settled(paused, own, failed('refused', { code: 'invalid_scope' }), { key: scoped }).schedule.dueAt,
    ).toBeNull()
    expect(settled(paused, own, refusal()).status).toEqual({ state: 'paused' })
  })

  // ensure() with a new refresh token while the old one was being refused made the new login suspect.
  test('about a refresh token that was replaced meanwhile says nothing about the new one', () => {
    const replaced = strict({ fence: 3, refreshToken: held('refresh-9'), lease: undefined })
    expect(settled(replaced, own, refusal(true))).toEqual({ ...replaced, attempts: [] })
  })

  // The lease stayed until it ran out: twenty seconds in which nobody could refresh.
  test('that somebody else’s verdict has cleared meanwhile still gives the lease back', () => {
    const cleared = strict({ attempts: [] })
    expect(settled(cleared, own, failed('ambiguous'))).toEqual({ ...cleared, lease: undefined })
  })

  test('of an overtaken attempt leaves the lease to its owner', () => {
    const lease = { owner: 'owner-2', until: storeNow + 9, boot: 'boot-1' }
    expect(settled(strict({ fence: 3, lease }), own, failed('refused')).lease).toEqual(lease)
  })

  test('of a grant that is gone changes nothing', () => {
    const by = { utc, timing, random: () => 0 }
    expect(settle(undefined, own, refusal(), ownToken, by, moment())).toEqual({ result: undefined })
  })
})

describe('a refusal', () => {
  const own = attempt({ parent: 'print of refresh-1' })
  const strict = (status: GrantRecord['status']) =>
    leased({ replayClass: 'strict', refreshToken: held('refresh-1'), attempts: [own], status })

  test('is believed when it comes again after one minute and after ten', () => {
    const first = settled(strict({ state: 'active' }), own, refusal())
    expect(first.status).toEqual({ state: 'suspect', refusals: 1, countsFrom: storeNow + 60_000 })
    expect(first.schedule).toMatchObject({ dueAt: storeNow + 60_000, backoffUntil: storeNow + 60_000 })
    const later = storeNow + 60_000
    const second = settled(strict(first.status), own, refusal(), { at: moment(later) })
    expect(second.status).toEqual({ state: 'suspect', refusals: 2, countsFrom: later + 600_000 })
    const last = later + 600_000
    const third = settled(strict(second.status), own, refusal(), { at: moment(last) })
    expect(third.status).toEqual({ state: 'reauthorization_required', reason: 'refused', since: utc })
    expect(third.schedule).toMatchObject({ dueAt: null, backoffUntil: 0 })
  })

  test('repeated sooner is the same opinion', () => {
    const suspect = { state: 'suspect', refusals: 2, countsFrom: storeNow + 500 } as const
    const record = settled(strict(suspect), own, refusal())
    expect(record.status).toEqual(suspect)
    expect(record.schedule.dueAt).toBe(storeNow + 500)
  })

  test('that asks for a person is believed at once', () => {
    expect(settled(strict({ state: 'active' }), own, refusal(true)).status.state).toBe(
      'reauthorization_required',
    )
  })

  test('of the client is no refusal of the grant', () => {
    const record = settled(strict({ state: 'active' }), own, failed('refused', { code: 'invalid_client' }))
    expect(record.status).toEqual({ state: 'active' })
    expect(record.schedule.lastError?.code).toBe('invalid_client')
  })

  // Both a worker's answer and the request of another were thrown away with the refusal of a third.
  test('of one minted token does not throw away the answer to a later request', () => {
    const [first, second] = [attempt({ id: 'a', fence: 2 }), attempt({ id: 'b', fence: 3, owner: 'owner-2' })]
    const record = leased({
      fence: 3,
      attempts: [first, second],
      lease: { owner: 'owner-2', until: storeNow + 9, boot: 'boot-1' },
    })
    const refusedRow = settled(record, first, refusal())
    expect(refusedRow.attempts).toEqual([second])
    const { generation: _, fence: __, ...token } = tokenRow()
    expect(commit(refusedRow, second, { token }, utc, moment()).record).toMatchObject({
      status: { state: 'active' },
      tokens: [{ generation: 1 }],
      lease: undefined,
    })
  })
})

import { describe, expect, test } from 'vitest'
import { commit } from '../../src/grants/commit.ts'
import { type Attempt, type GrantRecord, ownToken } from '../../src/grants/grant.ts'
import { type ReplayClass, replayClasses } from '../../src/grants/lifetime-facts.ts'
import type { FailedOutcome, Failure } from '../../src/grants/outcome.ts'
import { lost, settle } from '../../src/grants/settle.ts'
import { defaultTiming as timing } from '../../src/grants/timing.ts'
import { scoped } from './claims.ts'
import {
  attempt,
  brought,
  candidate,
  facts,
  grantRecord,
  held,
  lease,
  loginRecord,
  moment,
  statuses,
  storeNow,
  tokenRow,
  tokenWith,
  utc,
} from './records.ts'

const own = attempt({ parent: 'print of refresh-1', sentAt: storeNow - 100 })

/** A login whose refresh token was sent, once. */
const sent = (replayClass: ReplayClass, change: Partial<GrantRecord> = {}): GrantRecord =>
  loginRecord(replayClass, { fence: 2, lease: lease(), attempts: [own], ...change })

const failed = (
  verdict: 'not_sent' | 'refused' | 'ambiguous',
  failure: Partial<Failure> = {},
): FailedOutcome => ({ verdict, failure: { code: 'provider_error', message: 'because', ...failure } })

const refusal = (person = false): FailedOutcome => ({
  verdict: 'rejected',
  person,
  failure: { code: 'invalid_grant', message: 'refused' },
})

const settled = (
  record: GrantRecord,
  outcome: FailedOutcome,
  { key = ownToken, at = moment(), random = 0.5, incident = false, one = own as Attempt } = {},
): GrantRecord => {
  const by = { utc, timing, random: () => random, incident, listening: false }
  const { result, record: row } = settle(record, one, outcome, key, by, at)
  expect(row ?? record).toEqual(result)
  return result as GrantRecord
}

const kinds = ({ notices }: GrantRecord) => notices.map(({ kind }) => kind)

describe('a failure', () => {
  test('is stored, counted, and backed off from', () => {
    const outcome = failed('refused', { error: 'flux', status: 418 })
    expect(settled(sent('strict', { tokens: [tokenRow()] }), outcome)).toMatchObject({
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
    expect(settled(sent('strict'), failed('refused', { retryAfter: 100 })).schedule.dueAt).toBe(
      storeNow + 110_000,
    )
  })

  // A provider that asked for a minute's patience cost the login that an earlier send had put at stake.
  test('waits no longer than the reuse window of an earlier send has room for an answer', () => {
    const earlier = attempt({
      id: 'attempt-0',
      parent: 'print of refresh-1',
      sentAt: storeNow - 9000,
      fence: 1,
    })
    const slow = failed('refused', { retryAfter: 600 })
    const dueOf = (replayClass: ReplayClass) =>
      settled(sent(replayClass, { attempts: [earlier, own] }), slow).schedule
    for (const replayClass of ['last_child_wins', 'idempotent', 'fork'] as const)
      expect(dueOf(replayClass)).toMatchObject({
        dueAt: storeNow - 9000 + 43_000,
        backoffUntil: storeNow + 660_000,
      })
    for (const replayClass of ['strict', 'non_rotating'] as const)
      expect(dueOf(replayClass).dueAt).toBe(storeNow + 660_000)
    expect(settled(sent('idempotent'), slow).schedule.dueAt).toBe(storeNow + 660_000)
  })

  // The proof of a child that a late sibling had killed waited for a minute; its parent's window was closed by then.
  test('waits no longer than the parent of a last child can help', () => {
    const spent = (ago: number) => held('refresh-0', { spent: { at: storeNow - ago, boot: 'boot-1' } })
    const slow = failed('refused', { retryAfter: 600 })
    const scheduleOf = (replayClass: ReplayClass, ago: number) =>
      settled(sent(replayClass, { previousRefreshToken: spent(ago) }), slow).schedule
    // A window of a minute less two seconds, and two patiences of 15 s.
    expect(scheduleOf('last_child_wins', 20_000)).toMatchObject({
      dueAt: storeNow + 8000,
      backoffUntil: storeNow + 8000,
    })
    expect(scheduleOf('last_child_wins', 28_000).dueAt).toBe(storeNow + 660_000)
    for (const replayClass of ['idempotent', 'fork', 'strict'] as const)
      expect(scheduleOf(replayClass, 20_000).dueAt).toBe(storeNow + 660_000)
  })

  // 429 and the like were not processed: an earlier send of unknown end may have been.
  test.each(['not_sent', 'refused'] as const)(
    'that is certain (%s) clears its own attempt only',
    (verdict) => {
      const earlier = attempt({
        id: 'attempt-0',
        parent: 'print of refresh-1',
        sentAt: storeNow - 1,
        fence: 1,
      })
      for (const replayClass of replayClasses)
        expect(settled(sent(replayClass, { attempts: [earlier, own] }), failed(verdict)).attempts).toEqual([
          earlier,
        ])
    },
  )

  test('of a reader’s own scope says nothing about the grant', () => {
    const before = sent('strict', { tokens: [tokenRow()] })
    const record = settled(before, failed('refused', { code: 'invalid_scope' }), { key: scoped })
    expect(record).toMatchObject({ lease: undefined, attempts: [], status: { state: 'active' } })
    expect(record.schedule).toMatchObject({ failures: 0, backoffUntil: 0 })
    expect(record.schedule.lastError).toBeUndefined()
    const ofGrant = settled(before, failed('refused', { code: 'invalid_scope' }))
    expect(ofGrant.schedule.lastError?.code).toBe('invalid_scope')
  })

  test('never makes a paused grant due', () => {
    const paused = sent('strict', { status: statuses.paused })
    expect(settled(paused, failed('refused')).schedule.dueAt).toBeNull()
    expect(settled(paused, failed('ambiguous')).schedule.dueAt).toBeNull()
    const ofScope = failed('refused', { code: 'invalid_scope' })
    expect(settled(paused, ofScope, { key: scoped }).schedule.dueAt).toBeNull()
    expect(settled(paused, refusal()).status).toEqual({ state: 'paused' })
  })

  // The provider was never told: the failure of a refresh under way took the due time of the revocation.
  test.each(['revoking', 'revoked'] as const)(
    'of a refresh whose login is %s by now changes only its attempt',
    (state) => {
      const schedule = { dueAt: storeNow + 7, backoffUntil: 0, failures: 3 }
      const over = sent('strict', { status: statuses[state], fence: 3, lease: undefined, schedule })
      for (const outcome of [failed('refused'), failed('ambiguous'), refusal(), refusal(true)])
        expect(settled(over, outcome)).toEqual({ ...over, attempts: [] })
      const telling = { ...over, lease: lease({ owner: 'owner-2' }) }
      expect(settled(telling, failed('refused')).lease).toEqual(telling.lease)
    },
  )

  // ensure() with a new refresh token while the old one was being refused made the new login suspect.
  test('about a refresh token that was replaced meanwhile says nothing about the new one', () => {
    const replaced = sent('strict', { fence: 3, refreshToken: held('refresh-9'), lease: undefined })
    expect(settled(replaced, refusal(true))).toEqual({ ...replaced, attempts: [] })
  })

  // The lease stayed until it ran out: twenty seconds in which nobody could refresh.
  test('that somebody else’s verdict has cleared meanwhile still gives the lease back', () => {
    const cleared = sent('strict', { attempts: [] })
    expect(settled(cleared, failed('ambiguous'))).toEqual({ ...cleared, lease: undefined })
  })

  test('of an overtaken attempt leaves the lease to its owner', () => {
    const others = lease({ owner: 'owner-2' })
    expect(settled(sent('strict', { fence: 3, lease: others }), failed('refused')).lease).toEqual(others)
  })

  test('of a grant that is gone changes nothing', () => {
    const by = { utc, timing, random: () => 0, incident: false, listening: false }
    expect(settle(undefined, own, refusal(), ownToken, by, moment())).toEqual({ result: undefined })
  })
})

describe('an end that nobody knows', () => {
  test('of a refresh token that is never replaced leaves nothing to resolve', () => {
    const record = settled(sent('non_rotating'), failed('ambiguous'))
    expect(record).toMatchObject({ attempts: [], schedule: { dueAt: storeNow + 1000, failures: 1 } })
    expect(
      settled(grantRecord({ attempts: [attempt()] }), failed('ambiguous'), { one: attempt() }).attempts,
    ).toEqual([])
  })

  test.each(['strict', 'last_child_wins', 'idempotent', 'fork'] as const)(
    'of class %s stays on record, and nothing more can come of its sender',
    (replayClass) => {
      const record = settled(sent(replayClass), failed('ambiguous'))
      expect(record).toMatchObject({ lease: undefined, attempts: [{ ...own, localDone: true }] })
      // Sent in the same commit as its settling: the time is known at the latest now.
      const unmarked = attempt({ parent: 'print of refresh-1' })
      const late = settled(sent(replayClass, { attempts: [unmarked] }), failed('ambiguous'), {
        one: unmarked,
      })
      expect(late.attempts).toMatchObject([{ sentAt: storeNow, localDone: true }])
    },
  )

  test('is due by class: inside a window after its backoff, strict after quiescence', () => {
    const tokens = [tokenRow()]
    for (const replayClass of ['last_child_wins', 'idempotent', 'fork'] as const)
      expect(settled(sent(replayClass, { tokens }), failed('ambiguous')).schedule.dueAt).toBe(storeNow + 1000)
    const strict = settled(
      sent('strict', { tokens, facts: facts('strict', { introspection: true }) }),
      failed('ambiguous'),
    )
    expect(strict.schedule.dueAt).toBe(storeNow - 100 + 120_000)
  })

  test('is due while its window still has room for an answer, however long the backoff', () => {
    const schedule = { dueAt: storeNow, backoffUntil: 0, failures: 12 }
    const record = settled(sent('idempotent', { tokens: [tokenRow()], schedule }), failed('ambiguous'), {
      random: 1,
    })
    // First send, window of a minute less two seconds, less a patience of 15 s: not only at that moment, but half of the way.
    expect(record.schedule.dueAt).toBe(storeNow + 42_900 / 2)
    expect(record.schedule.backoffUntil).toBe(storeNow + 300_000)
    const asked = settled(sent('idempotent'), failed('ambiguous', { retryAfter: 600 }))
    expect(asked.schedule.dueAt).toBe(storeNow - 100 + 43_000)
  })

  // The next to ask came seven seconds after the window was over, and only then a person was told.
  test('that leaves no time for another try in its window is told at once', () => {
    const schedule = { dueAt: storeNow, backoffUntil: 0, failures: 12 }
    const first = attempt({ id: 'attempt-0', parent: 'print of refresh-1', localDone: true })
    const asked = (ago: number) =>
      settled(
        sent('idempotent', {
          tokens: [tokenRow()],
          schedule,
          attempts: [{ ...first, sentAt: storeNow - ago }, own],
        }),
        failed('ambiguous'),
        { random: 1 },
      )
    expect(kinds(asked(42_999))).toEqual([])
    expect(kinds(asked(43_000))).toEqual(['at_risk'])
  })

  test('puts a login at risk, and says so once, where sending again could end it', () => {
    expect(kinds(settled(sent('strict'), failed('ambiguous')))).toEqual(['at_risk'])
    for (const replayClass of ['last_child_wins', 'idempotent', 'fork', 'non_rotating'] as const)
      expect(kinds(settled(sent(replayClass), failed('ambiguous')))).toEqual([])
    const again = sent('strict', {
      notices: [{ kind: 'at_risk', epoch: 1, at: 1, message: 'm' }],
      attempts: [attempt({ id: 'attempt-0', parent: 'print of refresh-1', sentAt: 1, localDone: true }), own],
    })
    expect(settled(again, failed('ambiguous')).notices).toEqual(again.notices)
  })
})

describe('a refusal', () => {
  const strict = (status: GrantRecord['status']) => sent('strict', { status })

  test('is believed when it comes again after one minute and after ten', () => {
    const first = settled(strict({ state: 'active' }), refusal())
    expect(first.status).toEqual({ state: 'suspect', refusals: 1, countsFrom: storeNow + 60_000 })
    expect(first.schedule).toMatchObject({ dueAt: storeNow + 60_000, backoffUntil: storeNow + 60_000 })
    const later = storeNow + 60_000
    const second = settled(strict(first.status), refusal(), { at: moment(later) })
    expect(second.status).toEqual({ state: 'suspect', refusals: 2, countsFrom: later + 600_000 })
    expect(kinds(second)).toEqual([])
    const last = later + 600_000
    const third = settled(strict(second.status), refusal(), { at: moment(last) })
    expect(third.status).toEqual({ state: 'reauthorization_required', reason: 'refused', since: utc })
    expect(third.schedule).toMatchObject({ dueAt: null, backoffUntil: 0 })
    expect(third.notices).toEqual([
      { kind: 'reauthorization_required', epoch: 1, at: utc, message: 'refused' },
    ])
  })

  test('repeated sooner is the same opinion', () => {
    const suspect = { state: 'suspect', refusals: 2, countsFrom: storeNow + 500 } as const
    const record = settled(strict(suspect), refusal())
    expect(record.status).toEqual(suspect)
    expect(record.schedule.dueAt).toBe(storeNow + 500)
  })

  // A provider that refused everybody for a moment did so while an answer was lost: the next try came outside of the window.
  test('that is not believed leaves earlier sends unresolved, and the next try comes while their window lasts', () => {
    const earlier = attempt({
      id: 'attempt-0',
      parent: 'print of refresh-1',
      sentAt: storeNow - 5_000,
      localDone: true,
    })
    const twice = (replayClass: ReplayClass) => sent(replayClass, { attempts: [earlier, own] })
    for (const incident of [false, true]) {
      const record = settled(twice('idempotent'), refusal(), { incident })
      expect(record.attempts).toEqual([earlier])
      // The window of 60 s less its margin of 2 s, from the first send, and 15 s for the answer.
      expect(record.schedule.dueAt).toBe(incident ? storeNow + 1_000 : storeNow - 5_000 + 58_000 - 15_000)
    }
    // Where the window has no room for an answer any more nobody is asked in vain.
    const last = { ...earlier, sentAt: storeNow - 45_000 }
    const late = settled(sent('idempotent', { attempts: [last, own] }), failed('refused'))
    expect(late.schedule.dueAt).toBe(storeNow + 1_000)
    const record = settled(twice('strict'), refusal())
    expect(record).toMatchObject({ attempts: [earlier], schedule: { dueAt: storeNow + 60_000 } })
    const suspect = { state: 'suspect', refusals: 2, countsFrom: storeNow } as const
    expect(settled({ ...twice('idempotent'), status: suspect }, refusal()).attempts).toEqual([])
  })

  // The live child lay among the candidates, untried because another send of the dead one had no verdict.
  test('is not the end while a candidate has not been tried', () => {
    const open = attempt({ id: 'attempt-0', parent: 'print of refresh-1', sentAt: storeNow - 1, fence: 1 })
    const last = sent('last_child_wins', {
      status: { state: 'suspect', refusals: 2, countsFrom: storeNow },
      attempts: [open, own],
      previousRefreshToken: held('refresh-0', { spent: { at: storeNow - 900_000, boot: 'boot-1' } }),
      candidates: [candidate('refresh-2', { parent: 'print of refresh-0' })],
    })
    expect(settled(last, refusal())).toMatchObject({
      status: { state: 'suspect' },
      refreshToken: { fingerprint: 'print of refresh-2' },
      candidates: [],
      schedule: { dueAt: storeNow },
    })
    expect(settled({ ...last, candidates: [] }, refusal()).status.state).toBe('reauthorization_required')
  })

  test('that asks for a person is believed at once, whatever else there is', () => {
    const record = settled(sent('strict', { candidates: [candidate('refresh-2')] }), refusal(true))
    expect(record.status.state).toBe('reauthorization_required')
    expect(record.candidates).toHaveLength(1)
    expect(settled(sent('strict'), refusal(true), { incident: true }).status.state).toBe(
      'reauthorization_required',
    )
  })

  test('of the client is no refusal of the grant', () => {
    const record = settled(strict({ state: 'active' }), failed('refused', { code: 'invalid_client' }))
    expect(record.status).toEqual({ state: 'active' })
    expect(record.schedule.lastError?.code).toBe('invalid_client')
  })

  test('while the provider refuses everybody is a failure like another', () => {
    const record = settled(sent('strict', { tokens: [tokenRow()] }), refusal(), { incident: true })
    expect(record).toMatchObject({
      status: { state: 'active' },
      refreshToken: { fingerprint: 'print of refresh-1' },
      attempts: [],
      schedule: { failures: 1, dueAt: storeNow + 1000 },
    })
  })

  test('that is believed is the verdict on every send of that refresh token', () => {
    const earlier = attempt({ id: 'attempt-0', parent: 'print of refresh-1', sentAt: storeNow - 1, fence: 1 })
    expect(settled(sent('strict', { attempts: [earlier, own] }), refusal(true)).attempts).toEqual([])
  })

  // Both a worker's answer and the request of another were thrown away with the refusal of a third.
  test('of one minted token does not throw away the answer to a later request', () => {
    const [first, second] = [attempt({ id: 'a', fence: 2 }), attempt({ id: 'b', fence: 3, owner: 'owner-2' })]
    const record = grantRecord({ fence: 3, attempts: [first, second], lease: lease({ owner: 'owner-2' }) })
    const refusedRow = settled(record, refusal(), { one: first })
    expect(refusedRow.attempts).toEqual([second])
    expect(commit(refusedRow, second, { token: brought() }, { utc, timing }, moment()).record).toMatchObject({
      status: { state: 'active' },
      tokens: [{ generation: 1 }],
      lease: undefined,
    })
  })
})

describe('a refused refresh token', () => {
  const previous = (ago: number, boot = 'boot-1') =>
    held('refresh-0', { spent: { at: storeNow - ago, boot } })

  test.each(replayClasses)('of class %s gives way to the newest candidate', (replayClass) => {
    const record = settled(
      sent(replayClass, {
        candidates: [candidate('refresh-8'), candidate('refresh-9')],
        previousRefreshToken: previous(58_000),
      }),
      refusal(),
    )
    expect(record).toMatchObject({
      status: { state: 'active' },
      refreshToken: { fingerprint: 'print of refresh-9' },
      previousRefreshToken: { fingerprint: 'print of refresh-0' },
      attempts: [],
      schedule: { dueAt: storeNow, backoffUntil: 0 },
    })
    expect(record.candidates.map(({ refreshToken }) => refreshToken.fingerprint)).toEqual([
      'print of refresh-8',
    ])
  })

  test('brings the access token of that candidate, if it lives longer than the present one', () => {
    const withToken = [candidate('refresh-9', { fence: 7, token: brought({ expiresAt: utc + 2_000_000 }) })]
    const after = (left: number) =>
      settled(
        sent('fork', { candidates: withToken, tokens: [tokenWith(left, { generation: 4 })] }),
        refusal(),
      ).tokens
    expect(after(1_000_000)).toMatchObject([{ generation: 5, fence: 7, expiresAt: utc + 2_000_000 }])
    expect(after(2_000_001)).toMatchObject([{ generation: 4, fence: 1, expiresAt: utc + 2_000_001 }])
  })

  test.each(['last_child_wins', 'idempotent', 'fork'] as const)(
    'of class %s gives way to the one before it, inside its window, and its sends are not forgotten',
    (replayClass) => {
      const record = settled(sent(replayClass, { previousRefreshToken: previous(57_999) }), refusal())
      expect(record).toMatchObject({
        status: { state: 'active' },
        refreshToken: { fingerprint: 'print of refresh-0' },
        previousRefreshToken: undefined,
        // One refusal is not believed: it may be the live one all the same.
        candidates: [{ parent: 'print of refresh-0', refreshToken: { fingerprint: 'print of refresh-1' } }],
        attempts: [
          { parent: 'print of refresh-0', sentAt: storeNow - 57_999, boot: 'boot-1', localDone: true },
        ],
        schedule: { dueAt: storeNow, backoffUntil: 0 },
      })
    },
  )

  // A provider that refused everybody for a moment made a login go back to a sibling that had been dead for hours.
  test('gives way to no sibling of an earlier one, where the use of one child is the end of the others', () => {
    const old = [candidate('refresh-8', { parent: 'print of refresh-00' })]
    const tried = (replayClass: ReplayClass) =>
      settled(sent(replayClass, { candidates: old, previousRefreshToken: previous(58_000) }), refusal())
    for (const replayClass of ['strict', 'last_child_wins'] as const)
      expect(tried(replayClass)).toMatchObject({
        status: { state: 'suspect' },
        refreshToken: { fingerprint: 'print of refresh-1' },
        candidates: old,
      })
    expect(tried('fork').refreshToken?.fingerprint).toBe('print of refresh-8')
  })

  // A provider that refused everybody for a moment made a login show the elder of two children, which was dead.
  test('gives way to an elder child of the same parent only before a person is asked', () => {
    const elder = candidate('refresh-9', { parent: 'print of refresh-0', fence: 1 })
    const change = {
      candidates: [elder],
      tokens: [tokenRow({ fence: 2 })],
      previousRefreshToken: previous(58_000),
    }
    const first = settled(sent('last_child_wins', change), refusal())
    expect(first).toMatchObject({ status: { state: 'suspect' }, candidates: [elder] })
    const status = { state: 'suspect', refusals: 2, countsFrom: storeNow } as const
    const last = settled(sent('last_child_wins', { ...change, status }), refusal())
    expect(last.refreshToken?.fingerprint).toBe('print of refresh-9')
    const younger = { ...elder, fence: 3 }
    expect(settled(sent('last_child_wins', { ...change, candidates: [younger] }), refusal())).toMatchObject({
      status: { state: 'active' },
      refreshToken: { fingerprint: 'print of refresh-9' },
    })
  })

  test('that may have been spent gives way to nothing', () => {
    const unresolved = attempt({ id: 'attempt-0', parent: 'print of refresh-1', sentAt: storeNow - 900 })
    const record = sent('last_child_wins', {
      attempts: [unresolved, own],
      candidates: [candidate('refresh-9')],
      previousRefreshToken: previous(1_000),
    })
    expect(settled(record, refusal())).toMatchObject({
      status: { state: 'suspect' },
      refreshToken: { fingerprint: 'print of refresh-1' },
      attempts: [unresolved],
    })
  })

  test('does not give way to the one before it outside of a window', () => {
    const tried = (replayClass: ReplayClass, one = previous(1), reuseWindow = 60_000) =>
      settled(
        sent(replayClass, { previousRefreshToken: one, facts: facts(replayClass, { reuseWindow }) }),
        refusal(),
      ).status.state
    expect(tried('strict')).toBe('suspect')
    expect(tried('non_rotating')).toBe('suspect')
    expect(tried('last_child_wins', previous(58_000))).toBe('suspect')
    expect(tried('last_child_wins', previous(1, 'boot-0'))).toBe('suspect')
    expect(tried('last_child_wins', held('refresh-0'))).toBe('suspect')
    expect(tried('last_child_wins', previous(1), 8999)).toBe('suspect')
    expect(tried('last_child_wins')).toBe('active')
  })
})

describe('a probe that finds the refresh token dead', () => {
  const probed = (change: Partial<GrantRecord> = {}) =>
    sent('strict', {
      attempts: [
        { ...own, localDone: true },
        attempt({ id: 'attempt-2', fence: 3, parent: 'print of refresh-1' }),
      ],
      fence: 3,
      tokens: [tokenRow()],
      ...change,
    })
  const asker = attempt({ id: 'attempt-2', fence: 3, parent: 'print of refresh-1' })
  const found = (record: GrantRecord | undefined) => lost(record, asker, { utc, timing }, moment())

  test('means that its answer was lost: a person is asked, and told why', () => {
    const { result, record } = found(probed())
    expect(result).toBe(record)
    expect(record).toMatchObject({
      status: { state: 'reauthorization_required', since: utc },
      lease: undefined,
      attempts: [],
      refreshToken: { fingerprint: 'print of refresh-1' },
      tokens: [{ generation: 1 }],
      schedule: {
        dueAt: null,
        backoffUntil: 0,
        failures: 1,
        lastError: { code: 'reauthorization_required' },
      },
    })
    expect(record?.status).toMatchObject({ reason: expect.stringMatching(/^lost_rotation: /) })
    expect(kinds(record as GrantRecord)).toEqual(['reauthorization_required'])
  })

  test('lets whatever else may be alive take its place', () => {
    expect(found(probed({ candidates: [candidate('refresh-9')] })).record).toMatchObject({
      status: { state: 'active' },
      refreshToken: { fingerprint: 'print of refresh-9' },
      schedule: { dueAt: storeNow },
    })
  })

  test('says nothing when the answer has come meanwhile, or somebody else has claimed, or the login is over', () => {
    const renewed = probed({ refreshToken: held('refresh-2') })
    expect(found(renewed)).toEqual({
      result: { ...renewed, lease: undefined },
      record: { ...renewed, lease: undefined },
    })
    const overtaken = probed({ fence: 4 })
    expect(found(overtaken)).toEqual({ result: overtaken, record: undefined })
    for (const state of ['paused', 'revoking'] as const)
      expect(found(probed({ status: statuses[state] })).record?.status).toEqual(statuses[state])
    expect(found(undefined)).toEqual({ result: undefined })
  })

  test('does not stand in the way of the answer, should it come after all', () => {
    const over = found(probed()).record as GrantRecord
    const late = commit(
      over,
      own,
      { token: brought(), refreshToken: held('refresh-2') },
      { utc, timing },
      moment(),
    )
    expect(late.record).toMatchObject({
      status: { state: 'active' },
      refreshToken: { fingerprint: 'print of refresh-2' },
    })
    expect(kinds(late.record as GrantRecord)).toEqual(['reauthorization_required', 'recovered'])
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  dueAt,
  type GrantRecord,
  type GrantState,
  ownFreshness,
  ownToken,
  parentOf,
  pause,
  quarantine,
  refreshes,
  resume,
  serves,
  tokenKey,
} from '../../src/grants/grant.ts'
import {
  attempt,
  candidate,
  grantRecord,
  lease,
  statuses,
  storeNow,
  strictRecord,
  tokenRow,
  tokenWith,
  utc,
} from './records.ts'

test.each<[GrantState, boolean, boolean]>([
  ['pending', false, false],
  ['active', true, true],
  ['suspect', true, true],
  ['reauthorization_required', false, true],
  ['paused', false, false],
  ['quarantined', false, false],
  ['revoking', false, false],
  ['revoked', false, false],
])('a grant that is %s refreshes: %s, serves: %s', (state, refreshing, serving) => {
  expect([refreshes(statuses[state]), serves(statuses[state])]).toEqual([refreshing, serving])
})

describe('the key of a token', () => {
  test('does not depend on how a scope is written', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z:/.]{1,8}$/), { maxLength: 6 }), (names) => {
        const key = tokenKey(names)
        expect(tokenKey([...names].reverse())).toEqual(key)
        expect(tokenKey([...names, ...names].join(' '))).toEqual(key)
        expect(tokenKey(key.scope)).toEqual(key)
        expect(key.scope.split(' ').filter(Boolean)).toEqual([...new Set(names)].sort())
      }),
    )
  })

  test('without a scope and a resource is the grant’s own', () => {
    for (const key of [tokenKey(), tokenKey(''), tokenKey([]), tokenKey(' ')]) expect(key).toEqual(ownToken)
    expect(tokenKey(undefined, 'https://api.example')).toEqual({ scope: '', resource: 'https://api.example' })
  })
})

describe('a pause', () => {
  const busy: GrantRecord = strictRecord({
    fence: 4,
    tokens: [tokenRow()],
    lease: { owner: 'owner-1', until: storeNow + 20_000, boot: 'boot-1' },
    schedule: { dueAt: storeNow + 5, backoffUntil: storeNow + 9, failures: 2 },
  })

  test('takes the right to send from whoever has it, and the grant is due no more', () => {
    expect(pause(busy, utc + 1)).toMatchObject({
      status: { state: 'paused' },
      fence: 5,
      lease: undefined,
      updatedAt: utc + 1,
      schedule: { dueAt: null, failures: 2 },
      tokens: busy.tokens,
      refreshToken: busy.refreshToken,
    })
  })

  test('ends with everything as it was, due when its token is, and no backoff', () => {
    const resumed = resume(pause(busy, utc), utc + 2, storeNow)
    expect(resumed).toMatchObject({ status: { state: 'active' }, fence: 6, updatedAt: utc + 2 })
    expect(resumed.schedule).toMatchObject({ dueAt: dueAt(busy, utc + 2, storeNow), backoffUntil: 0 })
    expect(resume(pause(grantRecord(), utc), utc, storeNow).schedule.dueAt).toBe(storeNow)
  })

  test('over, a send of unknown end is looked after at once: its reuse window may be about to close', () => {
    const open = { ...busy, attempts: [attempt({ parent: 'print of refresh-1', sentAt: storeNow - 9 })] }
    expect(resume(pause(open, utc), utc, storeNow).schedule.dueAt).toBe(storeNow)
    const unsent = { ...busy, attempts: [attempt({ parent: 'print of refresh-1' })] }
    expect(resume(pause(unsent, utc), utc, storeNow).schedule.dueAt).toBe(dueAt(busy, utc, storeNow))
  })

  test('of a paused grant, and the end of no pause, change nothing', () => {
    const paused = pause(busy, utc)
    expect(pause(paused, utc + 9)).toBe(paused)
    expect(resume(busy, utc, storeNow)).toBe(busy)
  })
})

describe('a quarantine', () => {
  const record = strictRecord({ tokens: [tokenRow()], fence: 2, lease: lease() })

  test('takes the lease, keeps every token, is due no more, and tells a person', () => {
    const aside = quarantine(record, 'does not decrypt', utc + 1)
    expect(aside).toMatchObject({
      status: { state: 'quarantined', reason: 'does not decrypt' },
      fence: 3,
      lease: undefined,
      tokens: record.tokens,
      refreshToken: record.refreshToken,
      schedule: { dueAt: null },
      notices: [{ kind: 'quarantined', epoch: 1, at: utc + 1, message: 'does not decrypt' }],
    })
  })

  // An operator could have resumed it: a revoked login served again.
  test('does not undo a revocation', () => {
    for (const state of ['revoking', 'revoked'] as const) {
      const over = { ...record, status: statuses[state] }
      expect(quarantine(over, 'does not decrypt', utc)).toBe(over)
      expect(resume(over, utc, storeNow)).toBe(over)
    }
  })

  test('that an operator ends goes on with the child of its refresh token, should that have come', () => {
    const aside = {
      ...quarantine(record, 'does not decrypt', utc),
      subject: 'print of ada',
      candidates: [candidate('refresh-2'), candidate('other', { parent: 'print of refresh-0' })],
    }
    expect(resume(aside, utc, storeNow)).toMatchObject({
      status: { state: 'active' },
      refreshToken: { fingerprint: 'print of refresh-2' },
      candidates: [{ id: 'attempt of other' }],
      subject: undefined,
    })
    expect(resume({ ...aside, candidates: [] }, utc, storeNow)).toMatchObject({
      refreshToken: { fingerprint: 'print of refresh-1' },
      subject: undefined,
    })
    // A pause is no decision about whom a login is for.
    const paused = { ...aside, status: statuses.paused }
    expect(resume(paused, utc, storeNow)).toMatchObject({
      subject: 'print of ada',
      candidates: aside.candidates,
    })
  })
})

test('a grant is due with its own token, at once without one, never before now', () => {
  expect(dueAt(grantRecord(), utc, storeNow)).toBe(storeNow)
  expect(dueAt(grantRecord({ tokens: [tokenWith(10)] }), utc, storeNow)).toBe(storeNow)
  const due = dueAt(grantRecord({ tokens: [tokenRow()] }), utc, storeNow)
  expect(due).toBeGreaterThanOrEqual(storeNow + 2_700_000)
  expect(due).toBeLessThanOrEqual(storeNow + 2_880_000)
  expect(dueAt(grantRecord({ tokens: [tokenRow({ scope: 'read' })] }), utc, storeNow)).toBe(storeNow)
})

test('freshness and parent of a grant are those of its own token and refresh token', () => {
  expect(ownFreshness(grantRecord(), utc)).toBe('expired')
  expect(ownFreshness(grantRecord({ tokens: [tokenWith(700_000)] }), utc)).toBe('advisory')
  expect(parentOf(grantRecord())).toBe('none')
  expect(parentOf(strictRecord())).toBe('print of refresh-1')
})

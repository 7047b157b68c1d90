import { describe, expect, test } from 'vitest'
import { markSent, release, withoutLease } from '../../src/grants/attempt.ts'
import type { GrantRecord } from '../../src/grants/grant.ts'
import { claimed, due } from './claims.ts'
import { attempt, held, lease, moment, statuses, storeNow, strictRecord } from './records.ts'

const own = attempt({ parent: 'print of refresh-1' })
const leased = (change: Partial<GrantRecord> = {}): GrantRecord =>
  strictRecord({ fence: 2, lease: lease(), attempts: [own], ...change })

describe('marking a send', () => {
  test('writes the store time of the moment before, on that attempt alone', () => {
    const earlier = attempt({ id: 'attempt-0', parent: 'print of refresh-1', sentAt: storeNow - 9 })
    const marked = markSent(leased({ attempts: [earlier, own] }), own, moment(storeNow + 5))
    expect(marked.result).toBe(true)
    expect(marked.record?.attempts).toEqual([earlier, { ...own, sentAt: storeNow + 5, boot: 'boot-1' }])
    expect(marked.record).toMatchObject({ fence: 2, lease: lease() })
  })

  test.each<[string, GrantRecord | undefined, number, string]>([
    ['the grant is gone', undefined, storeNow, 'boot-1'],
    ['somebody claimed since', leased({ fence: 3 }), storeNow, 'boot-1'],
    ['the refresh token changed', leased({ refreshToken: held('refresh-2') }), storeNow, 'boot-1'],
    ['the lease is over', leased(), storeNow + 20_000, 'boot-1'],
    ['the machine started anew', leased(), storeNow, 'boot-2'],
    ['the lease was taken away', leased({ lease: undefined }), storeNow, 'boot-1'],
    ['the lease is another owner’s', leased({ lease: lease({ owner: 'owner-2' }) }), storeNow, 'boot-1'],
  ])('is refused when %s', (_name, row, at, boot) => {
    expect(markSent(row, own, moment(at, { boot }))).toEqual({ result: false })
  })
})

describe('a claim that is given back', () => {
  const busy = leased({ schedule: { dueAt: storeNow + 20_000, backoffUntil: 0, failures: 0 } })

  test('leaves no lease and no attempt, and the next may begin at once', () => {
    const free = release(busy, own, moment()).record as GrantRecord
    expect(free).toMatchObject({ lease: undefined, attempts: [], fence: 2, schedule: { dueAt: storeNow } })
    expect(claimed(free, due).result.kind).toBe('claimed')
  })

  test('is due when whoever gives it back says so, and never where the state does not refresh', () => {
    expect(release(busy, own, moment(), storeNow + 77).record?.schedule.dueAt).toBe(storeNow + 77)
    const ended = { ...busy, status: statuses.reauthorization_required }
    expect(release(ended, own, moment()).record?.schedule.dueAt).toBeNull()
  })

  test('leaves the sends of others on record', () => {
    const earlier = attempt({ id: 'attempt-0', parent: 'print of refresh-1', sentAt: storeNow - 9 })
    expect(release({ ...busy, attempts: [earlier, own] }, own, moment()).record?.attempts).toEqual([earlier])
  })

  test('takes nothing from whoever claimed since, who need not wait for what was never sent', () => {
    const theirs = attempt({ id: 'attempt-2', fence: 3, parent: 'print of refresh-1', sentAt: storeNow })
    const taken = leased({ fence: 3, attempts: [{ ...own, sentAt: storeNow - 9 }, theirs] })
    expect(release(taken, own, moment())).toEqual({
      result: undefined,
      record: { ...taken, attempts: [theirs] },
    })
    expect(release({ ...taken, attempts: [theirs] }, own, moment())).toEqual({ result: undefined })
    expect(release(undefined, own, moment())).toEqual({ result: undefined })
  })
})

test('whoever leaves gives back the lease of their own fence alone, and touches nothing else', () => {
  const record = leased()
  expect(withoutLease(record, own)).toEqual({ record: { ...record, lease: undefined } })
  expect(withoutLease({ ...record, fence: 3 }, own)).toEqual({})
  expect(withoutLease({ ...record, lease: undefined }, own)).toEqual({})
  expect(withoutLease(undefined, own)).toEqual({})
})

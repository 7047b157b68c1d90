import { describe, expect, test } from 'vitest'
import { markSent, release } from '../../src/grants/attempt.ts'
import { type GrantState, resume } from '../../src/grants/grant.ts'
import { revoke } from '../../src/grants/revocation.ts'
import { claimed, due, manual, wanted } from './claims.ts'
import { attempt, lease, moment, statuses, storeNow, strictRecord, tokenRow, utc } from './records.ts'

const own = attempt({ parent: 'print of refresh-1' })
const busy = strictRecord({
  fence: 2,
  tokens: [tokenRow()],
  lease: lease(),
  attempts: [own],
  schedule: { dueAt: storeNow + 9, backoffUntil: storeNow + 99, failures: 4 },
})

describe('revoking a login', () => {
  test('takes the right to send from whoever has it, and makes telling the provider due at once', () => {
    const over = revoke(busy, utc + 1, moment())
    expect(over).toMatchObject({
      status: { state: 'revoking', since: utc + 1 },
      fence: 3,
      lease: undefined,
      updatedAt: utc + 1,
      refreshToken: busy.refreshToken,
      schedule: { dueAt: storeNow, backoffUntil: 0, failures: 0 },
    })
    expect(markSent(over, own, moment())).toEqual({ result: false })
    expect(release(over, own, moment()).record).toEqual({ ...over, attempts: [] })
  })

  test.each(Object.keys(statuses) as GrantState[])('is possible for one that is %s', (state) => {
    const before = { ...busy, status: statuses[state] }
    const after = revoke(before, utc, moment())
    if (state === 'revoking' || state === 'revoked') expect(after).toBe(before)
    else expect(after.status).toEqual({ state: 'revoking', since: utc })
  })

  test('cannot be undone by resuming, and nobody refreshes it', () => {
    const over = revoke(busy, utc, moment())
    expect(resume(over, utc, storeNow)).toBe(over)
    for (const why of [wanted(1), manual]) expect(claimed(over, why).result).toEqual({ kind: 'dead' })
    expect(claimed(over, due).result).toMatchObject({ kind: 'claimed', task: 'revoke' })
  })
})

import { describe, expect, test } from 'vitest'
import { adopted } from '../../src/grants/adoption.ts'
import { type GrantState, parentOf } from '../../src/grants/grant.ts'
import { replayClasses } from '../../src/grants/lifetime-facts.ts'
import { claimed, manual } from './claims.ts'
import {
  attempt,
  facts,
  grantRecord,
  lease,
  loginRecord,
  moment,
  statuses,
  storeNow,
  strictRecord,
  tokenWith,
  utc,
} from './records.ts'

const adopt = (record: Parameters<typeof adopted>[0]) => adopted(record, 'attempt-9', 'owner-9', moment())

test('a grant of a copied store carries a send that the other copy may have made', () => {
  const under = attempt({ parent: 'print of refresh-1', sentAt: storeNow - 1000 })
  const record = adopt(strictRecord({ fence: 4, lease: lease(), attempts: [under] }))
  expect(record).toMatchObject({
    fence: 5,
    lease: undefined,
    attempts: [
      { id: 'attempt-1', sentAt: storeNow - 1000, localDone: true },
      {
        id: 'attempt-9',
        fence: 5,
        parent: 'print of refresh-1',
        owner: 'owner-9',
        sentAt: storeNow,
        boot: 'boot-1',
        localDone: true,
        spool: '',
      },
    ],
  })
})

test.each(replayClasses)(
  'of class %s it is marked so exactly when its refresh token may have been replaced',
  (replayClass) => {
    const record = loginRecord(replayClass)
    const after = adopt(record)
    if (replayClass === 'non_rotating') expect(after).toBe(record)
    else expect(after.attempts.map(({ parent }) => parent)).toEqual([parentOf(record)])
  },
)

test('a grant without a refresh token, and one whose login is over, stay as they are', () => {
  const minted = grantRecord()
  expect(adopt(minted)).toBe(minted)
  for (const state of ['revoking', 'revoked'] as const satisfies readonly GrantState[]) {
    const over = strictRecord({ status: statuses[state] })
    expect(adopt(over)).toBe(over)
  }
})

describe('a strict login of a copied store', () => {
  const record = adopt(
    strictRecord({ tokens: [tokenWith(3_000_000)], facts: facts('strict', { introspection: true }) }),
  )

  test('is probed after quiescence, and not sent before', () => {
    expect(claimed(record, manual).result).toMatchObject({ kind: 'backoff', until: storeNow + 120_000 })
    expect(claimed(record, manual, moment(storeNow + 120_000)).result).toMatchObject({
      kind: 'claimed',
      probe: true,
    })
  })

  test('without a probe is sent once, in the mandatory window', () => {
    const blind = { ...record, facts: facts('strict') }
    const at = (ms: number) => claimed(blind, manual, moment(storeNow + ms), { utc: utc + ms }).result
    expect(at(120_000)).toMatchObject({ kind: 'backoff', until: storeNow + 2_700_000 })
    expect(at(2_700_000)).toMatchObject({ kind: 'claimed', probe: false })
  })
})

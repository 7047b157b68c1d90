import { describe, expect, test } from 'vitest'
import { type NoticeKind, notify } from '../../src/grants/notice.ts'
import { grantRecord } from './records.ts'

/** What stands in the record after these were to be said, one a millisecond. */
const said = (...kinds: readonly NoticeKind[]): readonly NoticeKind[] =>
  kinds
    .reduce((record, kind, at) => notify(record, kind, `about ${kind}`, at), grantRecord())
    .notices.map(({ kind }) => kind)

test('a notice names the login it is about, when, and what a person is to know', () => {
  const { notices } = notify(grantRecord({ epoch: 3 }), 'quarantined', 'the provider answered for another', 7)
  expect(notices).toEqual([
    { kind: 'quarantined', epoch: 3, at: 7, message: 'the provider answered for another' },
  ])
})

describe('what is said already', () => {
  test('is not said again until the trouble is over', () => {
    const once = notify(grantRecord(), 'at_risk', 'm', 1)
    expect(notify(once, 'at_risk', 'n', 2)).toBe(once)
    expect(said('at_risk', 'at_risk', 'reauthorization_required', 'at_risk')).toEqual([
      'at_risk',
      'reauthorization_required',
    ])
    expect(said('at_risk', 'recovered', 'at_risk', 'connected', 'at_risk')).toEqual([
      'at_risk',
      'recovered',
      'at_risk',
      'connected',
      'at_risk',
    ])
  })

  test('of another login says nothing about this one', () => {
    const before = notify(grantRecord({ epoch: 1 }), 'at_risk', 'm', 1)
    expect(notify({ ...before, epoch: 2 }, 'at_risk', 'm', 2).notices.map(({ epoch }) => epoch)).toEqual([
      1, 2,
    ])
  })

  test('of an age is said once for a login, whatever happens in between', () => {
    expect(
      said(
        'refresh_token_expires_7d',
        'at_risk',
        'recovered',
        'refresh_token_expires_7d',
        'refresh_token_expires_1d',
      ),
    ).toEqual(['refresh_token_expires_7d', 'at_risk', 'recovered', 'refresh_token_expires_1d'])
  })
})

test('a login recovers only from a trouble that was told, and once', () => {
  expect(said('recovered')).toEqual([])
  expect(said('scope_reduced', 'recovered')).toEqual(['scope_reduced'])
  for (const trouble of ['at_risk', 'reauthorization_required', 'quarantined'] as const)
    expect(said(trouble, 'recovered', 'recovered')).toEqual([trouble, 'recovered'])
  const before = notify(grantRecord({ epoch: 1 }), 'at_risk', 'm', 1)
  expect(notify({ ...before, epoch: 2 }, 'recovered', 'm', 2).notices).toHaveLength(1)
})

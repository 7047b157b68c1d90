import { describe, expect, test } from 'vitest'
import type { Attempt, GrantRecord } from '../../src/grants/grant.ts'
import type { LifetimeFacts, ReplayClass } from '../../src/grants/lifetime-facts.ts'
import { hasProbe, mandatoryAt, type Recovery, recoveryOf, unresolvedOf } from '../../src/grants/recovery.ts'
import { defaultTiming as timing } from '../../src/grants/timing.ts'
import {
  attempt,
  facts,
  grantRecord,
  held,
  loginRecord,
  moment,
  storeNow,
  tokenRow,
  tokenWith,
  utc,
} from './records.ts'

const minute = 60_000

/** One that was sent `ago` ms before now by a sender that has given up. */
const sent = (ago: number, change: Partial<Attempt> = {}): Attempt =>
  attempt({ parent: 'print of refresh-1', sentAt: storeNow - ago, localDone: true, ...change })

interface Situation {
  readonly attempts: readonly Attempt[]
  /** Life left of the access token in ms; absent: there is none. */
  readonly left?: number | undefined
  readonly known?: Partial<LifetimeFacts>
  readonly gone?: readonly string[]
  readonly boot?: string
}

const unresolvedRecord = (replayClass: ReplayClass, { attempts, left, known = {} }: Situation): GrantRecord =>
  loginRecord(replayClass, {
    facts: facts(replayClass, known),
    tokens: left === undefined ? [] : [tokenWith(left)],
    attempts,
  })

const recovery = (replayClass: ReplayClass, situation: Situation): Recovery =>
  recoveryOf(
    unresolvedRecord(replayClass, situation),
    { utc, timing },
    moment(storeNow, { gone: situation.gone ?? [], boot: situation.boot ?? 'boot-1' }),
  )

const wait = (ms: number, atRisk = true): Recovery => ({ kind: 'wait', until: storeNow + ms, atRisk })
const send: Recovery = { kind: 'send' }
/** Until two seconds before a window of a minute is over, `ago` ms after the first send. */
const sendSoon = (ago: number, window = 60_000): Recovery => ({
  kind: 'send',
  before: storeNow - ago + window - 2000,
})
const probe: Recovery = { kind: 'probe' }
const every: readonly ReplayClass[] = ['strict', 'idempotent', 'last_child_wins', 'fork', 'non_rotating']

test('what is unresolved is what was sent on the present refresh token and has no verdict', () => {
  const record = loginRecord('strict', {
    refreshToken: held('refresh-2'),
    attempts: [
      sent(9, { id: 'old' }),
      attempt({ id: 'unsent', parent: 'print of refresh-2' }),
      sent(5, { id: 'open', parent: 'print of refresh-2' }),
    ],
  })
  expect(unresolvedOf(record).map(({ id }) => id)).toEqual(['open'])
  expect(unresolvedOf(grantRecord({ attempts: [attempt({ sentAt: 1 })] })).map(({ id }) => id)).toEqual([
    'attempt-1',
  ])
})

test.each(every)('%s: with nothing unresolved it is sent', (replayClass) => {
  expect(recovery(replayClass, { attempts: [attempt({ parent: 'print of refresh-1' })] })).toEqual(send)
})

test('non_rotating: it is sent again at once, whoever still waits for an answer', () => {
  expect(recovery('non_rotating', { attempts: [sent(0, { localDone: false })] })).toEqual(send)
  expect(recovery('non_rotating', { attempts: [sent(0)], boot: 'boot-2' })).toEqual(send)
})

describe.each(['idempotent', 'fork'] as const)('%s, sent once without an answer', (replayClass) => {
  test('is sent again at once, whatever became of the sender, until two seconds before its window ends', () => {
    for (const localDone of [true, false]) {
      expect(recovery(replayClass, { attempts: [sent(0, { localDone })] })).toEqual(sendSoon(0))
      expect(recovery(replayClass, { attempts: [sent(57_999, { localDone })] })).toEqual(sendSoon(57_999))
    }
  })

  test('is handled as strict after that', () => {
    expect(recovery(replayClass, { attempts: [sent(58_000)], left: 50 * minute })).toEqual(wait(62_000))
  })

  test('counts its window from the first send, not from the last', () => {
    const attempts = [sent(58_000, { id: 'first' }), sent(1000, { id: 'second' })]
    expect(recovery(replayClass, { attempts, left: 50 * minute })).toEqual(wait(119_000))
  })

  test('is handled as strict when the machine has started anew, for nobody knows where the window stands', () => {
    expect(recovery(replayClass, { attempts: [sent(10)], left: 50 * minute, boot: 'boot-2' })).toEqual(
      wait(120_000),
    )
  })

  test('is handled as strict where the window is shorter than nine seconds', () => {
    const known = { reuseWindow: 8999 }
    expect(recovery(replayClass, { attempts: [sent(10)], left: 50 * minute, known })).toEqual(wait(119_990))
  })
})

describe('last_child_wins, sent once without an answer', () => {
  test('waits for a sender that may still be listening, as long as its lease lasts', () => {
    const attempts = [sent(4000, { localDone: false })]
    expect(recovery('last_child_wins', { attempts })).toEqual(wait(16_000, false))
    expect(recovery('last_child_wins', { attempts: [sent(20_000, { localDone: false })] })).toEqual(
      sendSoon(20_000),
    )
  })

  test('is sent again at once when the sender has given up', () => {
    expect(recovery('last_child_wins', { attempts: [sent(0)] })).toEqual(sendSoon(0))
    expect(recovery('last_child_wins', { attempts: [sent(57_999)] })).toEqual(sendSoon(57_999))
  })

  test('waits no longer than its window is open, and is then handled as strict', () => {
    const known = { reuseWindow: 30_000 }
    // (30 s − 5 s) / 2 of patience, and 5 s more of lease: 17.5 s.
    expect(recovery('last_child_wins', { attempts: [sent(0, { localDone: false })], known })).toEqual(
      wait(17_500, false),
    )
    expect(recovery('last_child_wins', { attempts: [sent(28_000)], left: 50 * minute, known })).toEqual(
      wait(92_000),
    )
    const attempts = [sent(27_000, { id: 'a' }), sent(1000, { id: 'b', localDone: false })]
    expect(recovery('last_child_wins', { attempts, known })).toEqual(wait(1000, false))
  })
})

describe('strict, sent once without an answer', () => {
  test('waits until quiescence is over, counted from the latest send', () => {
    const attempts = [sent(100_000, { id: 'a' }), sent(30_000, { id: 'b' })]
    expect(recovery('strict', { attempts, left: 50 * minute })).toEqual(wait(90_000))
    expect(
      recovery('strict', { attempts: [sent(10)], left: 50 * minute, known: { quiescence: 40_000 } }),
    ).toEqual(wait(39_990))
  })

  // The mandatory window makes waiting for another host pointless, but a request under way could still kill the login.
  test('waits for quiescence in the mandatory window too, and with no token left to lose', () => {
    for (const left of [5 * minute, 0, undefined])
      expect(recovery('strict', { attempts: [sent(119_999)], left, known: { introspection: true } })).toEqual(
        wait(1),
      )
  })

  test('is probed once it is quiet and nobody can hold the answer', () => {
    const known = { introspection: true }
    const quiet = sent(120_000)
    expect(recovery('strict', { attempts: [quiet], left: 50 * minute, known })).toEqual(probe)
    const killed = { ...quiet, localDone: false }
    expect(recovery('strict', { attempts: [killed], left: 50 * minute, known, gone: ['owner-1'] })).toEqual(
      probe,
    )
  })

  test('waits for the process or host that may hold the answer until the mandatory window begins', () => {
    const attempts = [sent(600_000, { id: 'a' }), sent(120_000, { id: 'b', localDone: false })]
    const known = { introspection: true }
    expect(recovery('strict', { attempts, left: 50 * minute, known })).toEqual(wait(45 * minute))
    expect(recovery('strict', { attempts, left: 5 * minute + 1, known })).toEqual(wait(1))
    expect(recovery('strict', { attempts, left: 5 * minute, known })).toEqual(probe)
  })

  test('without a probe is sent again in the mandatory window only', () => {
    const attempts = [sent(120_000)]
    expect(recovery('strict', { attempts, left: 50 * minute })).toEqual(wait(45 * minute))
    expect(recovery('strict', { attempts, left: 5 * minute + 1 })).toEqual(wait(1))
    for (const left of [5 * minute, 1, 0, -minute, undefined])
      expect(recovery('strict', { attempts, left })).toEqual(send)
  })

  test('waits anew when the machine has started anew', () => {
    expect(recovery('strict', { attempts: [sent(10 * minute)], left: 50 * minute, boot: 'boot-2' })).toEqual(
      wait(120_000),
    )
  })
})

test('there is a probe where introspection is harmless, or where the old access token dies and can be shown to something', () => {
  const canary = 'https://api.example/me'
  const with_ = (known: Partial<LifetimeFacts>, left = minute) =>
    hasProbe(loginRecord('strict', { facts: facts('strict', known), tokens: [tokenWith(left)] }), utc)
  expect(with_({})).toBe(false)
  expect(with_({ introspection: true })).toBe(true)
  expect(with_({ canary })).toBe(false)
  expect(with_({ oldTokenDies: true })).toBe(false)
  expect(with_({ oldTokenDies: true, canary })).toBe(true)
  expect(with_({ oldTokenDies: true, canary }, 0)).toBe(false)
  const other = loginRecord('strict', {
    facts: facts('strict', { oldTokenDies: true, canary }),
    tokens: [tokenRow({ scope: 'read' })],
  })
  expect(hasProbe(other, utc)).toBe(false)
})

test('the mandatory window begins where the grant’s own token says, and has begun where there is none', () => {
  expect(mandatoryAt(grantRecord({ tokens: [tokenRow()] }), utc, storeNow)).toBe(storeNow + 55 * minute)
  expect(mandatoryAt(grantRecord({ tokens: [tokenWith(minute)] }), utc, storeNow)).toBe(storeNow - 4 * minute)
  expect(mandatoryAt(grantRecord({ tokens: [tokenRow({ scope: 'read' })] }), utc, storeNow)).toBe(storeNow)
  expect(mandatoryAt(grantRecord({ tokens: [tokenRow()], refreshBefore: 1000 }), utc, storeNow)).toBe(
    storeNow + 3_599_000,
  )
})

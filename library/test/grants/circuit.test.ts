import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Breaker,
  type Circuit,
  circuitAt,
  door,
  learntLifetime,
  meaningOf,
  newCircuit,
  type Report,
  reserve,
  withAge,
  withOutcome,
  withSuccesses,
} from '../../src/grants/circuit.ts'
import { inIncident } from '../../src/grants/incident.ts'

const ok: Report = { grant: 'a', verdict: 'ok' }
const unreachable: Report = { grant: 'a', verdict: 'not_sent', code: 'provider_unreachable' }
const misasked: Report = {
  grant: 'a',
  verdict: 'refused',
  code: 'provider_error',
  error: 'invalid_request',
  status: 400,
}
const half = () => 0.5
const least = () => 0

/** The circuit after these outcomes, `apart` ms one after the other from `now` on. */
const after = (circuit: Circuit, reports: readonly Report[], now = 0, apart = 0): Circuit =>
  reports.reduce((before, report, index) => withOutcome(before, report, now + index * apart, least), circuit)

const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value)
const opened = (now = 0): Circuit => after(newCircuit(now), times(5, unreachable), now)
const strict = { strict: true }
const lenient = { strict: false }

describe('an outcome means', () => {
  test.each<[Report['verdict'], Partial<Report>, ReturnType<typeof meaningOf>]>([
    ['ok', {}, 'answered'],
    ['rejected', { code: 'invalid_grant', status: 400 }, 'answered'],
    ['rejected', { code: 'invalid_grant', status: 500, error: '190', means: 'dead' }, 'answered'],
    ['refused', { code: 'provider_error', status: 200, error: '-1', means: 'transient' }, 'trouble'],
    ['refused', { code: 'provider_error', status: 400, error: '4', means: 'rate_limited' }, 'trouble'],
    ['refused', { code: 'provider_error', status: 400, error: '10', means: 'configuration' }, 'answered'],
    ['rejected', { code: 'reauthorization_required', error: 'consent_required' }, 'answered'],
    ['refused', { code: 'invalid_scope', error: 'invalid_scope', status: 400 }, 'answered'],
    ['refused', { code: 'invalid_target', error: 'invalid_target', status: 400 }, 'answered'],
    ['refused', { code: 'provider_error', error: 'bad_refresh_token', status: 200 }, 'answered'],
    ['not_sent', { code: 'provider_unreachable' }, 'trouble'],
    ['not_sent', { code: 'discovery_failed' }, 'trouble'],
    ['ambiguous', { code: 'provider_timeout' }, 'trouble'],
    ['ambiguous', { code: 'provider_error', status: 502 }, 'trouble'],
    ['ambiguous', { code: 'provider_answer_unusable', status: 200 }, 'trouble'],
    ['refused', { code: 'provider_error', status: 503 }, 'trouble'],
    ['refused', { code: 'provider_error', error: 'slow_down', status: 400 }, 'trouble'],
    ['refused', { code: 'provider_error', status: 429 }, 'trouble'],
    ['refused', { code: 'provider_answer_unusable', status: 403 }, 'trouble'],
    ['refused', { code: 'provider_redirect', status: 302 }, 'trouble'],
    ['refused', { code: 'invalid_client', error: 'invalid_client', status: 401 }, 'trouble'],
    ['refused', { code: 'provider_error', error: 'invalid_request', status: 400 }, 'misasked'],
    ['refused', { code: 'provider_error', error: 'unsupported_grant_type', status: 400 }, 'misasked'],
    ['not_sent', { code: 'spool_unavailable' }, 'ours'],
    ['not_sent', { code: 'internal' }, 'ours'],
    ['not_sent', { code: 'insecure_http' }, 'ours'],
    ['not_sent', { code: 'private_address' }, 'ours'],
    ['refused', { code: 'wrong_encryption_key' }, 'ours'],
    ['rejected', { code: 'no_refresh_token' }, 'ours'],
  ])('%s with %o: %s', (verdict, facts, meaning) => {
    expect(meaningOf({ grant: 'a', verdict, ...facts })).toBe(meaning)
  })
})

describe('the breaker', () => {
  test('opens at the fifth failure in a row, for five seconds and up to a fifth more', () => {
    expect(after(newCircuit(0), times(4, unreachable)).breaker).toEqual({ state: 'closed' })
    expect(opened().breaker).toEqual({ state: 'open', until: 5000, times: 1 })
    const drawn = withOutcome(after(newCircuit(0), times(4, unreachable)), unreachable, 0, half)
    expect(drawn.breaker).toEqual({ state: 'open', until: 5500, times: 1 })
  })

  test('stays closed while an answer comes between', () => {
    const mixed = times(30, [unreachable, ok, ok]).flat()
    expect(after(newCircuit(0), mixed, 0, 100).breaker).toEqual({ state: 'closed' })
  })

  test('opens when half of ten outcomes within half a minute are failures, and not over a longer time', () => {
    const mixed = times(5, [ok, unreachable]).flat()
    expect(after(newCircuit(0), mixed.slice(0, 9), 0, 3000).breaker).toEqual({ state: 'closed' })
    expect(after(newCircuit(0), mixed, 0, 3000).breaker).toMatchObject({ state: 'open' })
    expect(after(newCircuit(0), mixed, 0, 3400).breaker).toEqual({ state: 'closed' })
  })

  test('says nothing of the provider when the trouble is ours', () => {
    const before = newCircuit(0)
    const ours: Report = { grant: 'a', verdict: 'not_sent', code: 'spool_unavailable' }
    expect(withOutcome(before, ours, 0, half)).toBe(before)
  })

  test('opens for twice as long each time, up to five minutes', () => {
    let circuit = opened()
    const pauses: number[] = []
    for (let turn = 0, now = 0; turn < 9; turn++) {
      const { breaker } = circuit
      if (breaker.state !== 'open') throw new Error('it is open')
      pauses.push(breaker.until - now)
      now = breaker.until
      const found = door(circuit, now, lenient)
      if (found.kind === 'closed' || found.circuit === undefined) throw new Error('one is tried')
      circuit = withOutcome(found.circuit, unreachable, now, least)
    }
    expect(pauses).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300].map((seconds) => seconds * 1000))
  })

  test('opens for long at once when the request itself is wrong, though no sooner', () => {
    expect(after(newCircuit(0), times(4, misasked)).breaker).toEqual({ state: 'closed' })
    expect(after(newCircuit(0), times(5, misasked)).breaker).toEqual({
      state: 'open',
      until: 300_000,
      times: 1,
    })
  })

  test('is no longer open for what was on its way when it opened', () => {
    const late = after(opened(), times(20, unreachable), 3000)
    expect(late.breaker).toEqual({ state: 'open', until: 5000, times: 1 })
  })

  test('closes with an answer, even a refusal, and a minute later the rush is over', () => {
    const rejected: Report = { grant: 'a', verdict: 'rejected', code: 'invalid_grant', status: 400 }
    for (const answer of [ok, rejected]) {
      const circuit = withOutcome(opened(), answer, 6000, half)
      expect(circuit.breaker).toEqual({ state: 'recovering', until: 66_000 })
      expect(circuit.straight).toBe(0)
      expect(circuitAt(circuit, 65_999).breaker.state).toBe('recovering')
      expect(circuitAt(circuit, 66_000).breaker).toEqual({ state: 'closed' })
    }
  })

  test('opens again from the rush like from anywhere else', () => {
    const circuit = withOutcome(opened(), ok, 6000, half)
    expect(after(circuit, times(4, unreachable), 7000).breaker.state).toBe('recovering')
    expect(after(circuit, times(5, unreachable), 7000).breaker).toEqual({
      state: 'open',
      until: 12_000,
      times: 1,
    })
  })
})

describe('the door', () => {
  test('is open while all is well, and nothing is to be written', () => {
    expect(door(newCircuit(0), 0, strict)).toEqual({ kind: 'open' })
    expect(door(withOutcome(opened(), ok, 6000, half), 6000, strict)).toEqual({ kind: 'open' })
  })

  test('lets one through when its time is over, and the next only when nothing is heard of that one', () => {
    const circuit = opened()
    expect(door(circuit, 4999, lenient)).toEqual({ kind: 'closed', until: 5000 })
    const first = door(circuit, 5000, lenient)
    if (first.kind === 'closed' || first.circuit === undefined) throw new Error('one is tried')
    expect(first.circuit.breaker).toEqual({ state: 'half_open', until: 30_000, times: 1 })
    expect(door(first.circuit, 5000, lenient)).toEqual({ kind: 'closed', until: 30_000 })
    expect(door(first.circuit, 30_000, lenient)).toMatchObject({
      kind: 'open',
      circuit: { breaker: { state: 'half_open', until: 55_000 } },
    })
  })

  test('lets a strict grant through last: where there is no other, or the login would never be kept', () => {
    const circuit = opened()
    expect(door(circuit, 5000, strict)).toEqual({ kind: 'closed', until: 10_000 })
    expect(door(circuit, 10_000, strict)).toMatchObject({ kind: 'open' })
    const long: Circuit = { ...circuit, breaker: { state: 'open', until: 300_000, times: 9 } }
    expect(door(long, 300_000, strict)).toEqual({ kind: 'closed', until: 360_000 })
  })

  test('admits one in the cluster at a time, and never a strict one before the others had their chance', () => {
    const event = fc.record({
      after: fc.integer({ min: 0, max: 20_000 }),
      what: fc.constantFrom('fail' as const, 'ask' as const, 'ask strictly' as const),
    })
    fc.assert(
      fc.property(fc.array(event, { minLength: 10, maxLength: 200 }), (events) => {
        let circuit = opened()
        let now = 0
        let tried: number | undefined
        for (const { after: passed, what } of events) {
          now += passed
          const { breaker } = circuit
          if (what === 'fail') {
            circuit = withOutcome(circuit, unreachable, now, half)
            tried = undefined
            continue
          }
          const found = door(circuit, now, { strict: what === 'ask strictly' })
          if (found.kind === 'closed') {
            expect(found.until).toBeGreaterThan(now)
            continue
          }
          if (found.circuit === undefined) throw new Error('whoever goes through an ailing door is noted')
          if (tried !== undefined) expect(now - tried).toBeGreaterThanOrEqual(25_000)
          if (what === 'ask strictly' && breaker.state === 'open')
            expect(now).toBeGreaterThanOrEqual(breaker.until + 5000)
          tried = now
          circuit = found.circuit
        }
      }),
    )
  })
})

describe('a reservation', () => {
  const now = 1000
  const background = { interactive: false, longest: 2000 }

  test('costs nothing while no rate is set and all is well', () => {
    expect(reserve(newCircuit(0), undefined, now, background)).toEqual({ kind: 'slot', at: now })
  })

  test('holds the rush after an outage to ten a second where no rate is set, else to the rate', () => {
    const recovering = withOutcome(opened(), ok, now, half)
    const intervals = [undefined, 100].map((rate) => {
      const first = reserve(recovering, rate, now, background)
      if (first.kind === 'full' || first.circuit === undefined) throw new Error('it is free')
      const second = reserve(first.circuit, rate, now, background)
      return second.kind === 'slot' ? second.at - first.at : undefined
    })
    expect(intervals).toEqual([105, 10.5])
  })

  test('lets the rush last a minute longer than anybody had to wait', () => {
    const recovering = withOutcome(opened(), ok, now, half)
    const first = reserve(recovering, undefined, 50_000, background)
    if (first.kind === 'full' || first.circuit === undefined) throw new Error('it is free')
    expect(first.circuit.breaker).toEqual(recovering.breaker)
    const second = reserve(first.circuit, undefined, 50_000, background)
    expect(second).toMatchObject({ circuit: { breaker: { state: 'recovering', until: 110_000 } } })
  })

  test('changes nothing when the slot lies too far away', () => {
    let circuit = newCircuit(0)
    for (let index = 0; ; index++) {
      const found = reserve(circuit, 1, now, background)
      if (found.kind === 'full') {
        expect([index, found.until]).toEqual([2, now + 2100])
        return
      }
      circuit = found.circuit ?? circuit
    }
  })
})

describe('successes that the store hears of later', () => {
  test('end a row of failures and count among the outcomes', () => {
    const ailing = after(newCircuit(0), times(4, unreachable))
    const counted = withSuccesses(ailing, [100, 200], 300)
    expect(counted.straight).toBe(0)
    expect(counted.window).toEqual({ since: 0, failures: 4, total: 6 })
  })

  test('that are old end no row', () => {
    const ailing = after(newCircuit(100_000), times(4, unreachable), 100_000)
    expect(withSuccesses(ailing, [60_000], 100_000).straight).toBe(4)
  })

  test('close no breaker: they are from before it opened', () => {
    expect(withSuccesses(opened(), [0], 100).breaker).toEqual(opened().breaker)
  })

  test('keep five dead logins among many from being an incident', () => {
    const dead = (index: number): Report => ({
      grant: `dead-${index}`,
      verdict: 'rejected',
      code: 'invalid_grant',
    })
    const reports = Array.from({ length: 5 }, (_, index) => dead(index))
    expect(inIncident(after(newCircuit(0), reports), 1)).toBe(true)
    expect(inIncident(after(withSuccesses(newCircuit(0), times(21, 0), 0), reports), 1)).toBe(false)
  })
})

test('lifetimes are learnt from the third refused age on, as four fifths of the shortest of the last eight', () => {
  let circuit = newCircuit(0)
  const learnt: (number | undefined)[] = []
  for (const minutes of [60, 0.5, 50, 40, 90, 90, 90, 90, 90, 90, 90, 90]) {
    circuit = withAge(circuit, minutes * 60_000)
    learnt.push(learntLifetime(circuit))
  }
  const hours = (minutes: number) => 0.8 * minutes * 60_000
  // The token of half a minute counts for nothing: that is no lifetime.
  expect(learnt.slice(0, 4)).toEqual([undefined, undefined, undefined, hours(40)])
  expect(learnt.slice(-2)).toEqual([hours(40), hours(90)])
})

describe('what is written', () => {
  const grants = fc.integer({ min: 0, max: 1000 }).map((id) => `grant-${id}`)
  const report: fc.Arbitrary<Report> = fc.oneof(
    fc.record({ grant: grants, verdict: fc.constant('ok' as const) }),
    fc.record({
      grant: grants,
      verdict: fc.constant('rejected' as const),
      code: fc.constant('invalid_grant' as const),
    }),
    fc.record({
      grant: grants,
      verdict: fc.constant('ambiguous' as const),
      code: fc.constant('provider_timeout' as const),
    }),
    fc.record({
      grant: grants,
      verdict: fc.constant('refused' as const),
      code: fc.constant('provider_error' as const),
      error: fc.constantFrom('invalid_request', 'slow_down', 'odd'),
    }),
  )
  const step = fc.oneof(
    report.map((what) => ({ what })),
    fc.record({ ages: fc.integer({ min: 0, max: 10 ** 9 }) }),
    fc.record({
      rate: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }),
      interactive: fc.boolean(),
    }),
  )

  test('is bounded and survives JSON, and no breaker is open for much longer than five minutes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 100_000 }), step), { maxLength: 300 }),
        (steps) => {
          let circuit = newCircuit(0)
          let now = 0
          for (const [passed, one] of steps) {
            now += passed
            circuit = circuitAt(circuit, now)
            if ('what' in one) circuit = withOutcome(circuit, one.what, now, half)
            else if ('ages' in one) circuit = withAge(circuit, one.ages)
            else {
              const found = reserve(circuit, one.rate, now, { interactive: one.interactive, longest: 2000 })
              if (found.kind === 'slot') circuit = found.circuit ?? circuit
            }
            const text = JSON.stringify(circuit)
            expect(text.length).toBeLessThan(8000)
            expect(JSON.parse(text)).toEqual(circuit)
            const { breaker } = circuit
            if (breaker.state === 'open') expect(breaker.until - now).toBeLessThanOrEqual(360_000)
          }
        },
      ),
    )
  })

  test.each<[string, Breaker]>([
    ['that opened', { state: 'open', until: 10 ** 12, times: 1 }],
    ['that recovers', { state: 'recovering', until: 10 ** 12 }],
  ])('by a clock that was far ahead is forgotten, but for what was learnt: one %s', (_, breaker) => {
    const future: Circuit = { ...newCircuit(10 ** 12), breaker, ages: [1, 2, 3] }
    expect(circuitAt(future, 5000)).toEqual({ ...newCircuit(5000), ages: [1, 2, 3] })
  })
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { intervalOf, type Lanes, takeSlot } from '../../src/grants/lanes.ts'

interface Ask {
  readonly after: number
  readonly interactive: boolean
}

const asks = fc.array(fc.record({ after: fc.integer({ min: 0, max: 700 }), interactive: fc.boolean() }), {
  minLength: 1,
  maxLength: 120,
})
const burst: fc.Arbitrary<Ask[]> = fc.array(
  fc.record({ after: fc.constantFrom(0, 0, 0, 1, 3000), interactive: fc.boolean() }),
  { minLength: 1, maxLength: 200 },
)
const rates = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.double({ min: 0.05, max: 20, noNaN: true }))

/** When each of them leaves; those that are turned away are not among them. */
function leaving(asked: readonly Ask[], rateAt: (index: number) => number, longest = 2000): number[] {
  let now = 1_000_000
  let lanes: Lanes | undefined
  const times: number[] = []
  for (const [index, { after, interactive }] of asked.entries()) {
    now += after
    const slot = takeSlot(lanes, rateAt(index), now, { interactive, longest })
    if (slot.kind === 'full') {
      expect(slot.until).toBeGreaterThan(now + longest)
      continue
    }
    expect(slot.at).toBeGreaterThanOrEqual(now)
    expect(slot.at).toBeLessThanOrEqual(now + longest)
    times.push(slot.at)
    lanes = JSON.parse(JSON.stringify(slot.lanes)) as Lanes
  }
  return times.sort((a, b) => a - b)
}

const mostInASecond = (times: readonly number[]): number =>
  Math.max(0, ...times.map((from, index) => times.slice(index).filter((at) => at < from + 1000).length))

test('no second holds more slots than the rate, whoever asks and whenever', () => {
  fc.assert(
    fc.property(fc.oneof(asks, burst), rates, (asked, rate) => {
      const times = leaving(asked, () => rate)
      expect(mostInASecond(times)).toBeLessThanOrEqual(Math.max(1, Math.ceil(rate)))
      for (const [index, at] of times.slice(1).entries())
        expect(at - (times[index] ?? 0)).toBeGreaterThanOrEqual(1000 / rate)
    }),
  )
})

test('a rate that changes between requests holds as well', () => {
  fc.assert(
    fc.property(burst, fc.tuple(rates, rates), (asked, both) => {
      const times = leaving(asked, (index) => both[index % 2] as number)
      expect(mostInASecond(times)).toBeLessThanOrEqual(Math.max(1, Math.ceil(Math.max(...both))))
    }),
  )
})

test('a request that comes when nothing else does leaves at once', () => {
  fc.assert(
    fc.property(rates, fc.boolean(), fc.boolean(), (rate, first, second) => {
      const before = takeSlot(undefined, rate, 5_000, { interactive: first, longest: 0 })
      if (before.kind === 'full') throw new Error('nothing was before it')
      expect(before.at).toBe(5_000)
      const later = 5_000 + intervalOf(rate)
      const after = takeSlot(before.lanes, rate, later, { interactive: second, longest: 0 })
      expect(after).toMatchObject({ kind: 'slot', at: later })
    }),
  )
})

test('of a queue nobody waits for, four in five slots are taken, and a reader waits for five at most', () => {
  let lanes: Lanes | undefined
  const background: number[] = []
  for (;;) {
    const slot = takeSlot(lanes, 10, 0, { interactive: false, longest: 2000 })
    if (slot.kind === 'full') break
    background.push(slot.at)
    lanes = slot.lanes
  }
  expect(background).toEqual([
    0, 105, 210, 315, 525, 630, 735, 840, 1050, 1155, 1260, 1365, 1575, 1680, 1785, 1890,
  ])
  const readers: number[] = []
  for (let reader = 0; reader < 4; reader++) {
    const slot = takeSlot(lanes, 10, 0, { interactive: true, longest: 2000 })
    if (slot.kind === 'full') throw new Error('a fifth is kept for readers')
    readers.push(slot.at)
    lanes = slot.lanes
  }
  expect(readers).toEqual([420, 945, 1470, 1995])
})

test('a reader takes the slot that nobody else has when that comes sooner', () => {
  const slot = takeSlot(undefined, 1, 0, { interactive: true, longest: 0 })
  expect(slot).toMatchObject({ kind: 'slot', at: 0 })
})

test('slots that a wrong clock wrote far ahead hold nobody up', () => {
  const lanes = { anchor: 10 ** 12, interval: 105, background: 3, interactive: 4, latest: 10 ** 12 }
  expect(takeSlot(lanes, 10, 50, { interactive: false, longest: 0 })).toMatchObject({ kind: 'slot', at: 50 })
})

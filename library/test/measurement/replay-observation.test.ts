import { expect, test } from 'vitest'
import { judgeReplay, type ReplayObservation } from '../../src/measurement/replay-observation.ts'
import { nextWait } from '../../src/measurement/window-search.ts'

test.each<[ReplayObservation, string, RegExp | undefined]>([
  [{ again: 'refused' }, 'strict', undefined],
  [{ again: 'same_child', childWorks: true }, 'idempotent', undefined],
  [{ again: 'same_child', childWorks: false }, 'strict', /refused afterwards/],
  [{ again: 'another_child', firstWorks: true, secondWorks: true }, 'fork', undefined],
  [{ again: 'another_child', firstWorks: false, secondWorks: true }, 'last_child_wins', undefined],
  [{ again: 'another_child', firstWorks: true, secondWorks: false }, 'strict', /does not work/],
  [{ again: 'another_child', firstWorks: false, secondWorks: false }, 'strict', /does not work/],
  [{ again: 'no_child' }, 'strict', /none the second/],
])('%j is of the class %s, and whatever fits none says why', (seen, replayClass, unclear) => {
  const judged = judgeReplay(seen)
  expect(judged.replayClass).toBe(replayClass)
  if (unclear === undefined) expect(judged).not.toHaveProperty('unclear')
  else expect(judged.unclear).toMatch(unclear)
})

const limits = { longest: 120_000, precision: 1_000 }

test.each([
  ['the precision first', { open: 0 }, 1_000],
  ['twice as long while it is open', { open: 16_000 }, 32_000],
  ['never longer than the longest', { open: 64_000 }, 120_000],
  ['nothing more at the longest', { open: 120_000 }, undefined],
  ['halfway once it was closed', { open: 16_000, closed: 32_000 }, 24_000],
  ['whole steps', { open: 29_000, closed: 32_000 }, 31_000],
  ['nothing more at the precision', { open: 29_000, closed: 30_000 }, undefined],
  ['something between bounds that are off the steps', { open: 119_000, closed: 120_500 }, 120_000],
])('the next wait is %s', (_, bounds, wait) => {
  expect(nextWait(bounds, limits)).toBe(wait)
})

test('the search of any window ends between bounds that hold it', () => {
  for (let window = 500; window < 130_000; window += 1_731) {
    let bounds: { open: number; closed?: number } = { open: 0 }
    let tries = 0
    for (let wait = nextWait(bounds, limits); wait !== undefined; wait = nextWait(bounds, limits)) {
      tries += 1
      bounds = wait < window ? { ...bounds, open: wait } : { ...bounds, closed: wait }
    }
    expect(bounds.open).toBeLessThan(window)
    if (bounds.closed === undefined) expect(bounds.open).toBe(120_000)
    else {
      expect(bounds.closed).toBeGreaterThanOrEqual(window)
      expect(bounds.closed - bounds.open).toBeLessThanOrEqual(1_000)
    }
    expect(tries).toBeLessThan(16)
  }
})

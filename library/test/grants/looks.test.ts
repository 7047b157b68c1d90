import { describe, expect, test } from 'vitest'
import { Looks } from '../../src/grants/looks.ts'
import type { GrantStore } from '../../src/grants/store.ts'
import { ControlledClock } from './controlled-clock.ts'

/** A store that tells whether anything has changed, if it has a version, and gives hints, if it has those. */
function looksAt(store: { version?: number; hints?: boolean }) {
  const clock = new ControlledClock()
  const listeners: (() => void)[] = []
  const onHint = (listener: () => void) => {
    listeners.push(listener)
    return () => undefined
  }
  const port = { version: () => store.version, ...(store.hints === true ? { onHint } : {}) }
  const looks = new Looks(port as unknown as GrantStore, clock)
  const began = clock.boot()
  /** Milliseconds waited at each look that there is in the first `ms`. */
  const within = async (ms: number): Promise<number[]> => {
    const at: number[] = []
    void (async () => {
      for (;;) {
        await looks.next(began)
        at.push(clock.boot() - began)
      }
    })()
    await clock.advance(ms)
    return at
  }
  /** Whether the pause that began when it is called is over. */
  const paused = (signal?: AbortSignal) => {
    const state = { over: false }
    void looks.next(began, signal).then(() => {
      state.over = true
    })
    return state
  }
  return { clock, looks, listeners, within, paused }
}

describe('the looks at what another process does', () => {
  test('follow each other after a tenth of the wait where the store tells what is new for nothing', async () => {
    const at = await looksAt({ version: 1 }).within(100)
    expect(at.slice(0, 11)).toEqual([5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55])
    expect(at).toHaveLength(17)
  })

  test('follow each other after half of it where the row has to be read', async () => {
    expect(await looksAt({}).within(400)).toEqual([5, 10, 15, 23, 35, 53, 80, 120, 180, 270, 370])
  })

  test('come at least every hundred milliseconds', async () => {
    const at = await looksAt({ version: 1 }).within(15_000)
    expect(at.at(-1)).toBeGreaterThan(14_900)
    expect(Math.max(...at.map((time, index) => time - (at[index - 1] ?? 0)))).toBe(100)
  })

  test('end with the signal of whoever waits', async () => {
    const { clock, paused } = looksAt({})
    await clock.advance(10_000)
    const over = new AbortController()
    const early = paused(over.signal)
    over.abort()
    await clock.advance(0)
    expect(early.over).toBe(true)
    const later = new AbortController()
    const pause = paused(later.signal)
    await clock.advance(50)
    expect(pause.over).toBe(false)
    later.abort()
    await clock.advance(0)
    expect(pause.over).toBe(true)
  })
})

describe('a hint of the store', () => {
  test('is listened for once, and not before somebody had to wait', async () => {
    const { looks, listeners, within } = looksAt({ hints: true })
    await within(100)
    expect(listeners).toHaveLength(0)
    looks.listen()
    looks.listen()
    expect(listeners).toHaveLength(1)
  })

  test('is followed by a look at once', async () => {
    const { clock, looks, listeners, paused } = looksAt({ hints: true })
    looks.listen()
    await clock.advance(10_000)
    const pause = paused()
    await clock.advance(50)
    expect(pause.over).toBe(false)
    listeners[0]?.()
    await clock.advance(0)
    expect(pause.over).toBe(true)
  })

  test('that comes right after a look is not forgotten, and still makes no two looks within five milliseconds', async () => {
    const { clock, looks, listeners, paused } = looksAt({ hints: true })
    looks.listen()
    await clock.advance(10_000)
    const pause = paused()
    listeners[0]?.()
    await clock.advance(4)
    expect(pause.over).toBe(false)
    await clock.advance(1)
    expect(pause.over).toBe(true)
  })
})

import { describe, expect, test } from 'vitest'
import type { Circuit } from '../../src/grants/circuit.ts'
import { type CircuitNews, Circuits, type CircuitsOptions } from '../../src/grants/circuits.ts'
import type { FailedOutcome, Outcome } from '../../src/grants/outcome.ts'
import { backoff } from '../../src/grants/schedule.ts'
import { ControlledClock } from './controlled-clock.ts'

/** The two methods of a store that circuits need, counted; what it holds goes through JSON as in a real one. */
class CircuitRows {
  readonly rows = new Map<string, string>()
  reads = 0
  writes = 0
  updates = 0
  /** Set: every call fails with it. */
  broken: Error | undefined
  readonly #clock: ControlledClock

  constructor(clock: ControlledClock) {
    this.#clock = clock
  }

  readonly time = () => ({ at: this.#clock.boot() + 7_000, boot: 'boot-1' })

  async readCircuit(key: string): Promise<Circuit | undefined> {
    this.reads += 1
    if (this.broken !== undefined) throw this.broken
    return this.#row(key)
  }

  readonly updateCircuit: CircuitsOptions['store']['updateCircuit'] = async (key, decide) => {
    this.updates += 1
    if (this.broken !== undefined) throw this.broken
    const { result, circuit } = decide(this.#row(key), this.time())
    if (circuit !== undefined) {
      this.writes += 1
      this.rows.set(key, JSON.stringify(circuit))
    }
    return result
  }

  #row(key: string): Circuit | undefined {
    const row = this.rows.get(key)
    return row === undefined ? undefined : (JSON.parse(row) as Circuit)
  }
}

const failed = (code: FailedOutcome['failure']['code'], verdict: 'not_sent' | 'rejected'): FailedOutcome =>
  verdict === 'rejected'
    ? { verdict, person: false, failure: { code, message: code } }
    : { verdict, failure: { code, message: code } }
const unreachable = failed('provider_unreachable', 'not_sent')
const refused = failed('invalid_grant', 'rejected')
const ok = { verdict: 'ok' } as Outcome
const behind = { interactive: false }

/** Two processes on one store, or one. */
function processes() {
  const clock = new ControlledClock()
  const store = new CircuitRows(clock)
  const news: CircuitNews[] = []
  const open = () => new Circuits({ store, clock, random: () => 0, told: (one) => void news.push(one) })
  return { clock, store, news, one: open(), other: open() }
}

type World = ReturnType<typeof processes>

const minute = 60_000

/** The same numbers from 0 to 1 each time. */
function repeatable(): () => number {
  let state = 1
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** The most that were sent within any one second. */
function peakOf(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b)
  let most = 0
  for (let first = 0, last = 0; last < sorted.length; last++) {
    while ((sorted[last] ?? 0) - (sorted[first] ?? 0) >= 1000) first += 1
    most = Math.max(most, last - first + 1)
  }
  return most
}

/** So many grants are asked for, with that outcome, and everything that is to be written is. */
async function heard({ clock }: World, circuits: Circuits, grants: number, outcome: Outcome | FailedOutcome) {
  for (let index = 0; index < grants; index++) circuits.report('p', { grant: `grant-${index}`, outcome })
  await clock.advance(0)
}

describe('while all is well and no rate is set', () => {
  test('the store is read once a second at most, and never written', async () => {
    const { clock, store, one } = processes()
    for (let turn = 0; turn < 1000; turn++) {
      expect(one.closedUntil('p', true)).toBeUndefined()
      expect(await one.permit('p', undefined, behind)).toBeUndefined()
      one.report('p', { grant: `grant-${turn % 300}`, outcome: ok })
      await clock.advance(10)
    }
    expect(store.updates).toBe(0)
    expect(store.reads).toBeGreaterThan(0)
    expect(store.reads).toBeLessThanOrEqual(11)
  })

  test('a key that nobody uses costs nothing', async () => {
    const { clock, store, one } = processes()
    await one.permit('p', undefined, behind)
    await clock.advance(3_600_000)
    expect(store.reads).toBe(1)
  })

  test('trouble of our own is no reason to write', async () => {
    const world = processes()
    await heard(world, world.one, 20, failed('spool_unavailable', 'not_sent'))
    expect(world.store.writes).toBe(0)
    expect(world.one.closedUntil('p', false)).toBeUndefined()
  })
})

describe('an opened breaker', () => {
  test('turns away at once where it was opened, and in another process within a second', async () => {
    const world = processes()
    const { clock, store, one, other, news } = world
    await other.permit('p', undefined, behind)
    await heard(world, one, 5, unreachable)
    const opens = store.time().at + 5_000
    expect(one.closedUntil('p', false)).toBe(opens)
    expect(await one.permit('p', undefined, { interactive: true })).toBe(opens)
    expect(other.closedUntil('p', false)).toBeUndefined()
    await clock.advance(1_000)
    other.closedUntil('p', false)
    await clock.advance(0)
    expect(other.closedUntil('p', false)).toBe(opens)
    expect(await other.permit('p', undefined, { interactive: true })).toBe(opens)
    expect(news).toEqual([
      {
        kind: 'opened',
        circuit: 'p',
        until: opens,
        failure: { grant: 'grant-4', verdict: 'not_sent', code: 'provider_unreachable' },
      },
    ])
  })

  test('is heeded by a process that has only just started', async () => {
    const world = processes()
    await heard(world, world.one, 5, unreachable)
    expect(await world.other.permit('p', undefined, { interactive: true })).toBe(
      world.store.time().at + 5_000,
    )
  })

  test('lets one through in the cluster, and everybody once that one had an answer', async () => {
    const world = processes()
    const { clock, store, one, other, news } = world
    await heard(world, one, 5, unreachable)
    await clock.advance(5_000)
    const asked = await Promise.all([
      one.permit('p', undefined, { interactive: true }),
      other.permit('p', undefined, { interactive: true }),
    ])
    // The other looks again in a second: the try may well be over by then.
    expect(asked).toEqual([undefined, store.time().at + 1_000])
    one.report('p', { grant: 'tried', outcome: ok })
    await clock.advance(200)
    expect(one.closedUntil('p', true)).toBeUndefined()
    expect(await other.permit('p', undefined, behind)).toBeUndefined()
    expect(news.map(({ kind }) => kind)).toEqual(['opened', 'recovering'])
  })

  test('keeps a strict grant back for longer, and lets a person knock', async () => {
    const world = processes()
    const { clock, store, one } = world
    await heard(world, one, 5, unreachable)
    const opens = store.time().at + 5_000
    expect(one.closedUntil('p', true)).toBe(opens + 5_000)
    expect(await one.permit('p', undefined, { interactive: true, strict: true })).toBe(opens + 5_000)
    expect(
      await one.permit('p', undefined, { interactive: true, strict: true, knocks: true }),
    ).toBeUndefined()
    one.report('p', { grant: 'grant-1', outcome: ok })
    await clock.advance(200)
    expect(await one.permit('p', undefined, { interactive: true, strict: true })).toBeUndefined()
  })

  test('has those who are turned away come again one after the other, and readers when it opens', async () => {
    const world = processes()
    const { store, one } = world
    await heard(world, one, 5, unreachable)
    const opens = store.time().at + 5_000
    const turns = Array.from({ length: 4 }, () => (one.closedUntil('p', false) ?? 0) - opens)
    expect(turns).toEqual([0, 131.25, 262.5, 393.75])
    expect(one.closedUntil('p', false, true)).toBe(opens)
    expect((one.closedUntil('p', true) ?? 0) - opens).toBe(5_000)
  })

  test('turns nobody away for more than five minutes after it opens', async () => {
    const world = processes()
    await heard(world, world.one, 5, unreachable)
    const opens = world.store.time().at + 5_000
    const turns = Array.from({ length: 10_000 }, () => (world.one.closedUntil('p', false) ?? 0) - opens)
    expect(Math.max(...turns)).toBeLessThanOrEqual(300_000)
    expect(Math.min(...turns)).toBe(0)
  })

  test('is not opened by one process alone when it goes well in another', async () => {
    const world = processes()
    const { clock, one, other } = world
    await heard(world, other, 100, ok)
    await heard(world, one, 4, unreachable)
    await clock.advance(1_000)
    await other.permit('p', undefined, behind)
    await clock.advance(0)
    await heard(world, one, 1, unreachable)
    expect(one.closedUntil('p', false)).toBeUndefined()
  })
})

describe('a rate', () => {
  test('holds over two processes, and whoever would wait for longer than two seconds is told when to come', async () => {
    const { clock, store, one, other } = processes()
    const began = store.time().at
    const asked = Array.from({ length: 60 }, (_, index) =>
      (index % 2 === 0 ? one : other)
        .permit('p', 10, behind)
        .then((again) => ({ again, left: again === undefined ? store.time().at - began : undefined })),
    )
    await clock.advance(2_000)
    const answers = await Promise.all(asked)
    const left = answers.map((answer) => answer.left).filter((at) => at !== undefined)
    expect(left).toHaveLength(16)
    expect(Math.max(...left)).toBe(1890)
    const again = answers.map((answer) => answer.again).filter((at) => at !== undefined)
    expect(Math.min(...again)).toBeGreaterThan(began + 2_000)
    // Each process has its own line of those who come again, one behind the other.
    expect(new Set(again).size).toBeGreaterThanOrEqual(again.length / 2)
  })

  test('has room for a reader while others queue', async () => {
    const { clock, store, one } = processes()
    const began = store.time().at
    const queue = Array.from({ length: 60 }, () => one.permit('p', 10, behind))
    const reader = one.permit('p', 10, { interactive: true }).then(() => store.time().at - began)
    await clock.advance(2_000)
    await Promise.all(queue)
    expect(await reader).toBe(420)
  })

  test('is not waited for any longer than the caller can', async () => {
    const { one, store } = processes()
    expect(await one.permit('p', 1, { interactive: true, longest: 100 })).toBeUndefined()
    expect(await one.permit('p', 1, { interactive: true, longest: 100 })).toBe(store.time().at + 1_050)
  })
})

describe('an incident', () => {
  test('is seen at once by the process that hears the fifth refusal, and by the others within a second', async () => {
    const world = processes()
    const { clock, one, other, news } = world
    await other.permit('p', undefined, behind)
    await heard(world, one, 4, refused)
    expect(one.incident('p')).toBe(false)
    one.report('p', { grant: 'grant-4', outcome: refused })
    expect(one.incident('p')).toBe(true)
    await clock.advance(1_000)
    await other.permit('p', undefined, behind)
    await clock.advance(0)
    expect(other.incident('p')).toBe(true)
    expect(news).toEqual([{ kind: 'incident', circuit: 'p' }])
  })

  test('is none when many other grants were given tokens before', async () => {
    const world = processes()
    await heard(world, world.one, 100, ok)
    await heard(world, world.one, 10, refused)
    expect(world.one.incident('p')).toBe(false)
    expect(world.store.rows.size).toBe(1)
  })

  test('ends with the first token, five minutes after the last refusal', async () => {
    const world = processes()
    const { clock, one } = world
    await heard(world, one, 10, refused)
    await clock.advance(600_000)
    expect(one.incident('p')).toBe(true)
    await heard(world, one, 1, ok)
    expect(one.incident('p')).toBe(false)
  })
})

// F12
test('after an hour without the provider ten thousand grants come back at the rate, and none is left behind', async () => {
  const rate = 20
  const world = processes()
  const { clock, store } = world
  const random = repeatable()
  const circuits = [world.one, world.other]
  const start = store.time().at
  const outage = { from: start + minute, until: start + 61 * minute }
  const grants = Array.from({ length: 10_000 }, (_, index) => ({
    id: `grant-${index}`,
    strict: index % 2 === 0,
    due: start + (index / 10_000) * 60 * minute,
    failures: 0,
    renewedAt: undefined as number | undefined,
  }))
  const sent: number[] = []
  let turnedAway = 0

  const refresh = async (mine: Circuits, grant: (typeof grants)[number]): Promise<void> => {
    const again = await mine.permit('p', rate, { interactive: false, strict: grant.strict })
    const now = store.time().at
    if (again !== undefined) {
      turnedAway += 1
      grant.due = again
      return
    }
    sent.push(now)
    if (now >= outage.from && now < outage.until) {
      grant.failures += 1
      grant.due = now + backoff(grant.failures, 'mandatory', random)
      mine.report('p', { grant: grant.id, outcome: unreachable })
    } else {
      grant.renewedAt = now
      grant.due = now + 60 * minute
      mine.report('p', { grant: grant.id, outcome: ok })
    }
  }
  const work = (mine: Circuits): void => {
    const now = store.time().at
    const due = grants.filter((grant) => grant.due <= now).sort((a, b) => a.due - b.due)
    for (const grant of due.slice(0, 100)) {
      const closed = mine.closedUntil('p', grant.strict)
      if (closed !== undefined) {
        turnedAway += 1
        grant.due = closed
      } else {
        grant.due = Number.POSITIVE_INFINITY
        void refresh(mine, grant)
      }
    }
  }

  while (store.time().at < outage.until + 20 * minute) {
    for (const mine of circuits) work(mine)
    await clock.advance(500)
  }
  const inOutage = sent.filter((at) => at >= outage.from && at < outage.until).length
  // A try every five minutes, and what was on its way when the breaker opened.
  expect(inOutage).toBeLessThan(40)
  // Each that waits asks every few minutes, not every time the door might open.
  expect(turnedAway).toBeLessThan(15 * grants.length)
  expect(peakOf(sent)).toBeLessThanOrEqual(rate)
  expect(grants.filter(({ renewedAt }) => renewedAt === undefined)).toEqual([])
  const last = Math.max(...grants.map(({ renewedAt }) => renewedAt ?? Number.POSITIVE_INFINITY))
  // Ten thousand at four fifths of the rate are 656 s.
  expect(last - outage.until).toBeLessThan(5 * minute + 656_000)
})

test('lifetimes are learnt over all processes', async () => {
  const world = processes()
  const { clock, one, other } = world
  for (const minutes of [50, 40, 60]) one.reportAge('p', minutes * 60_000)
  await clock.advance(0)
  expect(one.lifetime('p')).toBe(32 * 60_000)
  expect(other.lifetime('p')).toBeUndefined()
  await other.permit('p', undefined, behind)
  expect(other.lifetime('p')).toBe(32 * 60_000)
})

test('a store that fails stops no refresh, and is told of', async () => {
  const world = processes()
  const { clock, store, one, news } = world
  store.broken = new Error('no disk')
  expect(await one.permit('p', 10, behind)).toBeUndefined()
  expect(one.closedUntil('p', true)).toBeUndefined()
  await heard(world, one, 3, unreachable)
  expect(news.length).toBeGreaterThanOrEqual(2)
  expect(new Set(news.map(({ kind }) => kind))).toEqual(new Set(['unknown']))
  store.broken = undefined
  await clock.advance(1_000)
  await heard(world, one, 5, unreachable)
  expect(store.rows.get('p')).toContain('"open"')
})

test('circuits of a thousand clients and more are not all remembered', async () => {
  const { store, one } = processes()
  for (let client = 0; client < 1500; client++) await one.permit(`client-${client}`, undefined, behind)
  const { reads } = store
  await one.permit('client-1499', undefined, behind)
  expect(store.reads).toBe(reads)
  await one.permit('client-0', undefined, behind)
  expect(store.reads).toBe(reads + 1)
})

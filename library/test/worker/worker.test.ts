import { describe, expect, onTestFinished, test } from 'vitest'
import { defaultTiming } from '../../src/grants/timing.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { Worker, type WorkerOptions } from '../../src/worker/worker.ts'
import { type Practised, practised } from '../grants/practised.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'

const second = 1000
const minute = 60 * second

/** A keeper with a worker that is stopped with the test. */
async function working(options: Parameters<typeof practised>[0] & { worker?: WorkerOptions } = {}) {
  const at = await practised(options)
  const errors: unknown[] = []
  const hire = (keeper = at.keeper): Worker => {
    const worker = new Worker(keeper, { onError: (error) => errors.push(error), ...options.worker })
    onTestFinished(() => at.run(worker.stop()))
    return worker
  }
  return { ...at, hire, errors }
}

const generation = async ({ keeper }: Practised, id = 'billing') => (await keeper.show(id)).generation

describe('a worker', () => {
  test('obtains the first token at once and every next one before its advisory window begins', async () => {
    const at = await working({ timing: { scan: minute } })
    await at.keeper.add('billing', at.service())
    at.hire().start()
    await expect.poll(() => generation(at)).toBe(1)
    const { nextAttemptAt = 0 } = await at.keeper.show('billing')
    const wait = nextAttemptAt - at.clock.now()
    expect(wait).toBeGreaterThan(44 * minute)
    expect(wait).toBeLessThan(48 * minute)
    await at.pass(wait - 1)
    expect(await generation(at)).toBe(1)
    await at.pass(5)
    await expect.poll(() => generation(at)).toBe(2)
  })

  test('sleeps until the next grant is due, and never longer than the scan interval', async () => {
    const at = await working({ timing: { scan: 10 * minute } })
    await at.keeper.add('billing', at.service())
    at.hire().start()
    await expect.poll(() => generation(at)).toBe(1)
    await at.pass(minute)
    at.clock.sleeps.length = 0
    await at.pass(40 * minute)
    expect(at.clock.sleeps.length).toBeGreaterThanOrEqual(3)
    expect(at.clock.sleeps.length).toBeLessThanOrEqual(6)
    expect(Math.max(...at.clock.sleeps)).toBe(10 * minute)
    const [last = 0] = at.clock.sleeps.slice(-1)
    const { nextAttemptAt = 0 } = await at.keeper.show('billing')
    expect(last).toBeLessThanOrEqual(10 * minute)
    await at.pass(nextAttemptAt - at.clock.now() + 5)
    await expect.poll(() => generation(at)).toBe(2)
  })

  test('with nothing to do looks once in a scan interval', async () => {
    const at = await working()
    at.hire().start()
    await at.pass(minute)
    expect(at.clock.sleeps.length).toBeLessThanOrEqual(minute / defaultTiming.scan + 2)
    expect(new Set(at.clock.sleeps)).toEqual(new Set([defaultTiming.scan]))
  })

  test('is in time for tokens that live ten seconds, though it sleeps longer than that', async () => {
    const at = await working({ lifetime: 10, timing: { scan: 10 * minute } })
    await at.keeper.add('billing', at.service())
    at.hire().start()
    await at.pass(minute, 250)
    expect(await generation(at)).toBeGreaterThanOrEqual(9)
    expect(await generation(at)).toBeLessThanOrEqual(13)
    expect((await at.keeper.show('billing')).freshness).toMatch(/^(fresh|advisory)$/)
  })

  test('has no more refreshes under way than it may', async () => {
    const at = await working({ worker: { concurrency: 3 } })
    for (let index = 0; index < 10; index++) await at.keeper.add(`grant-${index}`, at.service())
    const waiting: (() => void)[] = []
    at.answerWith(() => new Promise((resolve) => waiting.push(() => resolve(undefined))))
    at.hire().start()
    for (let done = 0; done < 10; done++) {
      await expect.poll(() => waiting.length).toBe(Math.min(3, 10 - done))
      await at.clock.advance(100)
      expect(waiting.length).toBe(Math.min(3, 10 - done))
      waiting.shift()?.()
      // The next takes its place at once, not after a scan interval.
      await expect
        .poll(async () => (await at.keeper.list()).filter((one) => one.generation === 1).length)
        .toBe(done + 1)
      await at.clock.advance(10)
    }
    expect(at.tokenRequests()).toHaveLength(10)
  })

  test('finds within a scan interval what another process adds', async () => {
    const file = newStoreFile()
    const at = await working({ store: (clock) => sqliteStore(file, { clock }) })
    at.hire().start()
    await at.pass(500)
    const other = await at.another()
    await other.add('late', at.service())
    await at.pass(second)
    await expect.poll(() => generation(at, 'late')).toBe(1)
  })

  test('refreshes two hundred grants exactly once a generation, in two processes on one store', async () => {
    const file = newStoreFile()
    const at = await working({
      store: (clock) => sqliteStore(file, { clock }),
      timing: { scan: 10 * second },
      worker: { concurrency: 8 },
    })
    const ids = Array.from({ length: 200 }, (_, index) => `grant-${index}`)
    for (const id of ids) await at.keeper.add(id, at.service())
    at.hire().start()
    at.hire(await at.another()).start()
    const done = async (wanted: number) =>
      (await at.keeper.list()).filter(({ generation }) => generation === wanted).length
    await at.pass(500, 5)
    await expect.poll(() => done(1)).toBe(200)
    expect(at.tokenRequests()).toHaveLength(200)
    await at.pass(44 * minute)
    expect(at.tokenRequests()).toHaveLength(200)
    await at.pass(4 * minute + 20 * second, second)
    await expect.poll(() => done(2)).toBe(200)
    expect(at.tokenRequests()).toHaveLength(400)
    // They did not all come together: no second of those three minutes saw more than a few.
    const perSecond = new Map<number, number>()
    for (const { at: when } of at.tokenRequests().slice(200)) {
      const second = Math.round(when / 1000)
      perSecond.set(second, (perSecond.get(second) ?? 0) + 1)
    }
    expect(Math.max(...perSecond.values())).toBeLessThanOrEqual(8)
  })

  test('tries again after the backoff when the provider fails, and says recovered when it works', async () => {
    const at = await working()
    await at.keeper.add('billing', at.service())
    at.answerWith({ status: 500 })
    at.hire().start()
    await at.pass(30 * second)
    const { failures } = await at.keeper.show('billing')
    expect(failures).toBeGreaterThanOrEqual(4)
    expect(failures).toBeLessThanOrEqual(8)
    at.answerWith(undefined)
    await at.pass(2 * minute)
    await expect.poll(() => generation(at)).toBe(1)
    expect(at.told.at(-1)).toEqual(['recovered', { grant: 'billing', failures: expect.any(Number) }])
    expect(at.errors).toEqual([])
  })

  test('takes over at once what a killed process had claimed, and waits for the lease of one that may live', async () => {
    const at = await working()
    await at.keeper.add('billing', at.service())
    await at.keeper.store.update('billing', (record) => {
      if (record === undefined) throw new Error('no grant')
      const { at: now, boot } = at.keeper.store.time()
      const lease = { owner: 'somebody', until: now + 20 * second, boot }
      return { result: undefined, record: { ...record, lease } }
    })
    at.hire().start()
    await at.pass(19 * second)
    expect(await generation(at)).toBe(0)
    await at.pass(2 * second)
    await expect.poll(() => generation(at)).toBe(1)
  })
})

describe('time that jumps', () => {
  test.each([60, -60])(
    'by %d minutes of UTC neither stops the worker nor makes it run wild',
    async (minutes) => {
      const at = await working()
      await at.keeper.add('billing', at.service())
      at.hire().start()
      await expect.poll(() => generation(at)).toBe(1)
      at.clock.setUtc(minutes * minute)
      await at.pass(10 * second)
      expect(at.tokenRequests().length).toBeLessThanOrEqual(2)
      // The token really lives an hour from when it came, whatever the wall clock says.
      await at.pass(50 * minute)
      await expect.poll(() => generation(at)).toBeGreaterThanOrEqual(2)
      expect(at.tokenRequests().length).toBeLessThanOrEqual(3)
      const token = await at.run(at.keeper.getToken('billing'))
      expect(token.expiresAt).toBeGreaterThan(at.clock.now())
    },
  )

  test('because the machine was suspended for a day is made up for within a scan interval', async () => {
    const at = await working()
    await at.keeper.add('billing', at.service())
    at.hire().start()
    await expect.poll(() => generation(at)).toBe(1)
    await at.pass(minute)
    at.clock.suspend(24 * 60 * minute)
    await at.pass(second)
    await expect.poll(() => generation(at)).toBe(2)
    expect(at.tokenRequests()).toHaveLength(2)
  })
})

describe('stopping', () => {
  test('waits for the refresh under way and begins no other', async () => {
    const at = await working({ worker: { concurrency: 1 } })
    await at.keeper.add('a', at.service())
    await at.keeper.add('b', at.service())
    let answer = (): void => undefined
    const asked = new Promise<void>((resolve) =>
      at.answerWith(() => {
        resolve()
        return new Promise((go) => (answer = () => go(undefined)))
      }),
    )
    const worker = at.hire().start()
    await asked
    let stopped = false
    const stopping = Promise.all([worker.stop(), worker.stop()]).then(() => (stopped = true))
    await at.clock.advance(minute)
    expect(stopped).toBe(false)
    answer()
    await at.run(stopping)
    await at.clock.advance(10 * minute)
    expect(at.tokenRequests()).toHaveLength(1)
    expect([await generation(at, 'a'), await generation(at, 'b')].toSorted()).toEqual([0, 1])
    await worker.stop()
  })

  test('ends the sleep at once', async () => {
    const at = await working({ timing: { scan: 60 * minute } })
    const worker = at.hire().start()
    expect(worker.start()).toBe(worker)
    await expect.poll(() => at.clock.sleeping).toBe(1)
    await worker.stop()
    expect(at.clock.sleeping).toBe(0)
  })

  test('one that was never started is nothing', async () => {
    const at = await working()
    await at.hire().stop()
    await using worker = at.hire()
    expect(worker).toBeInstanceOf(Worker)
  })
})

describe('once', () => {
  test('refreshes everything that is due and says how many that were', async () => {
    const at = await working({ worker: { concurrency: 3 } })
    for (let index = 0; index < 10; index++) await at.keeper.add(`grant-${index}`, at.service())
    expect(await at.run(at.hire().once())).toBe(10)
    expect(at.tokenRequests()).toHaveLength(10)
    expect(await at.run(at.hire().once())).toBe(0)
  })

  test('tries what fails once', async () => {
    const at = await working()
    await at.keeper.add('billing', at.service())
    at.answerWith({ status: 500 })
    expect(await at.run(at.hire().once())).toBe(1)
    expect(at.tokenRequests()).toHaveLength(1)
  })

  // It went round and round: what is due and cannot be claimed stays due.
  test('ends although a grant is due that cannot be worked on', async () => {
    const at = await working()
    await at.keeper.add('billing', at.service())
    const { at: now, boot } = at.keeper.store.time()
    await at.keeper.store.update('billing', (record) => {
      if (record === undefined) throw new Error('no grant')
      const lease = { owner: 'somebody', until: now + 60 * minute, boot }
      return { result: undefined, record: { ...record, lease } }
    })
    expect(await at.run(at.hire().once())).toBe(0)
  })

  test('says why it could do nothing', async () => {
    const at = await working()
    await at.keeper.add('billing', at.service())
    at.keeper.store.updateDue = () => Promise.reject(new Error('the disk is full'))
    await expect(at.run(at.hire().once())).rejects.toThrow('the disk is full')
  })
})

// It asked two hundred times a second, and told of it as often.
test('a store that takes no writes, or gives no answers, is asked once or twice in a scan interval', async () => {
  const at = await working()
  await at.keeper.add('billing', at.service())
  const { updateDue, nextDue } = at.keeper.store
  at.keeper.store.updateDue = () => Promise.reject(new Error('the disk is full'))
  at.hire().start()
  await at.pass(10 * second)
  const looks = (10 * second) / defaultTiming.scan
  expect(at.errors.length).toBeGreaterThanOrEqual(looks)
  expect(at.errors.length).toBeLessThanOrEqual(2 * looks + 1)
  at.keeper.store.nextDue = () => Promise.reject(new Error('no answer'))
  await at.pass(10 * second)
  expect(at.errors.length).toBeLessThanOrEqual(4 * looks + 2)
  at.keeper.store.updateDue = updateDue
  at.keeper.store.nextDue = nextDue
  await at.pass(3 * second)
  await expect.poll(() => generation(at)).toBe(1)
})

test('grants that are due and cannot be claimed keep no other from its turn', async () => {
  const at = await working({ worker: { concurrency: 4 } })
  const { at: now, boot } = at.keeper.store.time()
  for (let index = 0; index < 20; index++) {
    await at.keeper.add(`blocked-${index}`, at.service())
    await at.keeper.store.update(`blocked-${index}`, (record) => {
      if (record === undefined) throw new Error('no grant')
      const lease = { owner: 'somebody', until: now + 60 * minute, boot }
      return {
        result: undefined,
        record: { ...record, lease, schedule: { ...record.schedule, dueAt: now - minute } },
      }
    })
  }
  await at.keeper.add('billing', at.service())
  at.hire().start()
  await at.pass(3 * second)
  await expect.poll(() => generation(at)).toBe(1)
})

import type { Keeper, ReplayClass } from 'evertoken'
import { describe, expect, test } from 'vitest'
import type { FaultProcess } from './processes.ts'
import { onBothStores } from './stores.ts'
import { hour, newWorld, second, type World, type WorldOptions, workOnce } from './world.ts'

const patience = { timeout: 15_000, interval: 20 }
/** Twice the lease. */
const strictStop = 40 * second
const quiescence = 120 * second
/** Longer than the lease of a class whose window has 30 s, and still within the window. */
const windowedStop = 19 * second

/** Nothing of the request has left at these. */
const before = [
  'pre_drain',
  'post_drain',
  'pre_intent',
  'post_intent',
  'post_open',
  'post_permit',
  'pre_mark',
]
/** The answer is there, and not in the store. */
const between = [
  'post_receive',
  'post_seal',
  'pre_append',
  'pre_spool',
  'mid_spool',
  'post_spool_write',
  'post_spool',
  'post_append',
  'pre_commit',
  'pre_transaction',
]
const after = ['post_store_commit', 'post_commit', 'post_unspool']

/** These are passed before a request is sent as well. */
const afterwards: Record<string, string> = {
  pre_spool: 'post_receive',
  mid_spool: 'post_receive',
  post_spool_write: 'post_receive',
  post_spool: 'post_receive',
  pre_transaction: 'pre_commit',
  post_store_commit: 'pre_commit',
}

interface Course {
  /** What had been sent when the process went on, and by whom in the end. */
  readonly whileStopped: number
  readonly byIt: number
  readonly byOthers: number
}

/** Grants that are due for four hours, one for each point, and the processes that compete for them. */
async function prepared(replayClass: ReplayClass, points: readonly string[], options: WorldOptions) {
  const world = await newWorld({ replayClass, lifetime: 36_000, ...options })
  const keeper = await world.open()
  await Promise.all(points.map((point) => world.login(keeper, point, { refreshBefore: 4 * 3600 })))
  world.pass(6 * hour)
  return { world, keeper, child: await world.start() }
}

/** A process is stopped at that point and goes on when its lease is over and another has looked after the grant. */
async function stoppedAt(
  point: string,
  ms: number,
  { world, keeper, child }: { world: World; keeper: Keeper; child: FaultProcess },
): Promise<Course> {
  const stop = { at: point, after: afterwards[point], how: 'stop' as const }
  await child.call({ do: 'stop_at', stop })
  const done = child.call({ do: 'tend', grant: point })
  await child.at(point)
  await child.frozen()
  world.pass(ms)
  await keeper.tend(point)
  const whileStopped = world.sends(point).length
  await child.thaw()
  await done
  // Of last_child_wins the parent of two children tells which of them lives.
  const isResolved = async (): Promise<boolean> => {
    await keeper.tend(point)
    return !(await keeper.show(point)).unresolved
  }
  await expect.poll(isResolved, patience).toBe(true)
  if ((await keeper.show(point)).generation === 1) {
    // Nothing had left, and it has said so; others were told to wait, and look again when that is over.
    world.pass(quiescence)
    await keeper.tend(point)
  }
  await expect.poll(async () => (await keeper.show(point)).generation, patience).toBeGreaterThan(1)
  const senders = world.sends(point).map(({ sender }) => sender)
  const byIt = senders.filter((sender) => sender === child.name).length
  return { whileStopped, byIt, byOthers: senders.length - byIt }
}

/** The refresh token that is held is the live one: each refreshes once more. */
async function expectAllGoOn(world: World, keeper: Keeper, points: readonly string[]): Promise<void> {
  for (const part of [30 * second, 10 * hour]) {
    world.pass(part)
    await workOnce(keeper)
  }
  for (const point of points) {
    expect(await world.verdict(keeper, point), point).toMatchObject({ state: 'alive', familyKill: undefined })
    expect((await keeper.show(point)).generation, point).toBeGreaterThan(2)
    expect(world.server.introspect((await keeper.getToken(point)).value).active, point).toBe(true)
  }
}

describe('F8: a process that is stopped beyond its lease, and goes on', () => {
  onBothStores((store) => {
    test('sends nothing when others may have; its answer is stored late, once (strict)', async () => {
      const points = [...before, 'pre_send', ...between, ...after]
      const all = await prepared('strict', points, store)
      const courses: Record<string, Course> = {}
      for (const point of points) courses[point] = await stoppedAt(point, strictStop, all)
      const course = (names: readonly string[], what: Course) => names.map((name) => [name, what])
      expect(courses).toEqual(
        Object.fromEntries([
          ...course(before, { whileStopped: 1, byIt: 0, byOthers: 1 }),
          // Nobody else may send, since it might have; it knows that it has not, and says so.
          ...course(['pre_send'], { whileStopped: 0, byIt: 0, byOthers: 1 }),
          ...course([...between, ...after], { whileStopped: 1, byIt: 1, byOthers: 0 }),
        ]),
      )
      await expectAllGoOn(all.world, all.keeper, points)
    }, 60_000)
  })

  test.each<[ReplayClass, number]>([
    ['idempotent', windowedStop],
    ['last_child_wins', windowedStop],
    ['fork', windowedStop],
    ['non_rotating', strictStop],
  ])(
    'is passed by, sends nothing afterwards, and what it brings late does no harm (%s)',
    async (replayClass, ms) => {
      const unsent = ['post_intent', 'pre_mark', 'pre_send']
      const spooled = replayClass === 'non_rotating' ? [] : ['pre_append', 'post_append']
      const answered = ['post_receive', ...spooled, 'pre_commit']
      const points = [...unsent, ...answered, 'post_commit']
      const all = await prepared(replayClass, points, {})
      for (const point of points) {
        const course = await stoppedAt(point, ms, all)
        const sendsBoth = { whileStopped: 2, byIt: 1 }
        const onlyOthers = { whileStopped: 1, byIt: 0, byOthers: 1 }
        const onlyIt = { whileStopped: 1, byIt: 1, byOthers: 0 }
        const expected = unsent.includes(point) ? onlyOthers : answered.includes(point) ? sendsBoth : onlyIt
        expect({ point, ...course }).toMatchObject({ point, ...expected })
      }
      await expectAllGoOn(all.world, all.keeper, points)
    },
    60_000,
  )
})

import { statSync } from 'node:fs'
import type { Keeper, ReplayClass } from 'evertoken'
import { describe, expect, test } from 'vitest'
import type { CommandFailed, FaultProcess } from './processes.ts'
import { minute, newWorld, second, type World, workOnce } from './world.ts'

const untilDue = 49 * minute
const patience = { timeout: 15_000, interval: 50 }

/** A file of this process and of those that it starts has at most so many KiB. */
const limited =
  (kibibytes: number) =>
  (command: readonly string[]): readonly string[] => [
    'sh',
    '-c',
    // POSIX counts in units of 512 bytes.
    `ulimit -f ${kibibytes * 2} && exec "$@"`,
    'sh',
    ...command,
  ]

async function prepared(replayClass: ReplayClass) {
  const world = await newWorld({ replayClass })
  const keeper = await world.open()
  await world.login(keeper, 'work')
  world.pass(untilDue)
  return { world, keeper }
}

/** What is written goes to the beginning of the log again, which is carried over when the last one closes. */
async function withShortLog(replayClass: ReplayClass): Promise<World> {
  const { world, keeper } = await prepared(replayClass)
  await keeper.close()
  return world
}

/** The log of the database is longer than a file may be: nothing can be committed, and all can be read. */
async function longerThan(kibibytes: number, { store }: Keeper): Promise<void> {
  for (let count = 0; statSync(`${store.location}-wal`).size >> 10 < kibibytes; count += 1)
    await store.update('work', (record) => {
      if (record === undefined) throw new Error('no grant')
      return { result: undefined, record: { ...record, labels: { count: String(count) } } }
    })
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: CommandFailed) => error.code,
  )

/** The token of before is served, and a process with room refreshes. */
async function expectGoesOn(world: World, child: FaultProcess, sends: number): Promise<Keeper> {
  expect(await child.call({ do: 'get', grant: 'work' })).toMatchObject({ generation: 1, stale: false })
  const keeper = await world.open()
  await expect
    .poll(async () => {
      // The process without room has its turns as well: it reads, and so it tries.
      world.pass(10 * second)
      await workOnce(keeper)
      return world.sends('work').length
    }, patience)
    .toBe(sends)
  await expect.poll(async () => (await keeper.show('work')).generation, patience).toBe(2)
  expect(await world.verdict(keeper, 'work')).toMatchObject({ state: 'alive', familyKill: undefined })
  return keeper
}

describe('F19: a disk that is full', () => {
  test.each<ReplayClass>(['strict', 'last_child_wins'])(
    'under the spool has nothing sent whose answer could be lost, and serving goes on (%s)',
    async (replayClass) => {
      const world = await withShortLog(replayClass)
      const child = await world.start({ wrapped: limited(200) })
      expect(await codeOf(child.call({ do: 'refresh', grant: 'work' }))).toBe('disk_full')
      expect(world.sends('work')).toHaveLength(0)
      const keeper = await expectGoesOn(world, child, 1)
      expect(await keeper.show('work')).toMatchObject({ generation: 2, lastError: undefined })
    },
  )

  test('under the spool keeps no grant from its token that cannot be lost', async () => {
    const world = await withShortLog('non_rotating')
    const child = await world.start({ wrapped: limited(200) })
    expect(await child.call({ do: 'refresh', grant: 'work' })).toMatchObject({ generation: 2 })
    expect(world.sends('work')).toHaveLength(1)
  })

  test.each<ReplayClass>(['strict', 'last_child_wins', 'idempotent', 'fork', 'non_rotating'])(
    'under the store has nothing sent, and serving goes on (%s)',
    async (replayClass) => {
      const { world, keeper } = await prepared(replayClass)
      await longerThan(128, keeper)
      const child = await world.start({ wrapped: limited(128) })
      expect(await codeOf(child.call({ do: 'refresh', grant: 'work' }))).toMatch(
        /^(disk_full|store_unavailable)$/,
      )
      expect(world.sends('work')).toHaveLength(0)
      await expectGoesOn(world, child, 1)
    },
  )

  test.each([
    ['in the spool', 'mid_spool', 'post_receive'],
    ['in the store', 'pre_store_commit', 'pre_commit'],
  ])(
    '%s, once an answer is there, costs nothing: it is stored as soon as there is room',
    async (_name, at, after) => {
      const { world } = await prepared('strict')
      const child = await world.start({ stop: { at, after, how: 'full' } })
      expect(await child.call({ do: 'refresh', grant: 'work' })).toMatchObject({ generation: 2 })
      expect(world.sends('work')).toHaveLength(1)
      const keeper = await world.open()
      expect(await world.verdict(keeper, 'work')).toMatchObject({ state: 'alive', familyKill: undefined })
    },
  )
})

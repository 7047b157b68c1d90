import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { Keeper } from 'evertoken'
import { describe, expect, test } from 'vitest'
import type { FaultProcess } from './processes.ts'
import { minute, newWorld, second, type World, workOnce } from './world.ts'

const patience = { timeout: 15_000, interval: 20 }
const quiescence = 2 * minute

/** A database in use is three files, of which the index of the log is made anew. */
function copyDatabase(from: string, to: string): void {
  for (const end of ['', '-wal', '-shm']) {
    rmSync(to + end, { force: true })
    if (end !== '-shm' && existsSync(from + end)) copyFileSync(from + end, to + end)
  }
}

/** A strict login, and a process on a copy of the file that was made while the first was at work. */
async function copied() {
  const world = await newWorld({ probe: 'introspection' })
  const keeper = await world.open()
  await world.login(keeper, 'work')
  const place = world.place('a')
  if (place.kind !== 'sqlite') throw new Error('not a file')
  const folder = path.join(world.folder, 'copy')
  mkdirSync(folder)
  const file = path.join(folder, 'tokens.db')
  copyDatabase(place.file, file)
  const store = { kind: 'sqlite', file, spool: path.join(folder, 'spool') } as const
  const copy = await world.start({ host: 'copy', store })
  world.pass(49 * minute)
  return { world, keeper, copy }
}

/** It serves what it holds, and sends nothing: not by a worker, not by a reader, not by hand. */
async function expectQuiet(world: World, copy: FaultProcess): Promise<void> {
  expect(await copy.call({ do: 'get', grant: 'work' })).toMatchObject({ generation: 1, stale: false })
  for (const work of [{ do: 'once' } as const, { do: 'refresh', grant: 'work' } as const])
    await expect(copy.call(work)).rejects.toMatchObject({ code: 'store_foreign' })
  world.pass(30 * minute)
  await expect(copy.call({ do: 'get', grant: 'work' })).rejects.toMatchObject({ code: 'store_foreign' })
}

const bySender = (world: World, { name }: FaultProcess) =>
  world.server.truth.filter((fact) => fact.type === 'received' && fact.sender === name)

const stateOf = async (copy: FaultProcess) => (await copy.call({ do: 'show', grant: 'work' })).state

async function expectAlive(world: World, keeper: Keeper): Promise<void> {
  expect(await world.verdict(keeper, 'work')).toMatchObject({ state: 'alive', familyKill: undefined })
  expect(world.server.introspect((await keeper.getToken('work')).value).active).toBe(true)
}

describe('F28: a process on a copy of the store', () => {
  test('serves and sends nothing; once adopted it asks first, and leaves alone what the other has spent', async () => {
    const { world, keeper, copy } = await copied()
    await expectQuiet(world, copy)
    await workOnce(keeper)
    await expect.poll(async () => (await keeper.show('work')).generation, patience).toBe(2)
    expect(await copy.call({ do: 'adopt' })).toBe(1)
    await copy.call({ do: 'once' })
    expect(await stateOf(copy)).toBe('active')
    world.pass(quiescence + 10 * second)
    await copy.call({ do: 'once' })
    await expect.poll(() => stateOf(copy), patience).toBe('reauthorization_required')
    expect(bySender(world, copy)).toEqual([])
    await expectAlive(world, keeper)
  })

  test('once adopted goes on with the login where the other has not used it', async () => {
    const { world, keeper, copy } = await copied()
    await keeper.close()
    expect(await copy.call({ do: 'adopt' })).toBe(1)
    world.pass(quiescence + 10 * second)
    await copy.call({ do: 'once' })
    await expect
      .poll(() => copy.call({ do: 'show', grant: 'work' }), patience)
      .toMatchObject({ state: 'active', generation: 2 })
    expect(bySender(world, copy)).toHaveLength(1)
    const token = await copy.call({ do: 'get', grant: 'work' })
    expect(world.server.introspect(token.value).active).toBe(true)
  })

  test('that was put back in place of the newer one sends nothing, and once adopted asks before it does', async () => {
    const world = await newWorld({ probe: 'introspection' })
    const before = await world.open()
    await world.login(before, 'work')
    const place = world.place('a')
    if (place.kind !== 'sqlite') throw new Error('not a file')
    const backup = path.join(world.folder, 'backup.db')
    copyDatabase(place.file, backup)
    // The counter by which an older file is known moves once a minute.
    world.pass(49 * minute)
    await workOnce(before)
    await expect.poll(async () => (await before.show('work')).generation, patience).toBe(2)
    await before.close()
    copyDatabase(backup, place.file)

    const restored = await world.start()
    await expectQuiet(world, restored)
    expect(world.sends('work')).toHaveLength(1)
    await restored.call({ do: 'adopt' })
    world.pass(quiescence + 10 * second)
    await restored.call({ do: 'once' })
    await expect.poll(() => stateOf(restored), patience).toBe('reauthorization_required')
    // What the backup holds was spent: it is asked about, and not sent, which would have ended the login everywhere.
    expect(bySender(world, restored)).toEqual([])
    expect(world.history('work').ended).toBeUndefined()
  })
})

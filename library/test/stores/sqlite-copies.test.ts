import {
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { newRecord } from '@evertoken/testing/store-contract'
import { describe, expect, test } from 'vitest'
import type { GrantStore } from '../../src/grants/store.ts'
import { refuseNetworkFileSystem } from '../../src/stores/spool/network-file-system.ts'
import { ControlledClock } from '../grants/controlled-clock.ts'
import { answer } from './spool-answers.ts'
import { newStoreFile, openedStore, temporaryFolder } from './sqlite-files.ts'

const add = (store: GrantStore, id: string): Promise<void> =>
  store.update(id, () => ({ result: undefined, record: newRecord(store, id) }))

/** A closed store with a grant, which has had its spool open. */
async function closedStore(): Promise<string> {
  const file = newStoreFile()
  const store = await openedStore(file)
  await add(store, 'a')
  expect(store.foreign).toBeUndefined()
  await store.close()
  return file
}

/** The same store elsewhere, with its key. */
function copied(file: string, change: { spool?: boolean } = {}): string {
  const copy = path.join(temporaryFolder(), 'tokens.db')
  for (const end of ['', '.key']) copyFileSync(file + end, copy + end)
  if (change.spool === true) cpSync(`${file}-spool`, `${copy}-spool`, { recursive: true })
  return copy
}

describe('F28: a store that was copied', () => {
  test.each([[false], [true]])(
    'says so and serves, until it is adopted (with its spool: %s)',
    async (spool) => {
      const file = await closedStore()
      const copy = copied(file, { spool })
      const store = await openedStore(copy)
      expect(store.foreign).toContain(copy)
      expect((await store.read('a'))?.id).toBe('a')
      await expect(store.spool?.ready()).rejects.toMatchObject({
        code: 'spool_unavailable',
        advice: expect.stringContaining('evertoken adopt'),
      })
      expect(await store.spools()).toHaveLength(1)

      await store.adopt()
      expect(store.foreign).toBeUndefined()
      await store.spool?.ready()
      expect((await store.spools()).map(({ id }) => id)).toContain(store.spool?.id)
      await store.close()
      expect((await openedStore(copy)).foreign).toBeUndefined()
      // The one it was copied from is still the one it was.
      expect((await openedStore(file)).foreign).toBeUndefined()
    },
  )

  test('drains nothing and takes nobody for gone before it is adopted', async () => {
    const file = newStoreFile()
    const first = await openedStore(file)
    await add(first, 'a')
    const { owner } = first
    await first.spool?.append(answer(owner, '1'))
    await first.close()
    const store = await openedStore(copied(file, { spool: true }))
    const left = () =>
      store.spool?.remains().flatMap(({ entries }) => entries.map(({ attempt }) => attempt.id))
    expect(left()).toEqual([])
    expect(await store.update('a', (_, { isGone }) => ({ result: isGone(owner) }))).toBe(false)
    await store.adopt()
    expect(left()).toEqual(['1'])
  })

  test('is seen as adopted by a process that has it open', async () => {
    const copy = copied(await closedStore())
    const [running, command] = [await openedStore(copy), await openedStore(copy)]
    expect(running.foreign).toContain(copy)
    await command.adopt()
    expect(running.foreign).toBeUndefined()
    await running.spool?.ready()
  })

  test('is adopted by each of its hosts, and none makes a stranger of another', async () => {
    const copy = copied(await closedStore())
    const host = (name: string) => openedStore(copy, { spool: path.join(path.dirname(copy), name) })
    const [a, b] = [await host('a'), await host('b')]
    expect([a.foreign, b.foreign]).toEqual([expect.any(String), expect.any(String)])
    await a.adopt()
    await b.adopt()
    for (const store of [a, b, await host('a'), await host('b')]) {
      expect(store.foreign).toBeUndefined()
      await store.spool?.ready()
    }
  })

  test('is told as a copy also where it took the place of the first', async () => {
    const file = await closedStore()
    const backup = copied(file)
    rmSync(file)
    renameSync(backup, file)
    for (const end of ['-wal', '-shm']) rmSync(file + end, { force: true })
    expect((await openedStore(file)).foreign).toContain('is a copy')
  })

  test('into the very same file is told by what the spool knows to be newer', async () => {
    const file = newStoreFile()
    const clock = new ControlledClock()
    const store = await openedStore(file, { clock })
    await add(store, 'a')
    await store.close()
    const backup = copied(file)
    const later = await openedStore(file, { clock })
    await add(later, 'b')
    await later.close()
    // As `cp` does it: the file stays, its content is that of the backup.
    copyFileSync(backup, file)
    const restored = await openedStore(file, { clock })
    expect(restored.foreign).toContain('restored from a backup')
    expect(await restored.read('b')).toBeUndefined()
    await restored.adopt()
    await restored.close()
    expect((await openedStore(file, { clock })).foreign).toBeUndefined()
  })

  test('by a process that went on for more than a minute is told too', async () => {
    const file = newStoreFile()
    const clock = new ControlledClock()
    const store = await openedStore(file, { clock })
    await add(store, 'a')
    const checkpointed = copied(file)
    // What stands in the write-ahead log belongs to the copy.
    for (const end of ['-wal']) if (existsSync(file + end)) copyFileSync(file + end, checkpointed + end)
    await clock.advance(61_000)
    await add(store, 'b')
    await store.close()
    const wal = existsSync(`${checkpointed}-wal`)
    copyFileSync(checkpointed, file)
    if (wal) copyFileSync(`${checkpointed}-wal`, `${file}-wal`)
    const restored = await openedStore(file, { clock })
    expect(await restored.read('b')).toBeUndefined()
    expect(restored.foreign).toContain('restored from a backup')
  })
})

describe('a store is no copy', () => {
  test('after it was moved within its file system, with its spool or without', async () => {
    const file = await closedStore()
    const moved = path.join(path.dirname(file), 'moved.db')
    for (const end of ['', '.key']) renameSync(file + end, moved + end)
    const store = await openedStore(moved)
    expect(store.foreign).toBeUndefined()
    await store.close()
    const again = path.join(path.dirname(file), 'again.db')
    for (const end of ['', '.key', '-spool']) renameSync(moved + end, again + end)
    expect((await openedStore(again)).foreign).toBeUndefined()
  })

  test('under another name for the same file', async () => {
    const file = await closedStore()
    const link = path.join(path.dirname(file), 'link.db')
    linkSync(file, link)
    copyFileSync(`${file}.key`, `${link}.key`)
    expect((await openedStore(link)).foreign).toBeUndefined()
  })

  test('after the machine has started anew, when devices have other numbers', async () => {
    const file = newStoreFile()
    const store = await openedStore(file, { clock: new ControlledClock() })
    await add(store, 'a')
    await store.close()
    const { DatabaseSync } = await import('node:sqlite')
    const database = new DatabaseSync(file)
    database.exec(`UPDATE store SET value = json_set(value, '$.device', '77') WHERE name = 'file'`)
    database.close()
    expect((await openedStore(file, { clock: new ControlledClock() })).foreign).toContain('is a copy')
    const after = new ControlledClock()
    after.bootId = 'boot-2'
    expect((await openedStore(file, { clock: after })).foreign).toBeUndefined()
  })

  test('while many processes open it at once', async () => {
    const file = await closedStore()
    const stores = await Promise.all(Array.from({ length: 6 }, () => openedStore(file)))
    await Promise.all(stores.map((store) => add(store, store.owner)))
    for (const store of stores) expect(store.foreign).toBeUndefined()
  })
})

describe('a spool that does not belong to the store', () => {
  test('of another store sends nothing, and its files stay as they are', async () => {
    const [file, other] = [await closedStore(), newStoreFile()]
    const left = await openedStore(other)
    await left.spool?.append(answer(left.owner, '1'))
    const { owner } = left
    await left.close()
    rmSync(`${file}-spool`, { recursive: true })
    renameSync(`${other}-spool`, `${file}-spool`)
    const store = await openedStore(file)
    expect(store.foreign).toContain('belongs to another store')
    expect(store.spool?.remains()).toEqual([])
    expect(existsSync(path.join(`${file}-spool`, `${owner}.spool`))).toBe(true)
  })

  test('is accepted by a process that has it open once another has adopted it', async () => {
    const file = await closedStore()
    writeFileSync(path.join(`${file}-spool`, 'marker.json'), '{}')
    const [running, command] = [await openedStore(file), await openedStore(file)]
    expect(running.foreign).toContain('cannot be read')
    const { owner } = running
    await command.adopt()
    expect(running.foreign).toBeUndefined()
    expect(running.owner).toBe(owner)
    expect(running.spool?.id).toBe(command.spool?.id)
    await running.spool?.ready()
  })

  test('whose marker is garbage sends nothing until it is adopted', async () => {
    const file = await closedStore()
    for (const garbage of ['', '{', 'null', '[]', '{"spoolId": 5}']) {
      writeFileSync(path.join(`${file}-spool`, 'marker.json'), garbage)
      const store = await openedStore(file)
      expect([garbage, store.foreign]).toEqual([garbage, expect.stringContaining('cannot be read')])
      await store.adopt()
      expect(store.foreign).toBeUndefined()
      await store.close()
    }
  })

  test('because its folder cannot be made refuses answers, and the store serves', async () => {
    const file = await closedStore()
    rmSync(`${file}-spool`, { recursive: true })
    writeFileSync(`${file}-spool`, 'in the way')
    const store = await openedStore(file)
    expect((await store.read('a'))?.id).toBe('a')
    await add(store, 'b')
    expect(() => store.spool).toThrow(expect.objectContaining({ code: 'spool_unavailable' }))
    expect(store.foreign).toBeUndefined()
    rmSync(`${file}-spool`)
    await store.spool?.ready()
  })
})

describe('a network file system', () => {
  const mounts = (type: string) =>
    `22 1 8:1 / / rw - ext4 /dev/vda rw\n40 22 0:50 / /mnt/with\\040space rw - ${type} x rw\n`
  const refused = (type: number, fuse = 'fuse') => {
    try {
      refuseNetworkFileSystem('/mnt/with space/data', { type: () => type, mounts: () => mounts(fuse) })
      return undefined
    } catch (error) {
      return error
    }
  }

  test.runIf(process.platform === 'linux').each([
    ['NFS', 0x6969],
    ['SMB', 0x517b],
    ['SMB', 0xfe534d42 | 0],
    ['CIFS', 0xff534d42],
  ])('is refused: %s', (name, type) => {
    expect(refused(type)).toMatchObject({
      code: 'store_unavailable',
      message: `/mnt/with space/data is on a network file system (${name})`,
      advice: expect.stringContaining('PostgreSQL'),
    })
  })

  test.runIf(process.platform === 'linux')('is told from a local one where both are FUSE', () => {
    const fuse = 0x65735546
    expect(refused(fuse, 'fuse.sshfs')).toMatchObject({ code: 'store_unavailable' })
    expect(refused(fuse, 'fuse.gocryptfs')).toBeUndefined()
    expect(refused(fuse, 'virtiofs')).toBeUndefined()
  })

  test('is not what this test runs on, and a system that cannot say is not refused', () => {
    mkdirSync(path.join(temporaryFolder(), 'x'))
    expect(refused(0xef53)).toBeUndefined()
    expect(() =>
      refuseNetworkFileSystem('/x', {
        type: () => {
          throw new Error('no')
        },
        mounts: () => '',
      }),
    ).not.toThrow()
  })
})

import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { fullRecord, newRecord, plain } from '@evertoken/testing/store-contract'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { claim } from '../../src/grants/claim.ts'
import { type GrantRecord, ownToken } from '../../src/grants/grant.ts'
import type { GrantStore } from '../../src/grants/store.ts'
import { defaultTiming } from '../../src/grants/timing.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { newMasterKey, readKeyFile, sqliteStore, writeKeyFile } from '../../src/stores/sqlite/store.ts'
import { ControlledClock } from '../grants/controlled-clock.ts'
import { dueIds } from './due.ts'
import { newStoreFile, openedStore, temporaryFolder } from './sqlite-files.ts'

const put = (store: GrantStore, record: GrantRecord): Promise<void> =>
  store.update(record.id, () => ({ result: undefined, record }))
const sum = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex')
const mode = (file: string): number => statSync(file).mode & 0o777
const opening = (file: string, options?: Parameters<typeof sqliteStore>[1]): Promise<GrantStore> =>
  sqliteStore(file, options).open()

/** A store with one grant, closed. */
async function closedStore(): Promise<string> {
  const file = newStoreFile()
  const store = await opening(file)
  await put(store, newRecord(store, 'a'))
  await store.close()
  return file
}

/** Something happens to a closed store's file. */
function inFile(file: string, sql: string): void {
  const database = new DatabaseSync(file)
  database.exec(sql)
  database.close()
}

test('everything is there again after closing and opening', async () => {
  const file = newStoreFile()
  const store = await opening(file)
  const record = fullRecord(store, 'a')
  await put(store, record)
  const place = { grant: 'a', field: 'refresh_token' } as const
  const box = store.seal.seal('refresh-1', { ...place, fence: 1 })
  await store.putConsent({ stateHash: 's', grant: 'a', sealed: box, expiresAt: Date.now() + 60_000 })
  await store.putApiKey({ id: 'k', label: 'l', rights: 'read', hash: 'h', createdAt: 5 })
  const { storeId } = store
  const { at } = store.time()
  await store.close()

  const again = await openedStore(file)
  expect(again.storeId).toBe(storeId)
  expect(plain(await again.read('a'))).toEqual(plain(record))
  expect(again.seal.open(box, place)).toBe('refresh-1')
  expect((await again.takeConsent('s'))?.grant).toBe('a')
  expect((await again.findApiKey('k'))?.hash).toBe('h')
  expect(again.time().at).toBeGreaterThanOrEqual(at)
  expect(again.location).toBe(file)
})

test('a missing folder is made, and nobody else may read what is in it', async () => {
  const folder = path.join(temporaryFolder(), 'a', 'b')
  const file = path.join(folder, 'tokens.db')
  const made: string[] = []
  const store = await openedStore(file, { onKeyCreated: (key) => made.push(key) })
  await put(store, newRecord(store, 'a', { lease: { owner: store.owner, until: 1, boot: 'b' } }))
  expect(made).toEqual([`${file}.key`])
  expect(mode(folder)).toBe(0o700)
  expect(mode(`${file}-spool`)).toBe(0o700)
  for (const end of ['', '-wal', '-shm', '.key']) expect([end, mode(file + end)]).toEqual([end, 0o600])
  await store.close()
  await openedStore(file, { onKeyCreated: (key) => made.push(key) })
  expect(made).toHaveLength(1)
})

test('writes what the store in memory would hold, whatever happens to a grant', async () => {
  const sqlite = await openedStore(newStoreFile())
  const memory = await memoryStore({ ephemeral: true }).open()
  const full = fullRecord(sqlite, 'x')
  const bare = newRecord(sqlite, 'x')
  const part = fc.constantFrom(...(Object.keys({ ...full, ...bare }) as (keyof GrantRecord)[]))
  const change = fc.oneof(
    { weight: 9, arbitrary: fc.record({ part, from: fc.constantFrom(full, bare) }) },
    { weight: 1, arbitrary: fc.constant('remove' as const) },
  )
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 20 }), async (changes) => {
      run += 1
      const id = `run-${run}`
      for (const each of changes) {
        for (const store of [sqlite, memory])
          await store.update(id, (record) => {
            if (each === 'remove') return { result: undefined, record: null }
            const before = record ?? { ...bare, id }
            return { result: undefined, record: { ...before, [each.part]: each.from[each.part], id } }
          })
        expect(plain(await sqlite.read(id))).toEqual(plain(await memory.read(id)))
      }
    }),
    { numRuns: 60 },
  )
})

test('a store of the first evertoken gets what it lacks when it is opened, and keeps what it has', async () => {
  const file = newStoreFile()
  const before = await openedStore(file)
  const record = newRecord(before, 'a')
  await put(before, record)
  await before.close()
  asOfTheFirst(file)
  const store = await openedStore(file)
  expect(plain(await store.read('a'))).toEqual(plain(record))
  const proofKey = new TextEncoder().encode('key')
  await put(store, { ...record, proofKey })
  expect(Buffer.from((await store.read('a'))?.proofKey ?? []).toString()).toBe('key')
})

test('what a process of the first evertoken writes, that had the store open when it got the rest, is told to readers too', async () => {
  const file = await closedStore()
  asOfTheFirst(file)
  const first = new DatabaseSync(file)
  onTestFinished(() => first.close())
  const pause = first.prepare('UPDATE grants SET status = ? WHERE id = ?')
  pause.run('{"state":"active"}', 'a')
  const store = await openedStore(file)
  const version = store.version() as number
  pause.run('{"state":"paused"}', 'a')
  expect(store.version()).not.toBe(version)
  expect(store.changedSince?.(version)).toEqual(['a'])
})

/** Takes away what later migrations brought. */
function asOfTheFirst(file: string): void {
  const triggers = [
    'grant_added',
    'grant_changed',
    'grant_removed',
    'grant_claimed',
    'token_added',
    'token_changed',
    'token_removed',
  ]
  inFile(
    file,
    `${triggers.map((name) => `DROP TRIGGER ${name};`).join(' ')} DROP TABLE changes;
     ALTER TABLE grants DROP COLUMN proof_key; DELETE FROM migrations WHERE number > 1`,
  )
}

describe('a file that is not ours', () => {
  test('of a newer evertoken is refused and stays as it is', async () => {
    const file = await closedStore()
    inFile(file, "INSERT INTO migrations VALUES (99, 'later', 'x')")
    const before = sum(file)
    await expect(opening(file)).rejects.toMatchObject({
      code: 'store_newer',
      message: expect.stringContaining('newer evertoken'),
    })
    expect(sum(file)).toBe(before)
  })

  test('with a migration that we do not know is damaged and stays as it is', async () => {
    const file = await closedStore()
    inFile(file, "UPDATE migrations SET checksum = 'tampered' WHERE number = 1")
    const before = sum(file)
    await expect(opening(file)).rejects.toMatchObject({
      code: 'store_damaged',
      message: expect.stringContaining('its migration 1'),
    })
    expect(sum(file)).toBe(before)
  })

  test('that is no database is damaged and stays as it is', async () => {
    const file = newStoreFile()
    writeFileSync(
      file,
      'this is a letter, and not a database at all, however long one looks at it\n'.repeat(20),
    )
    const before = sum(file)
    await expect(opening(file)).rejects.toMatchObject({ code: 'store_damaged' })
    expect(sum(file)).toBe(before)
  })

  test('that is a folder cannot be opened', async () => {
    const file = newStoreFile()
    mkdirSync(file)
    await expect(opening(file)).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  test('below a file cannot be opened', async () => {
    const file = newStoreFile()
    writeFileSync(file, '')
    await expect(opening(path.join(file, 'tokens.db'))).rejects.toMatchObject({
      code: expect.stringMatching(/^store_/),
    })
  })

  // Root may write anywhere, so there is nothing to see then.
  test.skipIf(process.getuid?.() === 0)('in a folder where we may not write cannot be opened', async () => {
    const folder = temporaryFolder()
    chmodSync(folder, 0o500)
    await expect(opening(path.join(folder, 'tokens.db'))).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  test('but another program’s SQLite database is left alone', async () => {
    const file = newStoreFile()
    inFile(file, 'CREATE TABLE migrations (version TEXT); CREATE TABLE orders (id INTEGER)')
    const before = sum(file)
    await expect(opening(file)).rejects.toMatchObject({
      code: 'store_unavailable',
      message: `${file} is the database of another program`,
    })
    expect(sum(file)).toBe(before)
    expect(existsSync(`${file}.key`)).toBe(false)
  })
})

describe('the key file', () => {
  test('of another store is refused', async () => {
    const file = await closedStore()
    rmSync(`${file}.key`)
    writeKeyFile(`${file}.key`, newMasterKey())
    await expect(opening(file)).rejects.toMatchObject({ code: 'wrong_encryption_key', file: `${file}.key` })
  })

  test('that is missing from a store which has one is not made anew', async () => {
    const file = await closedStore()
    rmSync(`${file}.key`)
    await expect(opening(file)).rejects.toMatchObject({
      code: 'wrong_encryption_key',
      message: expect.stringContaining('is missing'),
    })
    expect(existsSync(`${file}.key`)).toBe(false)
  })

  test('that others may read is refused, and the advice mends it', async () => {
    const file = await closedStore()
    chmodSync(`${file}.key`, 0o644)
    await expect(opening(file)).rejects.toMatchObject({
      code: 'key_file_too_open',
      message: expect.stringContaining('0644'),
      advice: `chmod 600 ${file}.key`,
    })
    chmodSync(`${file}.key`, 0o600)
    await openedStore(file)
  })

  test.each([
    ['', 'empty_secret'],
    ['\n', 'empty_secret'],
    ['short', 'key_file_unreadable'],
  ])('that holds %j is refused, and the error names the file', async (content, code) => {
    const file = newStoreFile()
    writeFileSync(`${file}.key`, content, { mode: 0o600 })
    await expect(opening(file)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(`${file}.key`),
    })
  })

  test('is written once: a second writer is told so and the first key stays', () => {
    const file = path.join(temporaryFolder(), 'deep', 'master.key')
    const key = newMasterKey()
    expect(writeKeyFile(file, key)).toBe(true)
    expect(writeKeyFile(file, newMasterKey())).toBe(false)
    expect(readKeyFile(file).reveal()).toBe(key.reveal())
    expect(mode(file)).toBe(0o600)
  })

  test('is never shown in an error', async () => {
    const file = await closedStore()
    const text = newMasterKey().reveal()
    writeFileSync(`${file}.key`, `${text}!!!!!!`)
    const error = await opening(file).then(
      () => undefined,
      (reason: Error) => reason,
    )
    expect(error).toMatchObject({ code: expect.stringMatching(/key/) })
    expect(`${error?.stack} ${JSON.stringify(error)}`).not.toContain(text)
  })

  test('may be several: the first seals, each opens what it sealed', async () => {
    const file = newStoreFile()
    const folder = path.dirname(file)
    const [old, fresh] = [
      { id: 'old', file: path.join(folder, 'old') },
      { id: 'new', file: path.join(folder, 'new') },
    ]
    const place = { grant: 'a', field: 'definition' } as const
    const first = await opening(file, { keys: [old] })
    const box = first.seal.seal('text', { ...place, fence: 1 })
    await first.close()
    const both = await opening(file, { keys: [fresh, old] })
    expect(both.seal.open(box, place)).toBe('text')
    const later = both.seal.seal('later', { ...place, fence: 1 })
    await both.close()
    const last = await openedStore(file, { keys: [fresh] })
    expect(last.seal.open(later, place)).toBe('later')
    expect(() => last.seal.open(box, place)).toThrow(
      expect.objectContaining({ code: 'wrong_encryption_key' }),
    )
  })
})

describe('the clock of the store', () => {
  test('begins with UTC, runs with the boot clock, and nobody’s setting of the time moves it', async () => {
    const file = newStoreFile()
    const clock = new ControlledClock()
    const first = await openedStore(file, { clock })
    expect(first.time()).toEqual({ at: clock.now(), boot: 'boot-1' })
    await clock.advance(1000)
    clock.setUtc(-3_600_000)
    const expected = clock.now() + 3_600_000
    expect(first.time().at).toBe(expected)
    expect((await openedStore(file, { clock })).time().at).toBe(expected)
    clock.suspend(7_200_000)
    expect(first.time().at).toBe(expected + 7_200_000)
  })

  test('goes on after a restart of the machine', async () => {
    const file = newStoreFile()
    const before = new ControlledClock()
    const store = await opening(file, { clock: before })
    const { at } = store.time()
    await put(
      store,
      newRecord(store, 'a', { schedule: { dueAt: at + 60_000, backoffUntil: 0, failures: 0 } }),
    )
    await store.close()

    const after = new ControlledClock(before.now() + 59_000)
    after.bootId = 'boot-2'
    const again = await openedStore(file, { clock: after })
    expect(again.time()).toEqual({ at: at + 59_000, boot: 'boot-2' })
    expect(await dueIds(again, 1)).toEqual([])
    await after.advance(1000)
    expect(await dueIds(again, 1)).toEqual(['a'])
  })

  test('after a restart of the machine lets go of what was held before it', async () => {
    const file = newStoreFile()
    const before = new ControlledClock()
    const claimed = (store: GrantStore, clock: ControlledClock): Promise<string> =>
      store.update('a', (record, moment) => {
        const by = {
          owner: store.owner,
          attemptId: store.owner,
          spool: '',
          utc: clock.now(),
          timing: defaultTiming,
        }
        const { result, ...change } = claim(record, { kind: 'manual', key: ownToken }, by, moment)
        return { result: result.kind, ...change }
      })
    const first = await openedStore(file, { clock: before })
    await put(first, newRecord(first, 'a'))
    expect(await claimed(first, before)).toBe('claimed')
    expect(await claimed(await openedStore(file, { clock: before }), before)).toBe('held')
    const after = new ControlledClock(before.now())
    after.bootId = 'boot-2'
    expect(await claimed(await openedStore(file, { clock: after }), after)).toBe('claimed')
  })
})

/** A store, and the handle on its database that it keeps to itself. */
async function storeWithHandle(): Promise<{ store: GrantStore; database: DatabaseSync }> {
  const handles: DatabaseSync[] = []
  const exec = DatabaseSync.prototype.exec
  const spy = vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(function (this: DatabaseSync, sql) {
    if (sql.includes('journal_mode')) handles.push(this)
    return exec.call(this, sql)
  })
  onTestFinished(() => spy.mockRestore())
  const store = await openedStore(newStoreFile())
  return { store, database: handles[0] as DatabaseSync }
}

test('a commit is on the disk before it counts, and rows go with their grant', async () => {
  const { database } = await storeWithHandle()
  const setting = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]
  expect([setting('journal_mode'), setting('synchronous'), setting('foreign_keys')]).toEqual(['wal', 2, 1])
})

test('a change that waits for another process’s transaction keeps nothing else in its own process waiting', async () => {
  const file = newStoreFile()
  const store = await openedStore(file)
  // The first change of a process also takes its place in the spool, and waits for that as SQLite waits.
  await put(store, newRecord(store, 'first'))
  const other = new DatabaseSync(file)
  other.exec('BEGIN IMMEDIATE')
  const began = performance.now()
  const changes = put(store, newRecord(store, 'a'))
  await sleep(100)
  const more = put(store, newRecord(store, 'b'))
  expect(await Promise.race([changes.then(() => 'done'), sleep(100, 'waiting')])).toBe('waiting')
  // SQLite itself would have waited for five seconds, and nothing else would have gone on.
  expect(performance.now() - began).toBeLessThan(4_000)
  other.exec('COMMIT')
  other.close()
  await Promise.all([changes, more])
  expect((await store.list()).map(({ id }) => id)).toEqual(['a', 'b', 'first'])
})

test('goes on after a change that the database refused', async () => {
  const store = await openedStore(newStoreFile())
  const orphan = { stateHash: 's', grant: 'nobody', sealed: new Uint8Array(), expiresAt: Date.now() + 1000 }
  await expect(store.putConsent(orphan)).rejects.toMatchObject({ code: 'store_unavailable' })
  await put(store, newRecord(store, 'a'))
  expect((await store.read('a'))?.id).toBe('a')
})

describe('a full disk', () => {
  /** Told to grow no more, SQLite answers as it does on a full disk. */
  async function fillable() {
    const { store, database } = await storeWithHandle()
    const grow = (pages: number) => database.exec(`PRAGMA max_page_count = ${pages}`)
    return { store, fill: () => grow(1), empty: () => grow(100_000) }
  }
  const large = { definition: new Uint8Array(100_000) }

  test('is said as such; nothing is lost, everything is still read, and it goes on once there is room', async () => {
    const { store, fill, empty } = await fillable()
    const before = fullRecord(store, 'a')
    await put(store, before)
    fill()
    const [change, other] = await Promise.allSettled([
      put(store, { ...before, ...large, fence: 99 }),
      put(store, newRecord(store, 'b', large)),
    ])
    for (const outcome of [change, other])
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { code: 'disk_full', advice: expect.stringContaining('Make room') },
      })
    expect(plain(await store.read('a'))).toEqual(plain(before))
    expect(await store.read('b')).toBeUndefined()
    expect(await dueIds(store, 10)).toEqual([])
    empty()
    await put(store, { ...before, ...large, fence: 99 })
    expect((await store.read('a'))?.fence).toBe(99)
  })
})

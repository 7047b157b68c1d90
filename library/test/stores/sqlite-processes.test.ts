import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { newRecord } from '@evertoken/testing/store-contract'
import { describe, expect, test } from 'vitest'
import { type Child, type Surroundings, startChild } from './child.ts'
import { dueIds } from './due.ts'
import { newStoreFile, openedStore } from './sqlite-files.ts'
import type { Opened, Task } from './sqlite-process.ts'

const start = (task: Task, around?: Surroundings): Child =>
  startChild(new URL('./sqlite-process.ts', import.meta.url), task, around)

const mayContain = spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0

// SQLite does not wait for the lock while one switches a new file to WAL: one start in fifty failed as "locked".
test('eight processes that open a new store at once agree on one store and one key', async () => {
  const file = newStoreFile()
  const children = Array.from({ length: 8 }, () => start({ kind: 'open', file }))
  await Promise.all(children.map((child) => child.said()))
  for (const child of children) child.tell('go')
  const opened = await Promise.all(children.map((child) => child.said<Opened>()))
  expect(await Promise.all(children.map((child) => child.gone))).toEqual(Array(8).fill(0))
  expect(new Set(opened.map(({ storeId }) => storeId)).size).toBe(1)
  expect(new Set(opened.map(({ fingerprint }) => fingerprint)).size).toBe(1)
  const store = await openedStore(file)
  expect({ storeId: store.storeId, fingerprint: store.seal.fingerprint('text') }).toEqual(opened[0])
  expect(readFileSync(`${file}.key`, 'utf8')).toMatch(/^[\w-]{43}\n$/)
})

test('of a thousand increments by eight processes at once none is lost', async () => {
  const file = newStoreFile()
  const store = await openedStore(file)
  await store.update('a', () => ({ result: undefined, record: newRecord(store, 'a', { fence: 0 }) }))
  const children = Array.from({ length: 8 }, () => start({ kind: 'increment', file, id: 'a', times: 125 }))
  await Promise.all(children.map((child) => child.said()))
  for (const child of children) child.tell('go')
  await Promise.all(children.map((child) => child.said()))
  expect((await store.read('a'))?.fence).toBe(1000)
})

describe('whoever holds a grant', () => {
  async function holding(around?: Surroundings) {
    const file = newStoreFile()
    const store = await openedStore(file)
    const child = start({ kind: 'hold', file, id: 'a' }, around)
    const { owner } = await child.said<{ owner: string }>()
    const isGone = (): Promise<boolean> =>
      store.update('a', (_, moment) => ({ result: moment.isGone(owner) }))
    return { file, store, child, owner, isGone }
  }

  test('is alive while it runs, and while it is stopped', async () => {
    const { store, child, isGone } = await holding()
    expect(await isGone()).toBe(false)
    child.kill('SIGSTOP')
    expect(await isGone()).toBe(false)
    expect(await dueIds(store, 10)).toEqual([])
  })

  test('is dead the moment it was killed, and its grant is due at once', async () => {
    const { store, child, isGone } = await holding()
    expect(await dueIds(store, 10)).toEqual([])
    child.kill('SIGKILL')
    await child.gone
    expect(await isGone()).toBe(true)
    expect(await dueIds(store, 10)).toEqual(['a'])
    expect((await store.read('a'))?.lease).toBeUndefined()
  })

  test('is dead when it was killed while stopped', async () => {
    const { child, isGone } = await holding()
    child.kill('SIGSTOP')
    child.kill('SIGKILL')
    await child.gone
    expect(await isGone()).toBe(true)
  })

  // Numbers of processes mean nothing there: both sides may have the same.
  test.skipIf(!mayContain)(
    'is seen to live and to die from outside its container (needs unshare)',
    async () => {
      const { store, child, isGone } = await holding({ contained: true })
      expect(await isGone()).toBe(false)
      expect(await dueIds(store, 10)).toEqual([])
      child.kill('SIGKILL')
      await child.gone
      await expect.poll(isGone).toBe(true)
      expect(await dueIds(store, 10)).toEqual(['a'])
    },
  )

  test('is not dead to a store of another file, which knows nothing of it', async () => {
    const { child, owner } = await holding()
    child.kill('SIGKILL')
    await child.gone
    const other = await openedStore(newStoreFile())
    expect(await other.update('a', (_, moment) => ({ result: moment.isGone(owner) }))).toBe(false)
  })

  test('leaves a lock file that is swept away once it is old and nobody is named in it', async () => {
    const { file, store, child, owner } = await holding()
    const lock = `owner-${owner}.lock`
    child.kill('SIGKILL')
    await child.gone
    const past = new Date(Date.now() - 120_000)
    utimesSync(`${file}-spool/${lock}`, past, past)
    await dueIds(store, 10)
    expect(readdirSync(`${file}-spool`)).not.toContain(lock)
  })
})

test('two stores in one process are two owners, each alive to the other until it closes', async () => {
  const file = newStoreFile()
  const [first, second] = [await openedStore(file), await openedStore(file)]
  const { owner } = first
  const isGone = () => second.update('a', (_, moment) => ({ result: moment.isGone(owner) }))
  expect(await isGone()).toBe(false)
  expect(second.owner).not.toBe(owner)
  await first.close()
  // A released owner leaves nothing behind: nobody can tell, and its leases run out.
  expect(await isGone()).toBe(false)
  expect(readdirSync(`${file}-spool`)).toEqual(['marker.json', `owner-${second.owner}.lock`])
})

// Opening the file by other means than SQLite's, to set its mode, let go of the lock that the first store held (POSIX):
// to another process the file looked as if nobody had it open, and an older SQLite there rebuilt it under the store.
test.runIf(process.platform === 'linux')(
  'a second store in one process does not cost the first its lock',
  async () => {
    const file = newStoreFile()
    const locks = () => {
      const { ino } = statSync(file)
      return readFileSync('/proc/locks', 'utf8')
        .split('\n')
        .filter((line) => line.includes(`:${ino} `) && line.includes(` ${process.pid} `))
        .map((line) => line.split(/\s+/)[3])
    }
    const first = await openedStore(file)
    await first.update('a', () => ({ result: undefined, record: newRecord(first, 'a') }))
    expect(locks()).toEqual(['READ'])
    const second = await openedStore(file)
    expect((await second.read('a'))?.fence).toBe(1)
    expect(locks()).toEqual(['READ'])
  },
)

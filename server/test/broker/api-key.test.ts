import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { type GrantStore, memoryStore } from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ApiKeys, createApiKey, ensureKeyFile } from '../../src/broker/api-key.ts'

const admin = { label: 'admin', rights: 'administer' } as const

async function openStore(): Promise<GrantStore> {
  const store = await memoryStore({ ephemeral: true }).open()
  onTestFinished(() => store.close())
  return store
}

function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'evertoken-key-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

describe('an API key', () => {
  test('is known by its id and stored as the hash of its secret', async () => {
    const store = await openStore()
    const text = (await createApiKey(store, { label: 'cron', rights: 'read' })).reveal()
    const [, id, secret] = /^evt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})_[0-9a-f]{8}$/.exec(text) ?? []
    expect(await store.findApiKey(id!)).toEqual({
      id,
      label: 'cron',
      rights: 'read',
      hash: createHash('sha256').update(secret!).digest('hex'),
      createdAt: expect.any(Number),
    })
  })

  test('is nowhere in the files of a store', async () => {
    const folder = temporaryFolder()
    const store = await sqliteStore(path.join(folder, 'tokens.db')).open()
    const text = (await createApiKey(store, admin)).reveal()
    const secret = text.slice(21, 64)
    for (const file of fs.readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (file.isFile())
        expect(fs.readFileSync(path.join(file.parentPath, file.name)).includes(secret), file.name).toBe(false)
    await store.close()
  })

  test('does not print itself', async () => {
    const key = await createApiKey(await openStore(), admin)
    expect(`${key} ${JSON.stringify({ key })}`).toBe('[secret] {"key":"[secret]"}')
  })

  test('is never the same twice', async () => {
    const store = await openStore()
    const texts = await Promise.all(Array.from({ length: 50 }, () => createApiKey(store, admin)))
    expect(new Set(texts.map((text) => text.reveal().slice(4, 20))).size).toBe(50)
    expect(new Set(texts.map((text) => text.reveal().slice(21, 64))).size).toBe(50)
  })
})

describe('verifying', () => {
  /** A store that counts how often it is asked, and a clock that stands until it is moved. */
  async function verified() {
    const store = await openStore()
    const clock = { at: 1_000_000, asked: 0 }
    const keys = new ApiKeys(
      {
        findApiKey: (id) => {
          clock.asked += 1
          return store.findApiKey(id)
        },
      },
      () => clock.at,
      1_000,
    )
    return { store, clock, keys }
  }

  test('asks the store once in a second, and answers at once in between', async () => {
    const { store, clock, keys } = await verified()
    const text = (await createApiKey(store, admin)).reveal()
    expect(keys.verify(text)).toBeInstanceOf(Promise)
    expect(await keys.verify(text)).toMatchObject({ label: 'admin', rights: 'administer' })
    clock.asked = 0
    clock.at += 999
    expect(keys.verify(text)).toMatchObject({ label: 'admin' })
    expect(clock.asked).toBe(0)
    clock.at += 1
    expect(keys.verify(text)).toBeInstanceOf(Promise)
    expect(clock.asked).toBe(1)
  })

  test('sees within a second that a key has other rights now', async () => {
    const { store, clock, keys } = await verified()
    const text = (await createApiKey(store, admin)).reveal()
    await keys.verify(text)
    const known = await store.findApiKey(text.slice(4, 20))
    await store.putApiKey({ ...known!, rights: 'read' })
    clock.at += 1_000
    expect(await keys.verify(text)).toMatchObject({ rights: 'read' })
  })

  test('asks the store again when the clock was set back', async () => {
    const { store, clock, keys } = await verified()
    const text = (await createApiKey(store, admin)).reveal()
    await keys.verify(text)
    clock.at -= 1
    expect(keys.verify(text)).toBeInstanceOf(Promise)
  })

  test('asks no store about a text that is no key', async () => {
    const { store, clock, keys } = await verified()
    const text = (await createApiKey(store, admin)).reveal()
    const noKeys = ['', 'x', text.slice(1), `${text}0`, text.replace(/.$/, 'g'), 'evt_'.repeat(5_000)]
    expect(noKeys.map((noKey) => keys.verify(noKey))).toEqual(noKeys.map(() => undefined))
    expect(clock.asked).toBe(0)
  })

  /** A key of its own making: whoever knows an id can work out a checksum. */
  const forged = (id: string, secret: string): string => {
    const text = `evt_${id}_${secret}`
    return `${text}_${crc32(text).toString(16).padStart(8, '0')}`
  }

  test('a wrong secret does not make a key known, nor a right one unknown', async () => {
    const { store, clock, keys } = await verified()
    const text = (await createApiKey(store, admin)).reveal()
    const other = (await createApiKey(store, admin)).reveal()
    const wrong = forged(text.slice(4, 20), other.slice(21, 64))
    expect(await keys.verify(wrong)).toBeUndefined()
    expect(await keys.verify(text)).toMatchObject({ rights: 'administer' })
    clock.at += 10
    // From memory, as a right one is.
    expect(keys.verify(wrong)).toBeUndefined()
    expect(keys.verify(wrong.slice(0, 64) + text.slice(64))).toBeUndefined()
    expect(keys.verify(`${text.slice(0, -8)}00000000`)).toBeUndefined()
    expect(keys.verify(`evT${text.slice(3)}`)).toBeUndefined()
    expect(keys.verify(`${text.slice(0, 20)}-${text.slice(21)}`)).toBeUndefined()
    expect(keys.verify(text)).toMatchObject({ rights: 'administer' })
  })

  test('an id that there is not opens nothing, nor does a hash in the store that is none', async () => {
    const { store, keys } = await verified()
    const text = (await createApiKey(store, admin)).reveal()
    const [id, secret] = [text.slice(4, 20), text.slice(21, 64)]
    expect(await keys.verify(forged('0123456789abcdef', secret))).toBeUndefined()
    await store.putApiKey({ ...admin, id, hash: 'ab', createdAt: 0 })
    expect(await keys.verify(text)).toBeUndefined()
  })
})

describe('the file of a key', () => {
  test('is made with the key when it is not there, for its owner alone', async () => {
    const store = await openStore()
    const file = path.join(temporaryFolder(), 'data', 'admin.key')
    const { key, created } = await ensureKeyFile(store, file, admin)
    expect(created).toBe(true)
    expect(fs.readFileSync(file, 'utf8')).toBe(`${key.reveal()}\n`)
    if (process.platform !== 'win32') expect(fs.statSync(file).mode & 0o777).toBe(0o600)
    expect(await new ApiKeys(store, Date.now, 1000).verify(key.reveal())).toMatchObject(admin)
  })

  test('is read at the next start, and the key stays as it was', async () => {
    const store = await openStore()
    const file = path.join(temporaryFolder(), 'admin.key')
    const first = await ensureKeyFile(store, file, admin)
    const known = await store.findApiKey(first.key.reveal().slice(4, 20))
    const second = await ensureKeyFile(store, file, admin)
    expect([second.created, second.key.reveal()]).toEqual([false, first.key.reveal()])
    expect(await store.findApiKey(first.key.reveal().slice(4, 20))).toBe(known)
  })

  test('is registered again in a store that was made anew', async () => {
    const file = path.join(temporaryFolder(), 'admin.key')
    const { key } = await ensureKeyFile(await openStore(), file, admin)
    const store = await openStore()
    await ensureKeyFile(store, file, { label: 'admin', rights: 'read' })
    expect(await new ApiKeys(store, Date.now, 1000).verify(key.reveal())).toMatchObject({ rights: 'read' })
  })

  test('is made once by two that start together', async () => {
    const store = await openStore()
    const file = path.join(temporaryFolder(), 'admin.key')
    const both = await Promise.all([ensureKeyFile(store, file, admin), ensureKeyFile(store, file, admin)])
    expect(both[0].key.reveal()).toBe(both[1].key.reveal())
    expect(await new ApiKeys(store, Date.now, 1000).verify(both[0].key.reveal())).toBeDefined()
  })

  test.skipIf(process.platform === 'win32')('that others may read is refused', async () => {
    const file = path.join(temporaryFolder(), 'admin.key')
    await ensureKeyFile(await openStore(), file, admin)
    fs.chmodSync(file, 0o644)
    await expect(ensureKeyFile(await openStore(), file, admin)).rejects.toMatchObject({
      code: 'key_file_too_open',
    })
  })

  test.each([
    ['something else', 'key_file_unreadable'],
    ['', 'empty_secret'],
  ])('that holds %j is refused and left alone', async (text, code) => {
    const file = path.join(temporaryFolder(), 'admin.key')
    fs.writeFileSync(file, text, { mode: 0o600 })
    await expect(ensureKeyFile(await openStore(), file, admin)).rejects.toMatchObject({ code })
    expect(fs.readFileSync(file, 'utf8')).toBe(text)
  })
})

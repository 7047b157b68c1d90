import { execFileSync } from 'node:child_process'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { newMasterKey, sqliteStore, writeKeyFile } from '../../src/stores/sqlite/store.ts'
import { storeError } from '../../src/stores/sqlite/store-error.ts'
import { newStoreFile, temporaryFolder } from './sqlite-files.ts'

/** A disk of its own of 2 MiB; undefined where we may not make one. */
function smallDisk(): string | undefined {
  const folder = temporaryFolder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  onTestFinished(() => void execFileSync('umount', ['-l', folder]))
  return folder
}

// They were told as faults of evertoken, and each try left a draft behind.
test('a key file that cannot be written says why, and leaves nothing behind', ({ skip }) => {
  const file = newStoreFile()
  writeFileSync(file, '')
  const within = path.join(file, 'master.key')
  expect(() => writeKeyFile(within, newMasterKey())).toThrow(
    expect.objectContaining({
      code: 'key_file_unreadable',
      message: `the key file ${within} cannot be written`,
      cause: expect.objectContaining({ syscall: 'mkdir' }),
      advice: expect.stringContaining('may write into its folder'),
    }),
  )
  const disk = smallDisk()
  if (disk === undefined) return skip('only root may make a disk of its own')
  const filler = path.join(disk, 'filler')
  try {
    for (;;) writeFileSync(filler, Buffer.alloc(4096), { flag: 'a' })
  } catch {
    // Full.
  }
  const key = path.join(disk, 'admin.key')
  expect(() => writeKeyFile(key, newMasterKey())).toThrow(expect.objectContaining({ code: 'disk_full' }))
  expect(readdirSync(disk)).toEqual(['filler'])
  rmSync(filler)
  expect(writeKeyFile(key, newMasterKey())).toBe(true)
})

test('a store that is a folder, or nothing at all, says so', async () => {
  const folder = temporaryFolder()
  await expect(sqliteStore(folder).open()).rejects.toMatchObject({
    code: 'store_unavailable',
    message: `the store ${folder} cannot be opened: unable to open database file`,
    advice: expect.stringContaining('the path is that of a file'),
  })
  expect(() => sqliteStore(undefined as never)).toThrow("the path of a file: sqliteStore('tokens.db')")
})

test('a store that may only be read says what to look at', () => {
  const file = newStoreFile()
  new DatabaseSync(file).close()
  const readOnly = new DatabaseSync(file, { readOnly: true })
  onTestFinished(() => readOnly.close())
  const refused = (() => {
    try {
      return readOnly.exec('CREATE TABLE t (x)')
    } catch (error) {
      return storeError(error, file)
    }
  })()
  expect(refused).toMatchObject({
    code: 'store_unavailable',
    message: `the store ${file} cannot be written: attempt to write a readonly database`,
    advice: expect.stringContaining('not mounted read-only'),
  })
})

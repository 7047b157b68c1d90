import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import type { GrantStore } from '../../src/grants/store.ts'
import { type SqliteStoreOptions, sqliteStore } from '../../src/stores/sqlite/store.ts'

/** A folder that is gone when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'evertoken-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A place for a store that nobody has opened yet. */
export const newStoreFile = (): string => path.join(temporaryFolder(), 'tokens.db')

/** Opens a store that is closed when the test is over. */
export async function openedStore(file: string, options?: SqliteStoreOptions): Promise<GrantStore> {
  const store = await sqliteStore(file, options).open()
  onTestFinished(() => store.close())
  return store
}

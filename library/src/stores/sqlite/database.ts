import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { refuseNetworkFileSystem } from '../spool/network-file-system.ts'
import { fileIdentity } from './file-identity.ts'
import { migrate, refuseForeign } from './migrations.ts'
import { storeError } from './store-error.ts'

/** How long one process waits for another's transaction; each takes a few milliseconds. */
export const busyTimeout = 5_000

/**
 * Opens the database and hands it to `use`. Processes that start together may find the file locked in moments in which
 * SQLite does not wait by itself: while one of them switches it to WAL, or closes it as the last. Then all begins anew.
 */
export async function openDatabase<T>(
  file: string,
  bootId: string,
  use: (database: DatabaseSync) => T,
): Promise<T> {
  const givesUp = performance.now() + busyTimeout
  for (;;) {
    try {
      return openOnce(file, bootId, use)
    } catch (error) {
      if (!isBusy(error) || performance.now() > givesUp) throw storeError(error, file)
      await shortPause()
    }
  }
}

function openOnce<T>(file: string, bootId: string, use: (database: DatabaseSync) => T): T {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  refuseNetworkFileSystem(path.dirname(file))
  // SQLite would make it readable for everybody; its -wal and -shm files take their mode from this one. A file that is
  // there is never opened but by SQLite: closing it would drop the locks of another store in this process (POSIX).
  if (!existsSync(file)) make(file)
  const database = new DatabaseSync(file, { timeout: busyTimeout })
  try {
    refuseForeign(database, file)
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA foreign_keys = ON',
    )
    migrate(database, file, () => fileIdentity(file, bootId))
    return use(database)
  } catch (error) {
    database.close()
    throw error
  }
}

function make(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** So random that processes which wait for each other do not come together again. */
export const shortPause = (): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, 5 + 20 * Math.random()))

/** Another process holds the lock. */
export const isBusy = (error: unknown): boolean => ((error as { errcode?: number }).errcode ?? 0) % 256 === 5

import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/*
 * Who is alive, told by a lock that the kernel lets go of when its holder dies, however it dies. No process numbers:
 * they are used again, and containers that share a volume do not share them. The lock is SQLite's own, on a file
 * that nothing but SQLite ever opens: closing such a file by other means would drop the lock (POSIX).
 */

/** Handles are kept here for life: one that is collected lets its lock go. */
const held = new Set<DatabaseSync>()

const lockFile = (folder: string, owner: string): string => path.join(folder, `owner-${owner}.lock`)

export interface Owner {
  readonly id: string
  /** `dead` leaves the lock file, by which others see that nobody holds it any more. */
  release(how?: 'forgotten' | 'dead'): void
}

/** Takes an owner id whose lock is held until `release` or the end of the process. */
export function takeOwner(folder: string): Owner {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const id = crypto.randomUUID()
  const file = lockFile(folder, id)
  const lock = new DatabaseSync(file)
  // What the file holds does not matter, only its lock: nothing here needs to reach the disk.
  lock.exec('PRAGMA synchronous = OFF; CREATE TABLE held (at INTEGER); BEGIN EXCLUSIVE')
  held.add(lock)
  return {
    id,
    release(how = 'forgotten') {
      if (!held.delete(lock)) return
      lock.close()
      if (how === 'forgotten') rmSync(file, { force: true })
    },
  }
}

export const hasLock = (folder: string, owner: string): boolean => existsSync(lockFile(folder, owner))

/** True only when the owner's lock exists and nobody holds it. A missing file proves nothing. */
export function isDead(folder: string, owner: string): boolean {
  const file = lockFile(folder, owner)
  if (!hasLock(folder, owner)) return false
  let probe: DatabaseSync | undefined
  try {
    probe = new DatabaseSync(file, { timeout: 0 })
    probe.prepare('SELECT count(*) FROM sqlite_master').get()
    return true
  } catch {
    return false
  } finally {
    probe?.close()
  }
}

/** A file this young may belong to a process that has made it and not locked it yet. */
const settlingTime = 60_000

/** Removes lock files of the dead that nobody needs any more. */
export function sweepLocks(folder: string, isNeeded: (owner: string) => boolean): void {
  for (const name of readdirSync(folder)) {
    const owner = /^owner-(.+)\.lock$/.exec(name)?.[1]
    if (owner === undefined || isNeeded(owner)) continue
    const file = path.join(folder, name)
    const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY)
    if (age < settlingTime || !isDead(folder, owner)) continue
    rmSync(file, { force: true })
    rmSync(`${file}-journal`, { force: true })
  }
}

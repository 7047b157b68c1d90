import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { StoreOpener } from 'evertoken'
import { postgresStore } from 'evertoken/postgres'
import { sqliteStore } from 'evertoken/sqlite'
import { missingPostgres } from '../test/postgres/binaries.ts'
import { type PostgresServer, query, startPostgres } from '../test/postgres/server.ts'

/** Where a store is, in a form that can be handed to another process. `folder` is that of one host. */
export type StorePlace =
  | { readonly kind: 'sqlite'; readonly file: string; readonly key?: string }
  | { readonly kind: 'postgres'; readonly url: string; readonly folder: string; readonly key?: string }

export function opened(place: StorePlace): StoreOpener {
  const keys = place.key === undefined ? undefined : [{ id: 'k1', file: place.key }]
  if (place.kind === 'sqlite') return sqliteStore(place.file, { keys })
  return postgresStore({ url: place.url, folder: place.folder, keys })
}

/** What a question needs of disks and databases; all of it goes when it is disposed of. */
export interface Places extends AsyncDisposable {
  /** Of the stores that there are: PostgreSQL is left out where npm brings none for the platform. */
  readonly kinds: readonly StorePlace['kind'][]
  readonly folder: string
  readonly server: PostgresServer | undefined
  /** An empty place. */
  make(kind: StorePlace['kind']): Promise<StorePlace>
  /** What decides when a commit counts, as the stores themselves say it: for people. */
  settings(): Promise<string>
}

export const storeNames = { sqlite: 'SQLite', postgres: 'PostgreSQL' } as const

/** Every commit waits for the disk, as it must where it counts. */
export async function startPlaces(): Promise<Places> {
  const folder = mkdtempSync(path.join(tmpdir(), 'evertoken-bench-'))
  const server =
    missingPostgres === undefined
      ? await startPostgres({ durable: true, settings: { shared_buffers: '128MB', max_wal_size: '1GB' } })
      : undefined
  let made = 0
  return {
    kinds: server === undefined ? ['sqlite'] : ['sqlite', 'postgres'],
    folder,
    server,
    async make(kind) {
      made += 1
      const own = path.join(folder, String(made))
      if (kind === 'sqlite') return { kind, file: `${own}.db` }
      return { kind, url: await (server as PostgresServer).createDatabase(), folder: own }
    },
    async settings() {
      const sqlite = 'SQLite: WAL, synchronous=FULL'
      if (server === undefined) return `${sqlite}; ${missingPostgres}`
      const url = server.url()
      const show = async (name: string): Promise<string> => {
        const [row] = await query(url, `SHOW ${name}`)
        return `${name} = ${row?.[name]}`
      }
      const [version, fsync, commit] = await Promise.all(
        ['server_version', 'fsync', 'synchronous_commit'].map(show),
      )
      return `${sqlite}; PostgreSQL: ${version}, ${fsync}, ${commit}`
    },
    async [Symbol.asyncDispose]() {
      await server?.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

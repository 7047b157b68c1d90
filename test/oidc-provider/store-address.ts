import { join } from 'node:path'
import type { StoreOpener } from 'evertoken'
import { postgresStore } from 'evertoken/postgres'
import { sqliteStore } from 'evertoken/sqlite'

/** Where a process of a test keeps grants: plain data, so that it can be given to another process. */
export type StoreAddress =
  | { readonly kind: 'sqlite'; readonly file: string }
  /** `host` is the folder of one machine's worth of processes; all machines have the same key. */
  | { readonly kind: 'postgres'; readonly url: string; readonly host: string; readonly key: string }

export function storeAt(address: StoreAddress): StoreOpener {
  switch (address.kind) {
    case 'sqlite':
      return sqliteStore(address.file)
    case 'postgres': {
      const { url, host, key } = address
      return postgresStore({ url, folder: host, keys: [{ id: 'k1', file: key }] })
    }
    default:
      return address satisfies never
  }
}

export const sqliteIn = (folder: string): StoreAddress => ({
  kind: 'sqlite',
  file: join(folder, 'tokens.db'),
})

export const postgresHost = (url: string, folder: string, host: string): StoreAddress => ({
  kind: 'postgres',
  url,
  host: join(folder, host),
  key: join(folder, 'master.key'),
})

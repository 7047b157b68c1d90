import path from 'node:path'
import type { StoreOpener } from 'evertoken'
import { postgresStore } from 'evertoken/postgres'
import { sqliteStore } from 'evertoken/sqlite'

/** The store that all hosts of a campaign share. `key` is the file with the master key, which they share as well. */
export type StorePlace =
  | { readonly kind: 'sqlite'; readonly file: string; readonly key: string }
  | {
      readonly kind: 'postgres'
      readonly url: string
      readonly key: string
      /** Of leases, in milliseconds: the store's own patience of 5 and 15 s is in proportion to leases of 20 s. */
      readonly lease: number
    }

export type StoreKind = StorePlace['kind']

export const storeKinds: readonly StoreKind[] = ['sqlite', 'postgres']

/** The store as a host with that folder of its own opens it. */
export function storeOf(place: StorePlace, folder: string, faultPoint?: (name: string) => void): StoreOpener {
  const keys = [{ id: 'k1', file: place.key }]
  switch (place.kind) {
    case 'sqlite':
      return sqliteStore(place.file, { spool: path.join(folder, 'spool'), keys, faultPoint })
    case 'postgres':
      return postgresStore({
        url: place.url,
        folder,
        keys,
        faultPoint,
        timeouts: { idle: Math.round(place.lease / 4), statement: Math.round((place.lease * 3) / 4) },
      })
    default:
      return place satisfies never
  }
}

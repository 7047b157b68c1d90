import path from 'node:path'
import { Secret } from 'evertoken'

/** Where a store is: a file, or a database server. */
export type StoreAddress =
  | {
      readonly kind: 'sqlite'
      /** Absolute. */
      readonly file: string
    }
  | {
      readonly kind: 'postgres'
      /** Holds a password, as often as not. */
      readonly url: Secret
    }

/** Reads `sqlite:PATH`, which counts from `folder`, or `postgres://…`; `undefined` for anything else. */
export function storeAddress(text: string, folder: string): StoreAddress | undefined {
  if (/^postgres(ql)?:\/\//.test(text))
    return URL.canParse(text) ? { kind: 'postgres', url: new Secret(text) } : undefined
  const [, place = ''] = /^sqlite:(.*)$/.exec(text) ?? []
  return place === '' ? undefined : { kind: 'sqlite', file: path.resolve(folder, place) }
}

/** For people: a path, or a URL without user, password and options. */
export function locationOf(address: StoreAddress): string {
  if (address.kind === 'sqlite') return address.file
  const url = new URL(address.url.reveal())
  return `postgres://${url.host}${url.pathname}`
}

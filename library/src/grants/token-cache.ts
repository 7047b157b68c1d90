import type { TokenKey, TokenRow } from './grant.ts'
import { windows } from './schedule.ts'
import type { GrantStore } from './store.ts'
import { AccessToken } from './token.ts'

/**
 * One token in memory. It is handed out without asking the store from `verifiedAt` until `usableUntil` (UTC ms): the
 * end of the revalidation interval, or of the window it stands in, whichever comes first. A clock that is set back
 * makes now < verifiedAt, which asks the store too.
 */
interface Entry {
  readonly row: TokenRow
  readonly token: AccessToken
  readonly refreshBefore: number | undefined
  verifiedAt: number
  usableUntil: number
  /** Version of the store at which the row was last seen. */
  version: number | undefined
}

/** Entries kept in memory; the oldest go first. A million grants in a store need not be a million here. */
const limit = 50_000

/** A grant's own token goes by the grant's id alone, so that the usual read builds no key. */
const placeOf = (id: string, key: TokenKey): string =>
  key.scope === '' && key.resource === '' ? id : `${id}\n${key.scope}\n${key.resource}`

/** Tokens this process has unsealed, each good for a moment. */
export class TokenCache {
  readonly #store: GrantStore
  readonly #now: () => number
  readonly #revalidate: number
  readonly #entries = new Map<string, Entry>()

  constructor(store: GrantStore, now: () => number, revalidate: number) {
    this.#store = store
    this.#now = now
    this.#revalidate = revalidate
  }

  /** The grant's own token, if memory may answer for it. The path of nearly every read. */
  own(id: string): AccessToken | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    const now = this.#now()
    return now >= entry.verifiedAt && now < entry.usableUntil ? entry.token : undefined
  }

  at(id: string, key: TokenKey): AccessToken | undefined {
    return this.own(placeOf(id, key))
  }

  /**
   * The same, when the interval has run out but the store says that nothing was written since: asking costs about a
   * microsecond where reading the row costs ten.
   */
  revalidated(id: string, key: TokenKey): AccessToken | undefined {
    const entry = this.#entries.get(placeOf(id, key))
    if (entry?.version === undefined || entry.version !== this.#store.version()) return undefined
    const now = this.#now()
    if (now < entry.verifiedAt) return undefined
    this.#extend(entry, now)
    return now < entry.usableUntil ? entry.token : undefined
  }

  /** The token of a row just read; unsealed only when it is another than the one in memory. */
  keep(
    id: string,
    row: TokenRow,
    refreshBefore: number | undefined,
    version: number | undefined,
  ): AccessToken {
    const place = placeOf(id, row)
    const held = this.#entries.get(place)
    const same = held !== undefined && held.row.generation === row.generation && held.row.fence === row.fence
    const entry: Entry = {
      row,
      token: same ? held.token : this.#unseal(id, row),
      refreshBefore,
      verifiedAt: 0,
      usableUntil: 0,
      version,
    }
    this.#extend(entry, this.#now())
    if (held === undefined && this.#entries.size >= limit)
      this.#entries.delete(this.#entries.keys().next().value as string)
    this.#entries.set(place, entry)
    return entry.token
  }

  /** The next read of this grant asks the store. */
  forget(id: string): void {
    this.#entries.delete(id)
    const scoped = `${id}\n`
    for (const place of this.#entries.keys()) if (place.startsWith(scoped)) this.#entries.delete(place)
  }

  /** Memory answers until the next edge of the token's life, so that nobody is served across it unnoticed. */
  #extend(entry: Entry, now: number): void {
    const { row } = entry
    const left = row.expiresAt - now
    const { advisory, mandatory } = windows(row.lifetime, entry.refreshBefore)
    const edge = left > advisory ? left - advisory : left > mandatory ? left - mandatory : 0
    entry.verifiedAt = now
    entry.usableUntil = now + Math.min(this.#revalidate, edge)
  }

  #unseal(id: string, row: TokenRow): AccessToken {
    const text = this.#store.seal.open(row.sealed, {
      grant: id,
      field: 'access_token',
      scope: row.scope,
      resource: row.resource,
    })
    const { value, metadata } = JSON.parse(text) as { value: string; metadata: Record<string, unknown> }
    return new AccessToken(value, {
      type: row.type,
      expiresAt: row.expiresAt,
      scope: Object.freeze([...row.grantedScope]),
      generation: row.generation,
      metadata: Object.freeze(metadata),
      stale: false,
    })
  }
}

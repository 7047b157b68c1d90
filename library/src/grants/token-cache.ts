import type { GrantRecord, TokenKey, TokenRow } from './grant.ts'
import { presentsAlike } from './lifetime-facts.ts'
import { type Windows, windows } from './schedule.ts'
import type { GrantStore } from './store.ts'
import { AccessToken, type TokenPresentation, type TokenRequest } from './token.ts'
import { openPayload } from './token-payload.ts'
import { presentationOf } from './token-proof.ts'

/**
 * One token in memory. It is handed out without asking the store from `verifiedAt` until `usableUntil` (UTC ms): the
 * end of the revalidation interval, or of the window it stands in, whichever comes first. A clock that is set back
 * makes now < verifiedAt, which asks the store too.
 */
interface Entry {
  row: TokenRow
  readonly token: AccessToken
  /**
   * The token as getToken gives it. One promise for all readers: an async function makes a new one each time and looks
   * for a `then` in the token, which together take longer than everything else a read does.
   */
  readonly given: Promise<AccessToken>
  policy: TokenPolicy
  verifiedAt: number
  usableUntil: number
  /** The era in which the row was last seen; undefined when the store may have changed while it was read. */
  era: number | undefined
}

/** What a row was read as of: the store's version, and the time in UTC ms; both from before the read. */
export interface Verified {
  readonly version: number | undefined
  readonly at: number
}

/** What of a grant decides over the windows of its tokens. */
type TokenPolicy = Pick<GrantRecord, 'id' | 'refreshBefore' | 'facts'>

/** What of it decides over how they are shown. */
type Bound = TokenPolicy & Pick<GrantRecord, 'proofKey'>

const windowsOf = ({ lifetime }: TokenRow, { refreshBefore, facts }: TokenPolicy): Windows =>
  windows(lifetime, refreshBefore, facts.oldTokenDies)

/** Entries kept in memory; the oldest go first. A million grants in a store need not be a million here. */
const limit = 50_000

/** How often in a revalidation interval the store's version is asked for, at most. */
const versionsPerInterval = 20

/** A grant's own token goes by the grant's id alone, so that the usual read builds no key. */
const placeOf = (id: string, key: TokenKey): string =>
  key.scope === '' && key.resource === '' ? id : `${id}\n${key.scope}\n${key.resource}`

/** A signal says nothing of which token, and who is answered from memory waits for nothing that it could end. */
const wantsOwn = ({ scope, resource, minTtl }: TokenRequest): boolean =>
  scope === undefined && resource === undefined && minTtl === undefined

/** Not by generation and fence: both begin anew when a grant is removed and added again. */
const sameBytes = (one: Uint8Array, other: Uint8Array): boolean =>
  one === other || Buffer.compare(one, other) === 0

/** Tokens this process has unsealed, each good for a moment. */
export class TokenCache {
  readonly #store: GrantStore
  readonly #now: () => number
  readonly #revalidate: number
  readonly #entries = new Map<string, Entry>()
  /** Places of a grant's other tokens, by grant. */
  readonly #scoped = new Map<string, Set<string>>()
  /** Ends with a change of which nobody can say whom it concerns. */
  #era = 0
  /** The store's version and when it was asked for it (UTC ms). */
  #version: number | undefined
  #askedAt = Number.POSITIVE_INFINITY

  constructor(store: GrantStore, now: () => number, revalidate: number) {
    this.#store = store
    this.#now = now
    this.#revalidate = revalidate
  }

  /** What was asked for, if it is the grant's own token and memory may answer for it. The path of nearly every read. */
  given(id: string, request: TokenRequest | undefined): Promise<AccessToken> | undefined {
    return request === undefined || wantsOwn(request) ? this.#usable(id)?.given : undefined
  }

  /** The same without waiting. */
  own(id: string): AccessToken | undefined {
    return this.#usable(id)?.token
  }

  #usable(place: string): Entry | undefined {
    const entry = this.#entries.get(place)
    if (entry === undefined) return undefined
    const now = this.#now()
    return now >= entry.verifiedAt && now < entry.usableUntil ? entry : undefined
  }

  at(id: string, key: TokenKey): AccessToken | undefined {
    return this.own(placeOf(id, key))
  }

  /**
   * The same, when the interval has run out but the store says that this grant has not changed since: asking costs a microsecond or
   * two for all grants together, where reading the rows costs twenty for each.
   */
  revalidated(id: string, key: TokenKey): AccessToken | undefined {
    const now = this.#now()
    this.versionAt(now)
    const entry = this.#entries.get(placeOf(id, key))
    if (entry === undefined || entry.era !== this.#era || now < entry.verifiedAt) return undefined
    // A reader who comes in the advisory window asks the store even so: it is the one who sees that a refresh is due.
    if (entry.row.expiresAt - now <= windowsOf(entry.row, entry.policy).advisory) return undefined
    this.#extend(entry, this.#askedAt)
    return now < entry.usableUntil ? entry.token : undefined
  }

  /**
   * One question to the store does for all that is read shortly after it: what it verifies, it verifies as of when it
   * was asked, so nothing is believed any longer for that.
   */
  versionAt(now = this.#now()): number | undefined {
    const age = now - this.#askedAt
    if (!(age >= 0 && age < this.#revalidate / versionsPerInterval)) {
      this.#moveTo(this.#store.version())
      this.#askedAt = now
    }
    return this.#version
  }

  #moveTo(version: number | undefined): void {
    if (version === this.#version) return
    const changed = this.#version === undefined ? undefined : this.#store.changedSince?.(this.#version)
    if (changed === undefined) this.#era += 1
    else for (const id of changed) this.forget(id)
    this.#version = version
  }

  /**
   * The token of a row that was read; unsealed only when it is another than the one in memory. Memory may answer for it
   * from when the read began: however long that took, whoever revokes waits one interval and no longer.
   */
  keep(grant: Bound, row: TokenRow, { version, at }: Verified): AccessToken {
    const { id } = grant
    // What changed while the row was read was told already, and is not told again.
    const era = version !== undefined && version === this.#version ? this.#era : undefined
    // Not the whole record: a million of them would be held here.
    const policy = { id, refreshBefore: grant.refreshBefore, facts: grant.facts }
    const place = placeOf(id, row)
    const held = this.#entries.get(place)
    if (
      held !== undefined &&
      sameBytes(held.row.sealed, row.sealed) &&
      presentsAlike(held.policy.facts.api, policy.facts.api)
    ) {
      held.row = row
      held.policy = policy
      held.era = era
      this.#extend(held, at)
      return held.token
    }
    const token = this.#unseal(grant, policy, row)
    const given = Promise.resolve(token)
    const entry: Entry = { row, token, given, policy, verifiedAt: 0, usableUntil: 0, era }
    this.#extend(entry, at)
    if (held === undefined && this.#entries.size >= limit) this.#forgetOldest()
    this.#entries.set(place, entry)
    if (place !== id) this.#scoped.set(id, (this.#scoped.get(id) ?? new Set()).add(place))
    return token
  }

  /** The next read of this grant asks the store. */
  forget(id: string): void {
    this.#entries.delete(id)
    for (const place of this.#scoped.get(id) ?? []) this.#entries.delete(place)
    this.#scoped.delete(id)
  }

  #forgetOldest(): void {
    const place = this.#entries.keys().next().value as string
    this.#entries.delete(place)
    const id = place.split('\n', 1)[0] as string
    const places = this.#scoped.get(id)
    if (places?.delete(place) && places.size === 0) this.#scoped.delete(id)
  }

  /** Memory answers until the next edge of the token's life, so that nobody is served across it unnoticed. */
  #extend(entry: Entry, verifiedAt: number): void {
    const { row } = entry
    const left = row.expiresAt - verifiedAt
    const { advisory, mandatory } = windowsOf(row, entry.policy)
    const edge = left > advisory ? left - advisory : left > mandatory ? left - mandatory : 0
    entry.verifiedAt = verifiedAt
    entry.usableUntil = verifiedAt + Math.min(this.#revalidate, edge)
  }

  #unseal(grant: Bound, { facts }: TokenPolicy, row: TokenRow): AccessToken {
    const payload = openPayload(this.#store.seal, grant.id, row)
    return new AccessToken(payload.value, {
      type: row.type,
      expiresAt: row.expiresAt,
      scope: Object.freeze([...row.grantedScope]),
      generation: row.generation,
      metadata: Object.freeze(payload.metadata),
      stale: false,
      presentation: presented(facts.api, presentationOf(this.#store.seal, grant, row, payload, this.#now)),
    })
  }
}

/** As the provider wants it, and as the token itself does; the latter wins. */
const presented = (
  api: TokenPresentation | undefined,
  bound: TokenPresentation | undefined,
): TokenPresentation | undefined =>
  bound === undefined ? api : api === undefined ? bound : { ...api, ...bound }

import type { GrantRecord } from './grant.ts'
import type { Seal } from './seal.ts'

/**
 * The store's own clock, which every process on the store shares: milliseconds that never jump while `boot` stays
 * the same. Leases of another boot are over.
 */
export interface StoreTime {
  readonly at: number
  readonly boot: string
}

/** What a decision inside a transaction has to go on. */
export interface Moment {
  readonly time: StoreTime
  /** Whether the process with this owner id is known to be gone. False when in doubt. */
  readonly isDead: (owner: string) => boolean
}

/** What a decision wants written: absent leaves the row, null deletes it. */
export interface Change<R> {
  readonly result: R
  readonly record?: GrantRecord | null | undefined
}

/** A consent that was begun and not finished. */
export interface Consent {
  /** SHA-256 of the state, hexadecimal: the state itself is nowhere but with the person. */
  readonly stateHash: string
  readonly grant: string
  /** Sealed JSON: PKCE verifier, redirect URI, return path, session binding. */
  readonly sealed: Uint8Array
  /** UTC ms. */
  readonly expiresAt: number
}

/** A caller's key to the broker. The key itself is stored nowhere. */
export interface ApiKey {
  readonly id: string
  readonly label: string
  readonly rights: 'read' | 'administer'
  /** SHA-256 of the secret part, hexadecimal. */
  readonly hash: string
  /** UTC ms. */
  readonly createdAt: number
}

/**
 * Where grants live. Rules for whoever writes one:
 *
 * 1. `update` runs `decide` in one transaction that excludes every other `update` of the same grant, in any process,
 *    and resolves only once the change is durable. `decide` is synchronous and may run again if the transaction has
 *    to; if it throws, nothing is written.
 * 2. `read` sees every `update` that was resolved before it was called, in any process.
 * 3. Everything given as `Uint8Array` is ciphertext already; nothing else in a record is secret.
 * 4. `close` is idempotent. Afterwards every other call rejects with code `closed`.
 */
export interface GrantStore {
  /** Written once by the first migration; ciphertext is bound to it. */
  readonly storeId: string
  readonly seal: Seal
  /** This process, for leases. */
  readonly owner: string
  /** Where it is, for people: a path without secrets. */
  readonly location: string
  time(): StoreTime
  /** Changes whenever any process may have changed a grant; undefined when the store cannot tell cheaply. */
  version(): number | undefined
  read(id: string): Promise<GrantRecord | undefined>
  update<R>(id: string, decide: (record: GrantRecord | undefined, moment: Moment) => Change<R>): Promise<R>
  /** Ids that are due, longest due first, at most `limit`; grants whose worker died are due at once. */
  due(limit: number): Promise<readonly string[]>
  /** Store time at which the next grant is due; undefined when none is. */
  nextDue(): Promise<number | undefined>
  /** Ordered by id, after `after`, at most `limit` (default 1000). */
  list(page?: { after?: string | undefined; limit?: number | undefined }): Promise<readonly GrantRecord[]>
  putConsent(consent: Consent): Promise<void>
  /** Gives the consent and forgets it in one step: a state is good once. */
  takeConsent(stateHash: string): Promise<Consent | undefined>
  putApiKey(key: ApiKey): Promise<void>
  findApiKey(id: string): Promise<ApiKey | undefined>
  close(): Promise<void>
}

/** Options of a store become a store here; called once, by whoever needs it open. */
export interface StoreOpener {
  open(): Promise<GrantStore>
}

import type { Circuit, CircuitChange } from './circuit.ts'
import type { GrantRecord, HeldRefreshToken } from './grant.ts'
import type { Notice } from './notice.ts'
import type { Seal } from './seal.ts'
import type { Spool, SpoolEntry } from './spool.ts'

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
  /**
   * Whether nothing more can come from the process with this owner id: it is known to be dead and its spool file holds
   * nothing. False when in doubt.
   */
  readonly isGone: (owner: string) => boolean
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

/** A notice as it stands in the store. */
export interface StoredNotice extends Notice {
  /** Grows with every notice of the store. */
  readonly number: number
  readonly grant: string
}

/** A host's spool, as the store knows it. */
export interface SpoolRegistration {
  readonly id: string
  readonly host: string
  readonly folder: string
  /** UTC ms at which a process last opened it. */
  readonly seenAt: number
  /** UTC ms at which an operator said that its host never comes back. */
  readonly retiredAt?: number | undefined
}

/**
 * Where grants live. Rules for whoever writes one:
 *
 * 1. `update` runs `decide` in one transaction that excludes every other `update` of the same grant, in any process,
 *    and resolves only once the change is durable. `decide` is synchronous and may run again if the transaction has
 *    to; if it throws, nothing is written. `updateDue` does the same with each grant that is due and that no other
 *    transaction holds; grants whose process is gone are due at once.
 * 2. `read` sees every `update` that was resolved before it was called, in any process.
 * 3. Everything given as `Uint8Array` is ciphertext already; nothing else in a record is secret.
 * 4. A refresh token that leaves a record (present, previous, or of a candidate) stays in `superseded` for a day after
 *    it was received. A record that becomes `revoked`, and one that is deleted, takes them along.
 * 5. Notices of a record are only ever added to, and stay when the grant is deleted.
 * 6. `close` is idempotent. Afterwards every other call rejects with code `closed`.
 */
export interface GrantStore {
  /** Written once by the first migration; ciphertext is bound to it. */
  readonly storeId: string
  readonly seal: Seal
  /** This process, for leases. */
  readonly owner: string
  /** Where it is, for people: a path without secrets. */
  readonly location: string
  /** Absent in a store that keeps nothing. */
  readonly spool: Spool | undefined
  time(): StoreTime
  /**
   * Changes whenever any process may have changed what a reader gets: a grant's status, facts, margins, key or tokens, or who holds its
   * lease. Undefined when the store cannot tell cheaply.
   */
  version(): number | undefined
  /**
   * At least the grants of which that was changed since the store had this version; undefined when it does not know any more. A store
   * without it has every grant read again after a change.
   */
  changedSince?(version: number): readonly string[] | undefined
  read(id: string): Promise<GrantRecord | undefined>
  update<R>(id: string, decide: (record: GrantRecord | undefined, moment: Moment) => Change<R>): Promise<R>
  /**
   * Runs `decide` on grants that are due, at most `limit`, all in one transaction: first those with an attempt that has no
   * verdict, since its reuse window may be closing; then, and among them, longest due first.
   */
  updateDue<R>(
    limit: number,
    decide: (record: GrantRecord, moment: Moment) => Change<R>,
  ): Promise<readonly R[]>
  /** Store time at which the next grant is due; undefined when none is. */
  nextDue(): Promise<number | undefined>
  /** Ordered by id, after `after`, at most `limit` (default 1000). */
  list(page?: { after?: string | undefined; limit?: number | undefined }): Promise<readonly GrantRecord[]>
  /** Refresh tokens that left the record and are younger than a day, newest first. */
  superseded(id: string): Promise<readonly HeldRefreshToken[]>
  /** Ordered by number, after `after` (default 0), at most `limit` (default 1000). */
  notices(page?: { after?: number | undefined; limit?: number | undefined }): Promise<readonly StoredNotice[]>
  /** The same kind of locked read-decide-write for what all grants of one provider and client share. */
  updateCircuit<R>(
    key: string,
    decide: (circuit: Circuit | undefined, time: StoreTime) => CircuitChange<R>,
  ): Promise<R>
  readCircuit(key: string): Promise<Circuit | undefined>
  /** Ids of grants with an attempt whose answer would stand in that spool. */
  attemptedFrom(spool: string): Promise<readonly string[]>
  spools(): Promise<readonly SpoolRegistration[]>
  /** Notes that the host of a spool never comes back; false when there is no such spool. */
  retireSpool(id: string, utc: number): Promise<boolean>
  /**
   * Why nothing may be sent from here: this store is a copy of another that may still be at work. Undefined when it is
   * the one it was. Tokens that it holds are served all the same.
   */
  readonly foreign: string | undefined
  /** Gives the store an instance id of its own; `foreign` is undefined afterwards. */
  adopt(): Promise<void>
  /**
   * Answers of this host that the store had and has lost since: a server took over that lacked them, or a backup was
   * restored in place. Costs nothing unless that may have happened.
   */
  regressions?(): Promise<readonly SpoolEntry[]>
  /** Calls `listener` when another process may have changed something, as a hint; gives back how to stop. */
  onHint?(listener: () => void): () => void
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

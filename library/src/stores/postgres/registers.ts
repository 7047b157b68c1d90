import os from 'node:os'
import type { HeldRefreshToken } from '../../grants/grant.ts'
import type { NoticeKind } from '../../grants/notice.ts'
import type { ApiKey, Consent, GrantStore, SpoolRegistration, StoredNotice } from '../../grants/store.ts'
import { supersededFor } from '../superseded.ts'
import { whole } from './columns.ts'
import type { Answer } from './connections.ts'
import type { Statements } from './statements.ts'
import type { Transactions } from './transactions.ts'

/** What the store holds beside grants and circuits, each by one statement. */
export class Registers {
  readonly #transactions: Transactions
  readonly #statements: Statements
  readonly #utc: () => number

  constructor(transactions: Transactions, statements: Statements, utc: () => number) {
    this.#transactions = transactions
    this.#statements = statements
    this.#utc = utc
  }

  async superseded(id: string): Promise<readonly HeldRefreshToken[]> {
    const { rows } = await this.#query('superseded', id, whole(this.#utc() - supersededFor))
    return rows.map(([sealed, fingerprint, receivedAt, at, boot]) => ({
      sealed: sealed as Uint8Array,
      fingerprint: String(fingerprint),
      receivedAt: Number(receivedAt),
      spent: at === null ? undefined : { at: Number(at), boot: String(boot) },
    }))
  }

  async notices({
    after = 0,
    limit = 1000,
  }: NonNullable<Parameters<GrantStore['notices']>[0]>): Promise<readonly StoredNotice[]> {
    const { rows } = await this.#query('notices', after, limit)
    return rows.map(([number, grant, kind, epoch, at, message]) => ({
      number: Number(number),
      grant: String(grant),
      kind: String(kind) as NoticeKind,
      epoch: Number(epoch),
      at: Number(at),
      message: String(message),
    }))
  }

  async attemptedFrom(spool: string): Promise<readonly string[]> {
    if (spool === '') return []
    const { rows } = await this.#query('attemptedFrom', JSON.stringify([{ spool }]))
    return rows.map(([id]) => String(id))
  }

  async spools(): Promise<readonly SpoolRegistration[]> {
    const { rows } = await this.#query('spools')
    return rows.map(([id, host, folder, seenAt, retiredAt]) => ({
      id: String(id),
      host: String(host),
      folder: String(folder),
      seenAt: Number(seenAt),
      retiredAt: retiredAt === null ? undefined : Number(retiredAt),
    }))
  }

  /** The host of that spool is here. */
  async seenSpool({ id, folder }: { readonly id: string; readonly folder: string }): Promise<void> {
    await this.#query('seenSpool', id, os.hostname(), folder, whole(this.#utc()))
  }

  async retireSpool(id: string, utc: number): Promise<boolean> {
    return (await this.#query('retireSpool', id, whole(utc))).rowCount === 1
  }

  async putConsent({ stateHash, grant, sealed, expiresAt }: Consent): Promise<void> {
    await this.#query('dropConsents', whole(this.#utc()))
    await this.#query('putConsent', stateHash, grant, Buffer.from(sealed), whole(expiresAt))
  }

  takeConsent(stateHash: string): Promise<Consent | undefined> {
    return this.#transactions.run({
      first: [{ text: this.#statements.takeConsent, values: [stateHash] }],
      decide: ([taken]) => {
        const [grant, sealed, expiresAt] = taken?.rows[0] ?? []
        if (grant === undefined) return { result: undefined, writes: [] }
        const consent = {
          stateHash,
          grant: String(grant),
          sealed: sealed as Uint8Array,
          expiresAt: Number(expiresAt),
        }
        // Something to write, so that a COMMIT without an answer is resolved: a state is good once, and for once.
        return { result: consent, writes: [{ text: 'SELECT 1' }] }
      },
    })
  }

  async putApiKey({ id, label, rights, hash, createdAt }: ApiKey): Promise<void> {
    await this.#query('putApiKey', id, label, rights, hash, whole(createdAt))
  }

  async findApiKey(id: string): Promise<ApiKey | undefined> {
    const { rows } = await this.#query('findApiKey', id)
    if (rows[0] === undefined) return undefined
    const [label, rights, hash, createdAt] = rows[0]
    return {
      id,
      label: String(label),
      rights: rights === 'administer' ? 'administer' : 'read',
      hash: String(hash),
      createdAt: Number(createdAt),
    }
  }

  #query(name: keyof Statements, ...values: unknown[]): Promise<Answer> {
    return this.#transactions.query({ text: this.#statements[name], values })
  }
}

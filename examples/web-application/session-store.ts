import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { chmodSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { SavedTokens } from 'evertoken'

/** One browser. */
export interface Session {
  /** Hash of the cookie: whoever reads the database can open no session. */
  readonly id: string
  /** Stands in every form, so that no other site can send one. */
  readonly formToken: string
  readonly tokens: SavedTokens | undefined
}

/** Milliseconds without a request after which a session is over. */
const idle = 12 * 3_600_000

/**
 * Sessions and the tokens of whoever is logged in, in a SQLite file. A cookie is 256 random bits, of which the file holds a hash; tokens are
 * sealed with AES-256-GCM to their session.
 */
export class SessionStore implements Disposable {
  readonly #database: DatabaseSync
  readonly #key: Uint8Array

  /** @param key 32 bytes, kept elsewhere than the file. */
  constructor(file: string, key: Uint8Array) {
    if (key.length !== 32) throw new RangeError('the key of the sessions has 32 bytes')
    this.#key = key
    this.#database = new DatabaseSync(file, { timeout: 5_000 })
    chmodSync(file, 0o600)
    this.#database.exec(
      'CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, form_token TEXT NOT NULL, seen_at INTEGER NOT NULL, tokens BLOB) STRICT',
    )
  }

  /** A session for a browser that has none, and its cookie. */
  begin(now: number): { readonly cookie: string; readonly session: Session } {
    this.#database.prepare('DELETE FROM sessions WHERE seen_at < ?').run(now - idle)
    const cookie = randomBytes(32).toString('base64url')
    const session = { id: hash(cookie), formToken: randomBytes(16).toString('base64url'), tokens: undefined }
    this.#database
      .prepare('INSERT INTO sessions (id, form_token, seen_at) VALUES (?, ?, ?)')
      .run(session.id, session.formToken, now)
    return { cookie, session }
  }

  find(cookie: string, now: number): Session | undefined {
    const row = this.#database
      .prepare(
        'UPDATE sessions SET seen_at = ? WHERE id = ? AND seen_at >= ? RETURNING id, form_token, tokens',
      )
      .get(now, hash(cookie), now - idle) as
      | { id: string; form_token: string; tokens: Uint8Array | null }
      | undefined
    if (row === undefined) return undefined
    const tokens = row.tokens === null ? undefined : this.#open(row.id, row.tokens)
    return { id: row.id, formToken: row.form_token, tokens }
  }

  /** Durable when it returns. */
  save(id: string, tokens: SavedTokens): void {
    this.#database.prepare('UPDATE sessions SET tokens = ? WHERE id = ?').run(this.#seal(id, tokens), id)
  }

  end(id: string): void {
    this.#database.prepare('DELETE FROM sessions WHERE id = ?').run(id)
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }

  #seal(id: string, tokens: SavedTokens): Uint8Array {
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(id))
    const sealed = Buffer.concat([cipher.update(JSON.stringify(tokens), 'utf8'), cipher.final()])
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
  }

  #open(id: string, sealed: Uint8Array): SavedTokens {
    const cipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, 12))
    cipher.setAAD(Buffer.from(id)).setAuthTag(sealed.subarray(12, 28))
    const text = Buffer.concat([cipher.update(sealed.subarray(28)), cipher.final()])
    return JSON.parse(text.toString('utf8')) as SavedTokens
  }
}

const hash = (cookie: string): string => createHash('sha256').update(cookie).digest('base64url')

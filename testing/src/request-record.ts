import { createHash } from 'node:crypto'

/**
 * What the practice server remembers of one request. JSON-serialisable; a token, code or assertion stands in it only
 * as its {@link fingerprint}, and text that a client chose freely (an unknown client id, a query) not at all.
 */
export interface PracticeRequest {
  /** Counts from 1, in order of arrival. */
  readonly number: number
  /** When it arrived, UTC milliseconds of the server's clock. */
  readonly at: number
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** A grant type that the server knows, else `other`. */
  readonly grantType?: string | undefined
  /** The registered client that the request named; it may still have failed to prove that it is this client. */
  readonly clientId?: string | undefined
  /** How the client authenticated, once it did. */
  readonly clientAuthentication?: string | undefined
  /** Whose login it was about. */
  readonly subject?: string | undefined
  /** The login (the refresh token's family) that it was about. */
  readonly login?: string | undefined
  /** Fingerprint of the refresh token, code, assertion or access token that came in. */
  readonly presented?: string | undefined
  /** Fingerprint of the access token that went out. */
  readonly accessToken?: string | undefined
  /** Fingerprint of the refresh token that went out, where one did. */
  readonly refreshToken?: string | undefined
  /** HTTP status; absent while there is no answer. */
  readonly status?: number | undefined
  /**
   * `received` while it is being worked on; then `issued`, `repeated` (the answer of an earlier refresh, again), `consented`, `answered`, `accepted` (by the protected
   * resource), the OAuth error code, `scripted` (answered by the `respond` hook),
   * `recorded` and `unexpected` (a request to a path of the `recorded` option that fits one of them, and one that fits none), `hang`, `close` or `cut`.
   */
  readonly outcome: string
  /** The kind of the fault that it met on purpose. */
  readonly fault?: string | undefined
  /** The error description, where it was refused. */
  readonly reason?: string | undefined
}

/** A record that its request is still filling in. */
export type OpenRecord = { -readonly [Member in keyof PracticeRequest]: PracticeRequest[Member] }

/** The requests that a server saw, oldest first; beyond the limit the oldest are forgotten. */
export class RequestRecord {
  readonly #records: OpenRecord[] = []
  readonly #limit: number
  #count = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  open(at: number, method: string, path: string): OpenRecord {
    this.#count += 1
    const record: OpenRecord = { number: this.#count, at, method, path, outcome: 'received' }
    this.#records.push(record)
    // Forgets a tenth at once: shift() on every request would cost more than the request.
    if (this.#records.length > this.#limit * 1.1) this.#records.splice(0, this.#records.length - this.#limit)
    return record
  }

  all(): readonly PracticeRequest[] {
    return this.#records.slice(-this.#limit).map((record) => ({ ...record }))
  }
}

/** The SHA-256 of a token in hex: what the journal and the memory keep in its place. */
export function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** The first 16 hex digits of a token's SHA-256: enough to tell tokens apart in a record, useless to an API. */
export function fingerprint(token: string): string {
  return fingerprintOf(digest(token))
}

/** The fingerprint of the token that has this digest. */
export function fingerprintOf(tokenDigest: string): string {
  return tokenDigest.slice(0, 16)
}

import { Journal } from './journal.ts'

/**
 * What truly became of an answer: `whole` (all of it handed to the system), `replaced` (the request was processed, and
 * another answer than its own was handed over whole), `cut` (the server ended the connection in the middle or before),
 * `client_gone` (the client ended it first).
 */
export type TruthDelivery = 'whole' | 'replaced' | 'cut' | 'client_gone'

/** One fact of one token request. Tokens stand in it as fingerprints; `login` is the family that they belong to. */
export type TruthFact =
  /** The whole request arrived; nothing is judged yet. `sender` is its header `x-practice-sender`, where it has one. */
  | {
      readonly type: 'received'
      readonly refreshToken?: string | undefined
      readonly sender?: string | undefined
    }
  /** A refresh token was spent; with a windowed rotation that can happen more than once. */
  | { readonly type: 'consumed'; readonly refreshToken: string }
  /** Tokens were made; `parent` is the refresh token that was presented for them. */
  | {
      readonly type: 'issued'
      readonly login: string
      readonly accessToken: string
      /** UTC milliseconds of the server's clock at which the access token ends by age. */
      readonly expiresAt: number
      readonly refreshToken?: string | undefined
      readonly parent?: string | undefined
      /** The earlier child of the same parent, which is dead from now on. */
      readonly replaces?: string | undefined
      /** The earlier access tokens of the login are dead from now on. */
      readonly endsEarlier?: true | undefined
    }
  /** The tokens of an earlier request were given again. */
  | {
      readonly type: 'repeated'
      readonly login: string
      readonly accessToken: string
      readonly refreshToken: string
    }
  /** A used refresh token came and ended its login. */
  | { readonly type: 'family_killed'; readonly login: string; readonly refreshToken: string }
  /** The login was ended on purpose: by its client (RFC 7009) or by an administrator, whose request is number 0. */
  | { readonly type: 'revoked'; readonly login: string; readonly by: 'client' | 'administrator' }
  /** The server has decided; `outcome` is that of the record of requests. Absent for what was never processed. */
  | { readonly type: 'processed'; readonly outcome: string; readonly status: number }
  /** The end of every token request that was received. */
  | { readonly type: 'answered'; readonly delivery: TruthDelivery }

/** A fact, and when and of which request it is one. JSON-serialisable. */
export type TruthEntry = TruthFact & {
  /** UTC milliseconds of the server's clock. */
  readonly at: number
  /** Number of the request, as in the record of requests; a server that starts again counts from 1 again. */
  readonly request: number
  /** Which start of a server on the same log, from 1. */
  readonly run: number
}

/** Notes the facts of one request. */
export type NoteTruth = (fact: TruthFact) => void

/**
 * The ground truth that a client under test is judged by: what happened, in the order in which it happened, whatever the
 * client was told. Append-only. With a file an entry is on the kernel's side before the answer is, so it survives SIGKILL.
 */
export class TruthLog {
  readonly #entries: TruthEntry[] = []
  readonly #now: () => number
  readonly #run: number
  readonly #limit: number
  #journal: Journal<TruthEntry> | undefined

  /**
   * Goes on where the file ends, if there is a file.
   *
   * @param limit entries kept in memory; beyond it the oldest are forgotten there, and stay in the file.
   */
  constructor(file: string | undefined, now: () => number, limit = 400_000) {
    this.#now = now
    this.#limit = limit
    if (file !== undefined) {
      const { journal, events } = Journal.open<TruthEntry>(file)
      this.#journal = journal
      for (const entry of events) this.#entries.push(entry)
    }
    this.#run = (this.#entries.at(-1)?.run ?? 0) + 1
  }

  of(request: number): NoteTruth {
    return (fact) => {
      const entry: TruthEntry = { ...fact, at: this.#now(), request, run: this.#run }
      this.#journal?.append(entry)
      this.#entries.push(entry)
      // A tenth at once: shift() on every entry would cost more than the entry.
      if (this.#entries.length > this.#limit * 1.1)
        this.#entries.splice(0, this.#entries.length - this.#limit)
    }
  }

  all(): readonly TruthEntry[] {
    return [...this.#entries]
  }

  /** What is noted afterwards stays in memory. */
  close(): void {
    this.#journal?.close()
    this.#journal = undefined
  }
}

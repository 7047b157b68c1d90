import { createHmac, randomBytes } from 'node:crypto'

/**
 * The nonces that a proof must hold (RFC 9449 section 8), each good from when it is first given until the one after it ends. A
 * function of the time and of a secret of the process, so that none is kept, and a restart makes all of them strange.
 */
export class ProofNonces {
  readonly #secret = randomBytes(32)
  readonly #now: () => number
  readonly #lifetime: number

  /** @param lifetime seconds until the next one is given. */
  constructor(now: () => number, lifetime: number) {
    this.#now = now
    this.#lifetime = lifetime * 1000
  }

  current(): string {
    return this.#of(this.#period())
  }

  accepts(nonce: unknown): boolean {
    const period = this.#period()
    return nonce === this.#of(period) || nonce === this.#of(period - 1)
  }

  #period(): number {
    return Math.floor(this.#now() / this.#lifetime)
  }

  #of(period: number): string {
    return createHmac('sha256', this.#secret).update(`nonce ${period}`).digest('base64url')
  }
}

import { rmSync, writeFileSync } from 'node:fs'

/** Room for a few answers, or for the largest there can be: 64 KiB as base64 in JSON, sealed. */
const reservedBytes = 256 * 1024

/**
 * Room on the disk that is given up when an answer needs it: so a disk which fills while a request is on its way does
 * not cost the answer.
 */
export class Reserve {
  readonly #file: string
  #isHeld = false

  constructor(file: string) {
    this.#file = file
  }

  /** Throws what the file system says when there is no room. */
  hold(): void {
    if (this.#isHeld) return
    try {
      writeFileSync(this.#file, Buffer.alloc(reservedBytes), { mode: 0o600, flush: true })
      this.#isHeld = true
    } catch (error) {
      rmSync(this.#file, { force: true })
      throw error
    }
  }

  /** True when there was something to give up. */
  release(): boolean {
    const wasHeld = this.#isHeld
    this.#isHeld = false
    if (wasHeld) rmSync(this.#file, { force: true })
    return wasHeld
  }
}

import { hostname } from 'node:os'
import type { EvertokenError } from '../../errors.ts'
import type { Seal } from '../../grants/seal.ts'
import { type FaultPoint, type HostSpool, openSpool } from '../spool/spool.ts'
import { type FileIdentity, fileIdentity, isSameFile } from './file-identity.ts'
import { registerSpool } from './registers.ts'
import { setSetting, setting } from './settings.ts'
import type { Statements } from './statements.ts'

/** How often the counter moves at most, in ms of the boot clock: how old a restored backup must be to be told as one. */
const beat = 60_000

export interface AttachedSpoolOptions {
  /** The store's file. */
  readonly file: string
  /** Default: `<file>-spool`. */
  readonly folder?: string | undefined
  readonly statements: Statements
  readonly storeId: string
  readonly seal: Seal
  readonly bootId: string
  /** UTC ms. */
  readonly now: () => number
  /** ms. */
  readonly boot: () => number
  readonly transaction: <T>(work: () => T) => T
  readonly onDamaged?: ((error: EvertokenError) => void) | undefined
  readonly faultPoint?: FaultPoint | undefined
}

/**
 * The spool beside a store's file, opened when first needed: reading a token needs none. Knows whether the file is the one
 * in which the store was made. The marker in the spool is written after the store says the same, so it is never ahead of
 * it but where the store is older than it was.
 */
export class AttachedSpool {
  readonly folder: string
  readonly #options: AttachedSpoolOptions
  #spool: HostSpool | undefined
  #instanceId = ''
  #beaten = 0

  constructor(options: AttachedSpoolOptions) {
    this.#options = options
    this.folder = options.folder ?? `${options.file}-spool`
  }

  /** @throws EvertokenError `disk_full`, `spool_unavailable`. */
  get(): HostSpool {
    this.#spool ??= this.#open()
    return this.#spool
  }

  /** Undefined as long as nobody needed it. */
  get opened(): HostSpool | undefined {
    return this.#spool
  }

  /** Undefined where it cannot be opened. */
  tryGet(): HostSpool | undefined {
    try {
      return this.get()
    } catch {
      return undefined
    }
  }

  get foreign(): string | undefined {
    const spool = this.tryGet()
    if (spool?.foreign === undefined) return undefined
    // Another process may have adopted the store meanwhile.
    if (setting(this.#options.statements, 'instance_id') === this.#instanceId) return spool.foreign
    this.#spool = undefined
    return this.tryGet()?.foreign
  }

  /** To be called in a transaction that writes; gives back what to do once it is durable. */
  beat(): (() => void) | undefined {
    const now = this.#options.boot()
    if (this.#spool === undefined || this.#spool.foreign !== undefined || now - this.#beaten < beat)
      return undefined
    this.#beaten = now
    const counter = this.#count()
    return () => this.#spool?.advance(counter)
  }

  /** The store is told apart from whatever it was a copy of. */
  adopt(): void {
    const { statements, file, bootId, transaction } = this.#options
    const spool = this.get()
    const instanceId = crypto.randomUUID()
    const counter = transaction(() => {
      setSetting(statements, 'instance_id', instanceId)
      setSetting(statements, 'file', JSON.stringify(fileIdentity(file, bootId)))
      return this.#count(spool.counter)
    })
    this.#instanceId = instanceId
    spool.adopt(instanceId, counter)
    transaction(() => this.#register(spool))
  }

  async close(): Promise<void> {
    await this.#spool?.close()
  }

  #open(): HostSpool {
    const { statements, storeId, seal, file, bootId, transaction, onDamaged, faultPoint } = this.#options
    const found = fileIdentity(file, bootId)
    this.#beaten = this.#options.boot()
    const [spool, counter] = transaction(() => {
      const recorded = JSON.parse(setting(statements, 'file') ?? 'null') as FileIdentity | null
      const isCopy = recorded !== null && !isSameFile(recorded, found)
      this.#instanceId = setting(statements, 'instance_id') ?? ''
      // Inside the transaction: nobody else moves the counter between the two looks at it.
      const opened = openSpool({
        folder: this.folder,
        storeId,
        instanceId: this.#instanceId,
        seal,
        counter: Number(setting(statements, 'counter') ?? 0),
        foreign: isCopy ? `${file} is a copy of a store that may still be at work` : undefined,
        onDamaged,
        faultPoint,
      })
      if (opened.foreign !== undefined) return [opened, 0] as const
      if (recorded?.boot !== found.boot) setSetting(statements, 'file', JSON.stringify(found))
      this.#register(opened)
      return [opened, this.#count()] as const
    })
    if (counter > 0) spool.advance(counter)
    return spool
  }

  #register({ id, folder }: HostSpool): void {
    registerSpool(this.#options.statements, { id, folder, host: hostname(), seenAt: this.#options.now() })
  }

  #count(atLeast = 0): number {
    const { statements } = this.#options
    const counter = Math.max(Number(setting(statements, 'counter') ?? 0), atLeast) + 1
    setSetting(statements, 'counter', String(counter))
    return counter
  }
}

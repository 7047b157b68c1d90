import { hostname } from 'node:os'
import type { EvertokenError } from '../../errors.ts'
import type { Seal } from '../../grants/seal.ts'
import { type FaultPoint, type HostSpool, openSpool, type StoreWords } from '../spool/spool.ts'
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
    this.#consider((words) => {
      spool.reconsider(words)
      return spool
    })
    return spool.foreign
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

  /**
   * The store is told apart from whatever it was a copy of. Where only this host's spool did not know it (another host has
   * adopted it), the spool is made to: a new id would make a stranger of that other host.
   */
  adopt(): void {
    const { statements, file, bootId, transaction } = this.#options
    const spool = this.get()
    const [instanceId, counter] = transaction(() => {
      const isCopy = this.#isCopy() || spool.counter > this.#counter()
      const id = isCopy ? crypto.randomUUID() : (setting(statements, 'instance_id') as string)
      setSetting(statements, 'instance_id', id)
      setSetting(statements, 'file', JSON.stringify(fileIdentity(file, bootId)))
      return [id, this.#count(spool.counter)] as const
    })
    spool.adopt(instanceId, counter)
    transaction(() => this.#register(spool))
  }

  async close(): Promise<void> {
    await this.#spool?.close()
  }

  #open(): HostSpool {
    const { storeId, seal, onDamaged, faultPoint } = this.#options
    this.#beaten = this.#options.boot()
    return this.#consider((words) =>
      openSpool({ folder: this.folder, storeId, seal, onDamaged, faultPoint, ...words }),
    )
  }

  /** In one transaction, so that nobody else moves the counter between the two looks at it. */
  #consider(look: (words: StoreWords) => HostSpool): HostSpool {
    const { statements, file, bootId, transaction } = this.#options
    const [spool, counter] = transaction(() => {
      const looked = look({
        instanceId: setting(statements, 'instance_id') ?? '',
        counter: this.#counter(),
        foreign: this.#isCopy() ? `${file} is a copy of a store that may still be at work` : undefined,
      })
      if (looked.foreign !== undefined) return [looked, 0] as const
      if (this.#recorded()?.boot !== bootId)
        setSetting(statements, 'file', JSON.stringify(fileIdentity(file, bootId)))
      this.#register(looked)
      return [looked, this.#count()] as const
    })
    spool.advance(counter)
    return spool
  }

  #register({ id, folder }: HostSpool): void {
    registerSpool(this.#options.statements, { id, folder, host: hostname(), seenAt: this.#options.now() })
  }

  #recorded(): FileIdentity | undefined {
    const text = setting(this.#options.statements, 'file')
    return text === undefined ? undefined : (JSON.parse(text) as FileIdentity)
  }

  #isCopy(): boolean {
    const { file, bootId } = this.#options
    const recorded = this.#recorded()
    return recorded !== undefined && !isSameFile(recorded, fileIdentity(file, bootId))
  }

  #counter(): number {
    return Number(setting(this.#options.statements, 'counter') ?? 0)
  }

  #count(atLeast = 0): number {
    const counter = Math.max(this.#counter(), atLeast) + 1
    setSetting(this.#options.statements, 'counter', String(counter))
    return counter
  }
}

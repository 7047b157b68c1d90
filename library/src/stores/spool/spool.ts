import { mkdirSync } from 'node:fs'
import { EvertokenError } from '../../errors.ts'
import type { Seal } from '../../grants/seal.ts'
import type { Spool, SpoolEntry, SpoolRemains } from '../../grants/spool.ts'
import type { Wanted } from './frame.ts'
import { Leftovers } from './leftovers.ts'
import { createMarker, type Marker, readMarker, replaceMarker } from './marker.ts'
import { type Owner, takeOwner } from './owner.ts'
import { spoolError } from './spool-error.ts'
import { type FaultPoint, SpoolFile } from './spool-file.ts'

export type { FaultPoint } from './spool-file.ts'

export interface SpoolOptions {
  /** For one host and one store; made with mode 0700. */
  readonly folder: string
  readonly storeId: string
  /** What the store says of itself now; the marker in the folder must say the same. */
  readonly instanceId: string
  readonly seal: Seal
  /** A number in the store that only grows: a store that is behind the folder is an older copy. Default 0. */
  readonly counter?: number | undefined
  /** Why the store itself says that it is a copy; then the folder is not touched before {@link HostSpool.adopt}. */
  readonly foreign?: string | undefined
  /** Milliseconds for which answers stay readable after the store has them. Default 0. */
  readonly keep?: number | undefined
  /** Bytes of answers that the store does not have, and bytes of what is kept. Default 256 MiB. */
  readonly cap?: number | undefined
  /**
   * Told once of each file with something in it that cannot be read: `store_damaged`, `wrong_encryption_key`,
   * `spool_unavailable`.
   */
  readonly onDamaged?: ((error: EvertokenError) => void) | undefined
  /** `pre_spool`, `mid_spool`, `post_spool_write`, `post_spool`. For tests. */
  readonly faultPoint?: FaultPoint | undefined
}

/**
 * Opens the spool of a host, and makes it where there is none. Takes no lock before the first use of `owner` or `append`.
 *
 * @throws EvertokenError `disk_full`, `spool_unavailable`.
 */
export function openSpool(options: SpoolOptions): HostSpool {
  try {
    mkdirSync(options.folder, { recursive: true, mode: 0o700 })
    return new HostSpool(options)
  } catch (error) {
    throw spoolError(error, options.folder)
  }
}

/** What the store says of itself; see {@link SpoolOptions}. */
export type StoreWords = Pick<SpoolOptions, 'instanceId' | 'counter' | 'foreign'>

/** The spool of this host, as one process has it. Everything but `append` is synchronous. */
export class HostSpool implements Spool {
  readonly folder: string
  readonly #options: SpoolOptions
  readonly #leftovers: Leftovers
  #id: string = crypto.randomUUID()
  #instanceId = ''
  #isClosed = false
  #counter = 0
  #foreign: string | undefined
  #owner: Owner | undefined
  #file: SpoolFile | undefined

  constructor(options: SpoolOptions) {
    const { folder, seal, keep = 0, cap = 256 * 1024 * 1024, onDamaged = () => undefined } = options
    this.folder = folder
    this.#options = { ...options, cap }
    this.#leftovers = new Leftovers({ folder, seal, keep, cap, onDamaged })
    this.reconsider(options)
  }

  /** Compares anew what the store says of itself with what the folder says: another process may have adopted the store. */
  reconsider({ instanceId, counter = 0, foreign }: StoreWords): void {
    const { folder, storeId } = this.#options
    if (foreign === undefined && readMarker(folder) === undefined)
      createMarker(folder, { spoolId: crypto.randomUUID(), storeId, instanceId, counter })
    const marker = readMarker(folder)
    if (typeof marker === 'object') this.#id = marker.spoolId
    this.#counter = typeof marker === 'object' ? marker.counter : 0
    this.#instanceId = instanceId
    this.#foreign = foreign ?? disagreement(folder, { storeId, instanceId, counter }, marker)
    this.advance(counter)
  }

  get id(): string {
    return this.#id
  }

  /** A sentence that says why this folder and the store do not belong together; undefined when they do. */
  get foreign(): string | undefined {
    return this.#foreign
  }

  /** This process. Its lock is held from the first use until `close`. */
  get owner(): string {
    return this.#taken().id
  }

  /** As `owner`, without taking one. */
  get takenOwner(): string | undefined {
    return this.#owner?.id
  }

  async append(entry: SpoolEntry): Promise<void> {
    return this.#written().append(entry)
  }

  async ready(): Promise<void> {
    return this.#written().ready()
  }

  settle(attemptId: string): void {
    this.#file?.settle(attemptId)
  }

  remains(): readonly SpoolRemains[] {
    return this.#foreign === undefined ? this.#leftovers.remains(this.#owner?.id) : []
  }

  isGone(owner: string): boolean {
    return this.#foreign === undefined && owner !== this.#owner?.id && this.#leftovers.isGone(owner)
  }

  /**
   * The newest answer of each grant that the store has had, with the fence it was sent under. `wanted`: only of those, and
   * the others are not even opened; there may be as many as grants were refreshed within a day.
   */
  kept(wanted?: Wanted): readonly SpoolEntry[] {
    if (this.#foreign !== undefined) return []
    return this.#leftovers.kept(this.#owner?.id, this.#file?.live ?? new Set(), wanted)
  }

  /** Of which grants there may be something in `kept`. */
  keptGrants(): readonly string[] {
    return this.#foreign === undefined ? this.#leftovers.keptGrants() : []
  }

  /** Removes files of the dead that are not among `named`, the owners that rows of the store still name. */
  sweep(named: ReadonlySet<string>): void {
    if (this.#foreign === undefined) this.#leftovers.sweep(named)
  }

  /** What the folder knows of the store's counter. */
  get counter(): number {
    return this.#counter
  }

  /** The store's counter has grown, durably. A marker that cannot be written is no reason to stop. */
  advance(counter: number): void {
    if (counter <= this.#counter || this.#foreign !== undefined) return
    const marker = readMarker(this.folder)
    // Somebody has adopted the store meanwhile; this process is not to undo it.
    if (typeof marker !== 'object' || marker.instanceId !== this.#instanceId) return
    try {
      replaceMarker(this.folder, { ...marker, counter })
      this.#counter = counter
    } catch {
      // The next time will do.
    }
  }

  /** The folder belongs to the store from now on, under the store's new instance id. */
  adopt(instanceId: string, counter = 0): void {
    const { folder, storeId } = this.#options
    const marker = readMarker(folder)
    const spoolId =
      typeof marker === 'object' && marker.storeId === storeId ? marker.spoolId : crypto.randomUUID()
    try {
      replaceMarker(folder, { spoolId, storeId, instanceId, counter })
    } catch (error) {
      throw spoolError(error, folder)
    }
    this.#id = spoolId
    this.#counter = counter
    this.#instanceId = instanceId
    this.#foreign = undefined
  }

  /** Answers that are not settled stay for others to find; without any this process leaves nothing. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#file?.close()
    this.#owner?.release(this.#file?.isLive === true ? 'dead' : 'forgotten')
    this.#owner = undefined
  }

  #written(): SpoolFile {
    if (this.#foreign !== undefined)
      throw new EvertokenError('spool_unavailable', this.#foreign, { advice: adoptAdvice })
    try {
      this.#file ??= new SpoolFile({
        folder: this.folder,
        owner: this.owner,
        seal: this.#options.seal,
        cap: this.#options.cap as number,
        keeps: (this.#options.keep ?? 0) > 0,
        faultPoint: this.#options.faultPoint,
      })
    } catch (error) {
      throw spoolError(error, this.folder)
    }
    return this.#file
  }

  #taken(): Owner {
    if (this.#isClosed) throw new EvertokenError('closed', `the spool ${this.folder} is closed`)
    this.#owner ??= takeOwner(this.folder)
    return this.#owner
  }
}

const adoptAdvice = 'Make sure that the other copy has stopped, then run: evertoken adopt'

function disagreement(
  folder: string,
  { storeId, instanceId, counter }: Omit<Marker, 'spoolId'>,
  marker: ReturnType<typeof readMarker>,
): string | undefined {
  if (marker === 'damaged' || marker === undefined) return `the marker of the spool ${folder} cannot be read`
  if (marker.storeId !== storeId) return `the spool ${folder} belongs to another store`
  if (marker.instanceId !== instanceId)
    return `the spool ${folder} belongs to another copy of this store, which may still be at work`
  if (marker.counter > counter)
    return `the store is older than the spool ${folder} knows it: it was restored from a backup`
  return undefined
}

import { readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { EvertokenError } from '../../errors.ts'
import type { Seal } from '../../grants/seal.ts'
import type { SpoolEntry, SpoolRemains } from '../../grants/spool.ts'
import { isEntry, type SpoolMessage } from './entry.ts'
import { grantsIn, newestFrames, type Scanned, scanFrames, type Wanted } from './frame.ts'
import { hasLock, isDead, sweepLocks } from './owner.ts'
import { spoolError } from './spool-error.ts'

/** A file whose owner's lock is missing is taken as left behind when nobody has written it for this long: a day. */
const orphaned = 86_400_000
/** More files than this of what is kept are made one. */
const keptFiles = 8

export interface LeftoversOptions {
  readonly folder: string
  readonly seal: Seal
  /** Milliseconds for which settled answers stay. */
  readonly keep: number
  /** Bytes of what is kept. */
  readonly cap: number
  readonly onDamaged: (error: EvertokenError) => void
}

interface Read {
  readonly size: number
  readonly changed: number
  readonly messages: readonly SpoolMessage[]
  /** There may be an answer in it that cannot be read now. */
  readonly closed: boolean
}

/** What the processes of a folder have left that are gone. A live one's file is nobody else's business. */
export class Leftovers {
  readonly #options: LeftoversOptions
  /** By name; files of the dead change no more. */
  readonly #read = new Map<string, Read>()
  /** Files of which was told that they cannot be read. */
  readonly #told = new Set<string>()

  constructor(options: LeftoversOptions) {
    this.#options = options
  }

  remains(own: string | undefined): readonly SpoolRemains[] {
    const byOwner = this.#files(own)
    if (byOwner.size === 0) return []
    const remains: SpoolRemains[] = []
    for (const [owner, names] of byOwner) {
      if (!this.#isLeft(owner, names)) continue
      const reads = names.map((name) => [name, this.#readFile(name)] as const)
      const entries = unsettled(reads.flatMap(([, read]) => read.messages))
      const discard = (): void => {
        for (const [name, read] of reads) if (!read.closed) this.#discard(name)
      }
      if (entries.length > 0) remains.push({ owner, entries, discard })
      else discard()
    }
    return remains
  }

  isGone(owner: string): boolean {
    if (!isDead(this.#options.folder, owner)) return false
    const names = this.#files(undefined).get(owner) ?? []
    const reads = names.map((name) => this.#readFile(name))
    if (reads.some(({ closed }) => closed)) return false
    return unsettled(reads.flatMap(({ messages }) => messages)).length === 0
  }

  /**
   * Newest of each grant, of all that was settled not long ago: what is under way in another process is that one's to tell.
   * `live`: what is under way in this one. Only what is `wanted` is opened.
   */
  kept(own: string | undefined, live: ReadonlySet<string>, wanted?: Wanted): readonly SpoolEntry[] {
    const newest = new Map<string, SpoolEntry>()
    for (const name of this.#keptNames()) {
      const { messages } = scanFrames(this.#bytes(name), this.#options.seal, wanted)
      const open = name.endsWith('.kept') ? none : ownerOf(name) === own ? live : idsOf(unsettled(messages))
      for (const message of messages) {
        if (!isEntry(message) || open.has(message.attempt.id)) continue
        const known = newest.get(message.grant)
        if (known === undefined || known.attempt.fence <= message.attempt.fence)
          newest.set(message.grant, message)
      }
    }
    return [...newest.values()]
  }

  /** Of which grants there may be something in `kept`. Opens nothing. */
  keptGrants(): readonly string[] {
    return [...new Set(this.#keptNames().flatMap((name) => grantsIn(this.#bytes(name))))]
  }

  #keptNames(): readonly string[] {
    return [...this.#names('spool'), ...this.#names('kept')]
  }

  /** Removes what nobody needs: locks of the dead whom no row names, and what was kept long enough. */
  sweep(named: ReadonlySet<string>): void {
    const { folder, keep } = this.#options
    const withFile = new Set(this.#files(undefined).keys())
    sweepLocks(folder, (owner) => named.has(owner) || withFile.has(owner))
    const young = this.#names('kept').filter((name) => {
      if (this.#age(name) < keep) return true
      rmSync(path.join(folder, name), { force: true })
      return false
    })
    this.#mergeKept(young)
    for (const name of this.#names('reserve')) {
      const owner = ownerOf(name)
      if (!hasLock(folder, owner) || isDead(folder, owner)) rmSync(path.join(folder, name), { force: true })
    }
    for (const name of this.#names('spool')) {
      const owner = ownerOf(name)
      if (
        this.#size(name) === 0 &&
        !named.has(owner) &&
        !hasLock(folder, owner) &&
        this.#age(name) > orphaned
      )
        rmSync(path.join(folder, name), { force: true })
    }
  }

  /** Files that hold something, in the order in which they were written, by owner. */
  #files(own: string | undefined): Map<string, string[]> {
    const byOwner = new Map<string, string[]>()
    for (const name of this.#names('spool')) {
      const owner = ownerOf(name)
      if (owner === own || this.#size(name) === 0) continue
      byOwner.set(owner, [...(byOwner.get(owner) ?? []), name])
    }
    return byOwner
  }

  #names(end: 'spool' | 'kept' | 'reserve'): string[] {
    const { folder } = this.#options
    try {
      const names = readdirSync(folder).filter((name) => name.endsWith(`.${end}`))
      return names.length < 2 ? names : names.sort((a, b) => numberOf(a) - numberOf(b))
    } catch (error) {
      // Nothing can be left in it that could still be read, and nobody is to wait for that.
      this.#tell(folder, spoolError(error, folder))
      return []
    }
  }

  #isLeft(owner: string, names: readonly string[]): boolean {
    const { folder } = this.#options
    if (hasLock(folder, owner)) return isDead(folder, owner)
    return names.every((name) => this.#age(name) > orphaned)
  }

  #size(name: string): number {
    return statSync(path.join(this.#options.folder, name), { throwIfNoEntry: false })?.size ?? 0
  }

  /** Milliseconds since it was last written, by the clock that wrote down when. */
  #age(name: string): number {
    const written = statSync(path.join(this.#options.folder, name), { throwIfNoEntry: false })?.mtimeMs
    return written === undefined ? 0 : Date.now() - written
  }

  #bytes(name: string): Buffer {
    try {
      return readFileSync(path.join(this.#options.folder, name))
    } catch {
      return Buffer.alloc(0)
    }
  }

  #readFile(name: string): Read {
    const file = path.join(this.#options.folder, name)
    try {
      const { size, mtimeMs: changed } = statSync(file)
      const known = this.#read.get(name)
      if (known?.size === size && known.changed === changed) return known
      const scanned = scanFrames(readFileSync(file), this.#options.seal)
      const { messages } = scanned
      const closed = this.#isLocked(file, scanned) || !this.#setAside(file, scanned)
      const read = { size, changed, messages, closed }
      this.#read.set(name, read)
      return read
    } catch (error) {
      // Another process has drained it meanwhile.
      const isThere = (error as NodeJS.ErrnoException).code !== 'ENOENT'
      if (isThere) this.#tell(file, spoolError(error, file))
      return { size: 0, changed: 0, messages: [], closed: isThere }
    }
  }

  #isLocked(file: string, { locked }: Scanned): boolean {
    if (locked === 0) return false
    const advice = 'Put that key back into encryption.keys: they may be the newest tokens of a login.'
    const message = `${locked} answers in the spool ${file} are encrypted with a key that is not configured`
    this.#tell(file, new EvertokenError('wrong_encryption_key', message, { advice }))
    return true
  }

  /** Copies what cannot be read, for people; true when nothing of it is lost by removing the file. */
  #setAside(file: string, { damaged }: Scanned): boolean {
    if (damaged.length === 0) return true
    const aside = file.replace(/spool$/, 'unreadable')
    try {
      const bytes = Buffer.concat(damaged)
      writeFileSync(aside, bytes, { mode: 0o600, flag: 'wx', flush: true })
      const message = `${bytes.length} bytes in the spool ${file} are damaged or not ours; they are now in ${aside}`
      const advice =
        'A login whose newest answer was there may have to be made again; the disk may be failing.'
      this.#tell(file, new EvertokenError('store_damaged', message, { advice }))
      return true
    } catch (error) {
      // Another process was first.
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return true
      this.#tell(file, spoolError(error, aside))
      return false
    }
  }

  #tell(file: string, error: EvertokenError): void {
    if (this.#told.has(file)) return
    this.#told.add(file)
    this.#options.onDamaged(error)
  }

  #discard(name: string): void {
    const { folder, keep } = this.#options
    const file = path.join(folder, name)
    this.#read.delete(name)
    try {
      if (keep === 0) rmSync(file, { force: true })
      else renameSync(file, file.replace(/spool$/, 'kept'))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#tell(file, spoolError(error, file))
    }
  }

  /** One file for many, with the newest of each grant; what is beyond the bound goes, the oldest first. */
  #mergeKept(names: readonly string[]): void {
    if (names.length <= keptFiles) return
    const { folder, cap } = this.#options
    const oldestFirst = names.toSorted((a, b) => this.#age(b) - this.#age(a))
    const bytes = newestFrames(Buffer.concat(oldestFirst.map((name) => this.#bytes(name))))
    const target = path.join(folder, oldestFirst.at(-1) as string)
    const draft = `${target}.${crypto.randomUUID()}`
    const changed = new Date(Date.now() - this.#age(oldestFirst.at(-1) as string))
    writeFileSync(draft, newestFrames(bytes.subarray(Math.max(0, bytes.length - cap))), {
      mode: 0o600,
      flush: true,
    })
    utimesSync(draft, changed, changed)
    renameSync(draft, target)
    for (const name of oldestFirst.slice(0, -1)) rmSync(path.join(folder, name), { force: true })
  }
}

const none: ReadonlySet<string> = new Set()
const idsOf = (entries: readonly SpoolEntry[]): ReadonlySet<string> =>
  new Set(entries.map(({ attempt }) => attempt.id))

const ownerOf = (name: string): string => name.slice(0, name.indexOf('.'))
const numberOf = (name: string): number => Number(name.split('.').at(-2)) || 0

/** What the store may not have, each attempt once. */
function unsettled(messages: readonly SpoolMessage[]): readonly SpoolEntry[] {
  const open = new Map<string, SpoolEntry>()
  for (const message of messages) {
    if (isEntry(message)) open.set(message.attempt.id, message)
    else for (const id of message.settled) open.delete(id)
  }
  return [...open.values()]
}

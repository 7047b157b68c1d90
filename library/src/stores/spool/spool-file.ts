import { closeSync, fdatasync, fsync, ftruncateSync, open, renameSync, rmSync, write } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { EvertokenError } from '../../errors.ts'
import type { Seal } from '../../grants/seal.ts'
import type { SpoolEntry } from '../../grants/spool.ts'
import { encodeFrame } from './frame.ts'
import { Reserve } from './reserve.ts'
import { isFull, spoolError } from './spool-error.ts'

const fs = {
  open: promisify(open),
  write: promisify(write),
  fdatasync: promisify(fdatasync),
  fsync: promisify(fsync),
}

/** Called at each named moment of a write, so that a test can end the process just there. */
export type FaultPoint = (name: string) => void

/** Files of one owner are numbered; names tell what may be in them. */
const fileName = (owner: string, number: number, end: 'spool' | 'kept'): string =>
  number === 0 ? `${owner}.${end}` : `${owner}.${number}.${end}`

/** Beyond this a file is not written any further: it goes as soon as the last answer in it is settled. */
const fullFile = 4 * 1024 * 1024

interface Waiting {
  readonly id: string
  readonly frame: Buffer
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Segment {
  readonly number: number
  readonly file: string
  readonly descriptor: number
  size: number
  /** Attempts whose answers are here and not in the store yet. */
  readonly live: Set<string>
  /** A write to the disk failed: nobody knows which of its pages reached it, so nothing more is written here. */
  broken: boolean
}

export interface SpoolFileOptions {
  readonly folder: string
  readonly owner: string
  readonly seal: Seal
  /** Bytes over all files of the owner. */
  readonly cap: number
  /** Settled answers stay in files of their own. */
  readonly keeps: boolean
  readonly faultPoint?: FaultPoint | undefined
}

/**
 * What one process has in the spool: appended to by nobody else, one file at a time. All answers of a moment share one
 * write and one wait for the disk. Nothing is rewritten; a file goes, or is emptied, when everything in it is settled.
 */
export class SpoolFile {
  readonly #options: SpoolFileOptions
  #current: Segment | undefined
  /** Full or broken, with answers that are not settled. */
  #left: Segment[] = []
  #number = 0
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined
  /** Settled, and not yet said so on the disk. */
  #unsaid: string[] = []
  /** The last write failed. */
  #troubled = false
  #closed = false
  readonly #reserve: Reserve

  constructor(options: SpoolFileOptions) {
    this.#options = options
    this.#reserve = new Reserve(path.join(options.folder, `${options.owner}.reserve`))
  }

  /** Rejects when the next answer could not be kept. Costs nothing while all is well. */
  async ready(): Promise<void> {
    try {
      this.#reserve.hold()
      if (this.#troubled) await this.#enqueue('', encodeFrame({ settled: [] }, this.#options.seal))
      else if (this.#current === undefined) await this.#enqueue('', Buffer.alloc(0))
      this.#checkCap(0)
    } catch (error) {
      throw spoolError(error, this.#options.folder)
    }
  }

  append(entry: SpoolEntry): Promise<void> {
    return this.#enqueue(entry.attempt.id, encodeFrame(entry, this.#options.seal))
  }

  #enqueue(id: string, frame: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new EvertokenError('closed', `the spool ${this.#options.folder} is closed`)
      this.#waiting.push({ id, frame, resolve, reject })
      this.#runSoon()
    })
  }

  /**
   * A turn later, so that what is appended in one turn is written at once, and whoever was waiting for the store has the token
   * before anything is tidied up: to empty a file waits for other writes to the disk.
   */
  #runSoon(): void {
    this.#running ??= new Promise<void>((turn) => setImmediate(turn)).then(() => this.#run())
  }

  settle(id: string): void {
    const index = this.#waiting.findIndex((waiting) => waiting.id === id)
    // The store was faster: there is nothing left to make durable.
    if (index >= 0) this.#waiting.splice(index, 1)[0]?.resolve()
    for (const segment of this.#segments()) if (segment.live.delete(id)) this.#unsaid.push(id)
    this.#runSoon()
  }

  /** Whether there is an answer that the store may not have. */
  get isLive(): boolean {
    return this.live.size > 0
  }

  /** Attempts whose answers the store may not have. */
  get live(): ReadonlySet<string> {
    return new Set(this.#segments().flatMap(({ live }) => [...live]))
  }

  /** Waits for what is being written. What is not settled stays, for others to find. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
    this.#reserve.release()
    const current = this.#current
    this.#current = undefined
    if (current === undefined) return
    closeSync(current.descriptor)
    if (current.live.size === 0) this.#retire(current)
    else this.#left.push(current)
  }

  #segments(): Segment[] {
    return this.#current === undefined ? this.#left : [...this.#left, this.#current]
  }

  async #run(): Promise<void> {
    this.#tidy()
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      try {
        await this.#write(batch)
        for (const { resolve } of batch) resolve()
      } catch (error) {
        const told = spoolError(error, this.#options.folder)
        for (const { reject } of batch) reject(told)
      }
    }
    this.#running = undefined
    this.#tidy()
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    const { faultPoint } = this.#options
    faultPoint?.('pre_spool')
    const unsaid = this.#unsaid
    const said = unsaid.length === 0 ? [] : [encodeFrame({ settled: unsaid }, this.#options.seal)]
    const bytes = Buffer.concat([...said, ...batch.map(({ frame }) => frame)])
    const segment = await this.#writable()
    this.#checkCap(bytes.length)
    for (const { id } of batch) if (id !== '') segment.live.add(id)
    try {
      await this.#put(segment, bytes).catch((error: unknown) => {
        // What was held back for just this.
        if (isFull(error) && this.#reserve.release()) return this.#put(segment, bytes)
        throw error
      })
      faultPoint?.('post_spool_write')
      await fs.fdatasync(segment.descriptor).catch((error: unknown) => {
        segment.broken = true
        throw error
      })
    } catch (error) {
      this.#troubled = true
      for (const { id } of batch) segment.live.delete(id)
      this.#cut(segment, segment.size)
      throw error
    }
    this.#troubled = false
    segment.size += bytes.length
    // What was settled meanwhile is said the next time.
    this.#unsaid = this.#unsaid.filter((id) => !unsaid.includes(id))
    faultPoint?.('post_spool')
  }

  #checkCap(more: number): void {
    const { folder, cap } = this.#options
    if (this.#segments().reduce((sum, { size }) => sum + size, more) <= cap) return
    throw new EvertokenError(
      'disk_full',
      `the spool ${folder} holds ${cap} bytes that the store does not have`,
      {
        advice: 'The store does not take what providers answer; see why. Tokens in it are still served.',
      },
    )
  }

  async #put({ descriptor, size }: Segment, bytes: Buffer): Promise<void> {
    const { faultPoint } = this.#options
    const stop = faultPoint === undefined ? bytes.length : bytes.length >> 1
    for (let done = 0; done < bytes.length; ) {
      const end = done < stop ? stop : bytes.length
      done += (await fs.write(descriptor, bytes, done, end - done, size + done)).bytesWritten
      if (done === stop) faultPoint?.('mid_spool')
    }
  }

  /** The file that is written now, made when first needed. */
  async #writable(): Promise<Segment> {
    const current = this.#current
    if (current !== undefined && current.size < fullFile && !current.broken) return current
    const { folder, owner } = this.#options
    const number = this.#number
    const file = path.join(folder, fileName(owner, number, 'spool'))
    const descriptor = await fs.open(file, 'wx', 0o600)
    this.#number += 1
    try {
      await syncName(folder)
    } catch (error) {
      closeSync(descriptor)
      rmSync(file, { force: true })
      throw error
    }
    if (current !== undefined) {
      this.#left.push(current)
      closeSync(current.descriptor)
    }
    this.#current = { number, file, descriptor, size: 0, live: new Set(), broken: false }
    return this.#current
  }

  /** Lets go of what is settled. Nothing of it has to reach the disk: an answer that is drained again changes nothing. */
  #tidy(): void {
    this.#left = this.#left.filter((segment) => {
      if (segment.live.size > 0) return true
      this.#retire(segment)
      return false
    })
    const current = this.#current
    if (current === undefined || current.live.size > 0 || current.size === 0) return
    if (this.#options.keeps || !this.#cut(current, 0)) return
    current.size = 0
    // Of those in files that stay it is still to be said.
    if (this.#left.length === 0) this.#unsaid = []
  }

  #cut({ descriptor }: Segment, size: number): boolean {
    try {
      ftruncateSync(descriptor, size)
      return true
    } catch {
      return false
    }
  }

  #retire({ file, number, size }: Segment): void {
    const { folder, owner, keeps } = this.#options
    try {
      if (keeps && size > 0) renameSync(file, path.join(folder, fileName(owner, number, 'kept')))
      else rmSync(file, { force: true })
    } catch {
      // It stays, and is drained again once this process is gone, which changes nothing.
    }
  }
}

async function syncName(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const descriptor = await fs.open(folder, 'r')
  try {
    await fs.fsync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'

/*
 * What a disk may hold after the power went away, worked out from the system calls that a process made (F18). Until a file
 * is synced each write and each cut of its length may have reached the disk or not, in any combination, and a write also by
 * half. What it was told to sync is there.
 */

/** One system call on a file, or a line that the process wrote to stderr. */
export type Call =
  | { readonly kind: 'write'; readonly file: string; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly file: string; readonly size: number }
  | { readonly kind: 'sync' | 'create' | 'unlink'; readonly file: string }
  | { readonly kind: 'said'; readonly line: string }

export const hasStrace = (): boolean => {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const traced = 'openat,pwrite64,write,ftruncate,fdatasync,fsync,unlink'

/** Runs a script of ours to its end and gives back what it did to files below `folder`. */
export function recordedCalls(script: URL, task: unknown, folder: string, record: string): Call[] {
  const options = ['-f', '-y', '-xx', '-s', '100000', '-e', `trace=${traced}`, '-o', record]
  const program = [process.execPath, '--conditions=evertoken:source', script.pathname, JSON.stringify(task)]
  execFileSync('strace', [...options, ...program], {
    stdio: ['ignore', 'ignore', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  })
  return parsed(readFileSync(record, 'latin1'), folder)
}

const unescaped = (text: string): Buffer => Buffer.from(text.replaceAll('\\x', ''), 'hex')

/** A call counts where it began, but a sync where it ended: each at the moment that promises least. */
function parsed(record: string, folder: string): Call[] {
  const calls: Call[] = []
  const syncing = new Map<string, string>()
  for (const line of record.split('\n')) {
    const [, thread = '', name = '', rest = ''] = /^(\d+) +(?:<\.\.\. )?(\w+)(.*)$/.exec(line) ?? []
    const resumed = rest.startsWith(' resumed')
    if (resumed) {
      const file = syncing.get(thread)
      if (file !== undefined && rest.endsWith('= 0')) calls.push({ kind: 'sync', file })
      syncing.delete(thread)
      continue
    }
    const file = unescaped(/^\(\d+<((?:\\x..)+)>/.exec(rest)?.[1] ?? '').toString()
    const strings = [...rest.matchAll(/"((?:\\x..)*)"/g)].map(([, text = '']) => text)
    const numbers = [...rest.replace(/"[^"]*"|<[^>]*>/g, '').matchAll(/, (\d+)/g)].map(([, digits]) =>
      Number(digits),
    )
    if (name === 'write' && rest.startsWith('(2<'))
      calls.push({
        kind: 'said',
        line: unescaped(strings[0] ?? '')
          .toString()
          .trim(),
      })
    else if (name === 'openat' && rest.includes('O_CREAT')) {
      const created = unescaped(strings[0] ?? '').toString()
      if (created.startsWith(folder)) calls.push({ kind: 'create', file: created })
    } else if (name === 'unlink') calls.push({ kind: 'unlink', file: unescaped(strings[0] ?? '').toString() })
    else if (!file.startsWith(folder)) continue
    else if (name === 'pwrite64')
      calls.push({ kind: 'write', file, at: numbers[1] ?? 0, bytes: unescaped(strings[0] ?? '') })
    else if (name === 'ftruncate') calls.push({ kind: 'truncate', file, size: numbers[0] ?? 0 })
    else if (name === 'fdatasync' || name === 'fsync') {
      if (rest.includes('unfinished')) syncing.set(thread, file)
      else calls.push({ kind: 'sync', file })
    }
  }
  return calls
}

type Change = Extract<Call, { kind: 'write' | 'truncate' }>

/** Decides between n ways. */
export type Choose = (ways: number) => number

/** All files: what is sure, and what may have happened since. */
export class Disk {
  readonly #files = new Map<string, CutFile>()

  constructor(files: ReadonlyMap<string, Buffer> = new Map()) {
    for (const [file, content] of files) this.#files.set(file, new CutFile(content, 'there'))
  }

  apply(call: Exclude<Call, { kind: 'said' }>): void {
    const file = this.#files.get(call.file)
    switch (call.kind) {
      case 'create':
        if (file === undefined || file.name === 'going') this.#files.set(call.file, new CutFile())
        break
      case 'unlink':
        if (file !== undefined) file.name = 'going'
        break
      case 'sync':
        file?.sync()
        // Of a folder: the names in it are as they are from now on.
        for (const [place, { name }] of this.#files) {
          if (path.dirname(place) !== call.file) continue
          if (name === 'going') this.#files.delete(place)
          else (this.#files.get(place) as CutFile).name = 'there'
        }
        break
      default:
        file?.apply(call)
    }
  }

  /** One of the states that the disk may be in. */
  contents(choose: Choose): Map<string, Buffer> {
    const contents = new Map<string, Buffer>()
    for (const [place, file] of this.#files)
      if (file.name === 'there' || choose(2) === 0) contents.set(place, file.content(choose))
    return contents
  }
}

class CutFile {
  readonly #sure = new GrowingBytes()
  #pending: Change[] = []
  /** Whether its name is in the folder for sure. */
  name: 'coming' | 'there' | 'going'

  constructor(content: Buffer = Buffer.alloc(0), name: CutFile['name'] = 'coming') {
    this.#sure.write(content, 0)
    this.name = name
  }

  apply(change: Change): void {
    this.#pending.push(change)
  }

  sync(): void {
    for (const change of this.#pending) this.#sure.change(change, 'whole')
    this.#pending = []
  }

  content(choose: Choose): Buffer {
    const content = new GrowingBytes()
    content.write(this.#sure.bytes, 0)
    for (const change of this.#pending) {
      const how = (['whole', 'not', 'half'] as const)[choose(3)] ?? 'whole'
      if (how !== 'not') content.change(change, how)
    }
    return content.bytes
  }
}

class GrowingBytes {
  #room = Buffer.alloc(0)
  #length = 0

  get bytes(): Buffer {
    return this.#room.subarray(0, this.#length)
  }

  change(change: Change, how: 'whole' | 'half'): void {
    if (change.kind === 'truncate') {
      this.#resize(change.size)
      return
    }
    // The length may have grown without what was to stand there.
    this.#resize(Math.max(this.#length, change.at + change.bytes.length))
    const bytes = how === 'whole' ? change.bytes : change.bytes.subarray(0, change.bytes.length >> 1)
    bytes.copy(this.#room, change.at)
  }

  write(bytes: Buffer, at: number): void {
    this.change({ kind: 'write', file: '', at, bytes }, 'whole')
  }

  #resize(length: number): void {
    if (length > this.#room.length) {
      const room = Buffer.alloc(2 * length)
      this.bytes.copy(room)
      this.#room = room
    }
    if (length < this.#length) this.#room.fill(0, length, this.#length)
    this.#length = length
  }
}

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

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
  execFileSync('strace', [...options, process.execPath, script.pathname, JSON.stringify(task)], {
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

/** One file: what is sure, and what may have happened since. */
export class CutFile {
  #sure: Buffer
  #pending: Change[] = []

  constructor(content: Buffer = Buffer.alloc(0)) {
    this.#sure = content
  }

  apply(call: Change): void {
    this.#pending.push(call)
  }

  sync(): void {
    for (const change of this.#pending) this.#sure = changed(this.#sure, change, 'whole')
    this.#pending = []
  }

  /** One of the contents that the disk may show; `choose(n)` decides between n ways. */
  content(choose: (ways: number) => number): Buffer {
    let content = this.#sure
    for (const change of this.#pending) {
      const how = (['whole', 'not', 'half'] as const)[choose(3)] ?? 'whole'
      if (how !== 'not') content = changed(content, change, how)
    }
    return content
  }
}

function changed(content: Buffer, change: Change, how: 'whole' | 'half'): Buffer {
  if (change.kind === 'truncate') {
    const cut = Buffer.alloc(change.size)
    content.copy(cut)
    return cut
  }
  const bytes = how === 'whole' ? change.bytes : change.bytes.subarray(0, change.bytes.length >> 1)
  const end = change.at + change.bytes.length
  // The length may have grown without what was to stand there.
  const next =
    end > content.length ? Buffer.concat([content, Buffer.alloc(end - content.length)]) : Buffer.from(content)
  bytes.copy(next, change.at)
  return next
}

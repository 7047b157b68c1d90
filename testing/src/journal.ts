import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

interface JournalEvent {
  readonly type: string
  readonly at: number
}

const newline = 0x0a

/**
 * Append-only file of events, one JSON object a line. An event is on the kernel's side before {@link Journal.append}
 * returns, so SIGKILL of the process loses nothing that was answered. There is no fsync: a power cut is not its subject.
 */
export class Journal<Event extends JournalEvent> {
  readonly #descriptor: number
  #open = true

  private constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  /** Opens or makes the file; gives the events in it. Throws when a line other than the last is damaged. */
  static open<Event extends JournalEvent>(
    file: string,
  ): { journal: Journal<Event>; events: readonly Event[] } {
    mkdirSync(dirname(file), { recursive: true })
    const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0)
    const { events, length } = readEvents<Event>(bytes, file)
    // Opened for appending, so that a second writer by mistake tears no line of ours.
    const descriptor = openSync(file, 'a', 0o600)
    // A torn line was never answered; it goes, or the next event would be glued to it.
    if (length < bytes.length) ftruncateSync(descriptor, length)
    return { journal: new Journal<Event>(descriptor), events }
  }

  /** The events in a file that somebody else may be writing to; a last line that is torn is left out. */
  static read<Event extends JournalEvent>(file: string): readonly Event[] {
    return readEvents<Event>(readFileSync(file), file).events
  }

  append(event: Event): void {
    if (!this.#open) throw new Error('the practice server was stopped')
    const line = Buffer.from(`${JSON.stringify(event)}\n`)
    for (let written = 0; written < line.length; ) written += writeSync(this.#descriptor, line, written)
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    closeSync(this.#descriptor)
  }
}

/** Also the length of the good part: everything behind the last whole line is torn. */
function readEvents<Event extends JournalEvent>(
  bytes: Buffer,
  file: string,
): { events: Event[]; length: number } {
  const events: Event[] = []
  let start = 0
  for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
    const event = parse<Event>(bytes.toString('utf8', start, end))
    if (event === undefined) {
      if (end === bytes.length - 1) break
      throw new Error(`${file}, line ${events.length + 1}: not an event of a practice server's journal`)
    }
    events.push(event)
    start = end + 1
  }
  return { events, length: start }
}

function parse<Event extends JournalEvent>(line: string): Event | undefined {
  try {
    const value: unknown = JSON.parse(line)
    const isEvent = typeof value === 'object' && value !== null && 'type' in value && 'at' in value
    return isEvent ? (value as Event) : undefined
  } catch {
    return undefined
  }
}

/** One message of PostgreSQL's protocol (docs, chapter "Message Formats"). `type` is empty for the first of a client. */
export interface Message {
  readonly type: string
  /** With its header, as it goes on the wire. */
  readonly bytes: Buffer
}

/** Cuts a stream into messages; `first` when it begins with the client's start-up, which has no type. */
export class MessageReader {
  #rest: Buffer = Buffer.alloc(0)
  #starting: boolean

  constructor({ first = false }: { first?: boolean } = {}) {
    this.#starting = first
  }

  read(chunk: Buffer): Message[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const messages: Message[] = []
    for (;;) {
      const head = this.#starting ? 0 : 1
      if (this.#rest.length < head + 4) return messages
      const length = head + this.#rest.readInt32BE(head)
      if (this.#rest.length < length) return messages
      const bytes = this.#rest.subarray(0, length)
      this.#rest = this.#rest.subarray(length)
      messages.push({ type: head === 0 ? '' : String.fromCharCode(bytes[0] ?? 0), bytes })
      if (this.#starting && !asksForEncryption(bytes)) this.#starting = false
    }
  }
}

/** A client may ask whether to encrypt before it starts; one byte answers. */
export const asksForEncryption = (bytes: Buffer): boolean =>
  [80877103, 80877104].includes(bytes.readInt32BE(4))

export const asksToCancel = (bytes: Buffer): boolean => bytes.readInt32BE(4) === 80877102

/** Names and values of a start-up message. */
export function startupFacts(bytes: Buffer): Record<string, string> {
  const words = bytes.toString('utf8', 8).split('\0')
  const facts: Record<string, string> = {}
  for (let at = 0; words[at]; at += 2) facts[words[at] ?? ''] = words[at + 1] ?? ''
  return facts
}

/** The text of a simple query, or of one that is parsed. */
export function statementOf({ type, bytes }: Message): string | undefined {
  if (type === 'Q') return bytes.toString('utf8', 5, bytes.length - 1)
  if (type !== 'P') return undefined
  const name = bytes.indexOf(0, 5)
  return bytes.toString('utf8', name + 1, bytes.indexOf(0, name + 1))
}

export function message(type: string, body: Buffer): Buffer {
  const bytes = Buffer.alloc(5 + body.length)
  bytes.write(type, 0, 'latin1')
  bytes.writeInt32BE(4 + body.length, 1)
  body.copy(bytes, 5)
  return bytes
}

/** What a server says after each transaction and statement: `I` outside of one, `T` within, `E` within one that failed. */
export const readyState = (bytes: Buffer): string => String.fromCharCode(bytes[5] ?? 0)

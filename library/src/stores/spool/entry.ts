import type { SpoolEntry } from '../../grants/spool.ts'

/*
 * What a frame says, as JSON. Bytes are told from text by a tag, so that an answer may hold them anywhere.
 */

/** Ids of attempts whose answers the store has: a later reader need not drain them again. */
export interface Settled {
  readonly settled: readonly string[]
}

export type SpoolMessage = SpoolEntry | Settled

export const isEntry = (message: SpoolMessage): message is SpoolEntry => !('settled' in message)

const tag = '$base64'

export const messageText = (message: SpoolMessage): string =>
  JSON.stringify(message, function (this: Record<string, unknown>, name, value: unknown) {
    // Of a Buffer `value` is what its toJSON made of it.
    const raw = this[name]
    return raw instanceof Uint8Array ? { [tag]: Buffer.from(raw).toString('base64') } : value
  })

export const messageFrom = (text: string): SpoolMessage =>
  JSON.parse(text, (_name, value: unknown) => {
    if (typeof value !== 'object' || value === null || !(tag in value)) return value
    return new Uint8Array(Buffer.from(String(value[tag]), 'base64'))
  }) as SpoolMessage

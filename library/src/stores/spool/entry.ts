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

const tagged = (bytes: Uint8Array) => ({
  [tag]: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'),
})

/** The bytes by their names: a replacer is called for every member, after toJSON has made a list of numbers of a Buffer. */
export function messageText(message: SpoolMessage): string {
  if (!isEntry(message)) return JSON.stringify(message)
  const { token, refreshToken } = message.answered
  return JSON.stringify({
    ...message,
    answered: {
      ...message.answered,
      token: token && { ...token, sealed: tagged(token.sealed) },
      refreshToken: refreshToken && { ...refreshToken, sealed: tagged(refreshToken.sealed) },
    },
  })
}

export const messageFrom = (text: string): SpoolMessage =>
  JSON.parse(text, (_name, value: unknown) => {
    if (typeof value !== 'object' || value === null || !(tag in value)) return value
    return new Uint8Array(Buffer.from(String(value[tag]), 'base64'))
  }) as SpoolMessage

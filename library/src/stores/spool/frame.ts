import { EvertokenError } from '../../errors.ts'
import type { Seal } from '../../grants/seal.ts'
import { isEntry, messageFrom, messageText, type SpoolMessage } from './entry.ts'

/*
 * One message in a spool file: magic, length of the rest, length of the grant id, grant id, sealed box. Whether a frame is
 * whole, ours and unchanged is told by its seal, never by its length.
 */

const magic = Buffer.from('evS1')
const headerBytes = 10

/** Frames that belong to no grant are sealed under this. */
const noGrant = ''

export function encodeFrame(message: SpoolMessage, seal: Seal): Buffer {
  const grant = isEntry(message) ? message.grant : noGrant
  const fence = isEntry(message) ? message.attempt.fence : 0
  const box = seal.seal(messageText(message), { grant, field: 'spool', fence })
  const id = Buffer.from(grant)
  const header = Buffer.alloc(headerBytes)
  magic.copy(header)
  header.writeUInt32BE(id.length + box.length, 4)
  header.writeUInt16BE(id.length, 8)
  return Buffer.concat([header, id, box])
}

/** What a spool file holds. */
export interface Scanned {
  /** In the order in which they were written. */
  readonly messages: readonly SpoolMessage[]
  /** Bytes that are no frame of ours, without a torn tail: that one was never acknowledged. */
  readonly damaged: readonly Uint8Array[]
  /** Frames that are whole and sealed with a key which is not configured. */
  readonly locked: number
}

/** Which answers are of interest, by what their frame and their seal say of them without being opened. */
export type Wanted = (grant: string, fence: number) => boolean

/**
 * Reads what can be read; after bytes that are no frame it goes on at the next that looks like one.
 *
 * @param wanted answers that are not stay unopened and are left out.
 */
export function scanFrames(bytes: Buffer, seal: Seal, wanted: Wanted = () => true): Scanned {
  const messages: SpoolMessage[] = []
  const damaged: Uint8Array[] = []
  let locked = 0
  for (let at = 0; at < bytes.length; ) {
    const frame = frameAt(bytes, at)
    if (
      typeof frame === 'object' &&
      frame.grant !== noGrant &&
      !wanted(frame.grant, seal.fenceOf(frame.box))
    ) {
      at = frame.end
      continue
    }
    const opened = typeof frame === 'string' ? frame : open(frame, seal)
    if (typeof frame === 'object' && opened !== 'damaged') {
      if (opened === 'locked') locked += 1
      else messages.push(opened as SpoolMessage)
      at = frame.end
      continue
    }
    const next = bytes.indexOf(magic, at + 1)
    if (next < 0 && opened === 'cut') break
    const end = next < 0 ? bytes.length : next
    damaged.push(new Uint8Array(bytes.subarray(at, end)))
    at = end
  }
  return { messages, damaged, locked }
}

interface Frame {
  readonly grant: string
  readonly box: Uint8Array
  readonly end: number
}

/** `cut`: it may have been a frame that the file ends in. */
function frameAt(bytes: Buffer, at: number): Frame | 'cut' | 'damaged' {
  const start = bytes.subarray(at, at + magic.length)
  if (!start.equals(magic.subarray(0, start.length))) return 'damaged'
  if (bytes.length - at < headerBytes) return 'cut'
  const end = at + headerBytes + bytes.readUInt32BE(at + 4)
  const box = at + headerBytes + bytes.readUInt16BE(at + 8)
  if (box > end) return 'damaged'
  if (end > bytes.length) return 'cut'
  return { grant: bytes.toString('utf8', at + headerBytes, box), box: bytes.subarray(box, end), end }
}

function open({ grant, box }: Frame, seal: Seal): SpoolMessage | 'locked' | 'damaged' {
  try {
    return messageFrom(seal.open(box, { grant, field: 'spool' }))
  } catch (error) {
    return error instanceof EvertokenError && error.code === 'wrong_encryption_key' ? 'locked' : 'damaged'
  }
}

/** Of which grants there are answers. Opens nothing. */
export const grantsIn = (bytes: Buffer): readonly string[] => [...newestByGrant(bytes).keys()]

/** The newest frame of each grant, for what is kept only to be looked up again. Opens nothing. */
export const newestFrames = (bytes: Buffer): Buffer => Buffer.concat([...newestByGrant(bytes).values()])

function newestByGrant(bytes: Buffer): Map<string, Buffer> {
  const newest = new Map<string, Buffer>()
  for (let at = 0; at < bytes.length; ) {
    const frame = frameAt(bytes, at)
    if (typeof frame === 'object') {
      newest.delete(frame.grant)
      newest.set(frame.grant, bytes.subarray(at, frame.end))
      at = frame.end
    } else {
      const next = bytes.indexOf(magic, at + 1)
      at = next < 0 ? bytes.length : next
    }
  }
  newest.delete(noGrant)
  return newest
}

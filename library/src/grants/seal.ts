import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
  randomFillSync,
} from 'node:crypto'
import { EvertokenError } from '../errors.ts'
import type { Secret } from '../secret.ts'

/** What a ciphertext is bound to: it opens only where it was written for. */
export interface Place {
  readonly grant: string
  readonly field: 'definition' | 'refresh_token' | 'access_token' | 'proof_key' | 'consent' | 'spool'
  /** For an access token. */
  readonly scope?: string | undefined
  /** For an access token. */
  readonly resource?: string | undefined
  /** Fence of the writer. */
  readonly fence: number
}

/** Encryption at rest. */
export interface Seal {
  seal(text: string, place: Place): Uint8Array
  /** Throws `store_damaged` when the ciphertext was cut, changed or moved, `wrong_encryption_key` for an unknown key. */
  open(box: Uint8Array, place: Omit<Place, 'fence'>): string
  /** The fence a box says it was written under, unproven: only `open` tells whether that is true. */
  fenceOf(box: Uint8Array): number
  /**
   * Keyed hash of a secret, 32 hexadecimal digits: equal for equal secrets, useless without the key. `known`, where it is one
   * of the same secret under any of the keys, so that another first key makes nothing look like another secret.
   */
  fingerprint(text: string, known?: string | undefined): string
}

/** A master key: 32 bytes, with the id that is written beside everything it encrypts. */
export interface MasterKey {
  readonly id: string
  /** 32 bytes as base64url. */
  readonly key: Secret
}

const version = 1
const nonceBytes = 12
const tagBytes = 16
const fenceBytes = 8
/** Its length is written as one byte. */
const longestKeyId = 255

/** Keys of grants kept at hand. */
const keptKeys = 10_000

/** Nonces are drawn many at a time: each draw is a system call. */
const drawn = Buffer.alloc(256 * nonceBytes)
let used = drawn.length
function nextNonce(): Buffer {
  if (used === drawn.length) {
    randomFillSync(drawn)
    used = 0
  }
  used += nonceBytes
  return Buffer.from(drawn.subarray(used - nonceBytes, used))
}

const derive = (master: KeyObject, ...purpose: string[]): Buffer => {
  const hmac = createHmac('sha256', master)
  for (const part of purpose) hmac.update(`${Buffer.byteLength(part)}:${part}`)
  return hmac.digest()
}

/** Reads a master key's text; throws `key_file_unreadable`, with the file if it has one, when it is not 32 bytes of base64url. */
export function masterKeyObject({ id, key }: MasterKey, file?: string): KeyObject {
  const bytes = Buffer.from(key.reveal(), 'base64url')
  if (bytes.length !== 32)
    throw new EvertokenError(
      'key_file_unreadable',
      `master key ${id}${file === undefined ? '' : ` in ${file}`} is ${bytes.length} bytes long instead of 32`,
      {
        advice:
          'A master key is 32 random bytes as base64url: 43 characters. Restore the file from your backup; one that was cut off opens nothing.',
      },
    )
  return createSecretKey(bytes)
}

/** A value stored beside the data by which a later start knows its key again (key commitment). */
export const keyCheck = (master: KeyObject, storeId: string): string =>
  derive(master, 'key check', storeId).toString('hex')

/**
 * AES-256-GCM under a key of its own for each grant, so that no key encrypts more messages than random nonces
 * allow (NIST SP 800-38D section 8.3), with everything in {@link Place}, the store's id and the key id as
 * associated data. Layout: version, key id length, key id, fence, nonce, ciphertext, tag.
 */
export function aesSeal(storeId: string, keys: readonly MasterKey[]): Seal {
  for (const { id } of keys)
    if (id === '' || Buffer.byteLength(id) > longestKeyId)
      throw new TypeError(
        `the id of a master key is 1 to ${longestKeyId} bytes long, not ${Buffer.byteLength(id)}`,
      )
  const masters = new Map(keys.map((key) => [key.id, masterKeyObject(key)]))
  const first = keys[0]
  if (first === undefined) throw new TypeError('at least one master key is needed')
  const current = first.id
  const currentMaster = masters.get(current) as KeyObject
  const fingerprintKey = createSecretKey(derive(currentMaster, 'fingerprint', storeId))
  const printed = (text: string, by: KeyObject): string =>
    createHmac('sha256', by).update(text).digest('hex').slice(0, 32)
  const isPrint = (text: string, known: string): boolean =>
    [...masters.values()].some(
      (master) => printed(text, createSecretKey(derive(master, 'fingerprint', storeId))) === known,
    )

  /** Of grants that were used not long ago: a refresh needs its grant's key four times. */
  const grantKeys = new Map<KeyObject, Map<string, KeyObject>>(
    [...masters.values()].map((key) => [key, new Map()]),
  )
  const grantKey = (master: KeyObject, grant: string): KeyObject => {
    const known = grantKeys.get(master) as Map<string, KeyObject>
    const made = known.get(grant) ?? createSecretKey(derive(master, 'grant', storeId, grant))
    if (known.size >= keptKeys) known.clear()
    known.set(grant, made)
    return made
  }
  const bound = (header: Uint8Array, place: Omit<Place, 'fence'>): Buffer =>
    Buffer.from(
      JSON.stringify([
        storeId,
        place.grant,
        place.field,
        place.scope ?? '',
        place.resource ?? '',
        Buffer.from(header).toString('base64'),
      ]),
    )

  return {
    seal(text, place) {
      const id = Buffer.from(current)
      const header = Buffer.alloc(2 + id.length + fenceBytes)
      header[0] = version
      header[1] = id.length
      id.copy(header, 2)
      header.writeBigUInt64BE(BigInt(place.fence), 2 + id.length)
      const nonce = nextNonce()
      const cipher = createCipheriv('aes-256-gcm', grantKey(currentMaster, place.grant), nonce)
      cipher.setAAD(bound(header, place))
      return Buffer.concat([header, nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    },

    open(box, place) {
      const bytes = Buffer.from(box.buffer, box.byteOffset, box.byteLength)
      const idLength = bytes[1] ?? 0
      const headerLength = 2 + idLength + fenceBytes
      if (bytes[0] !== version || bytes.length < headerLength + nonceBytes + tagBytes) throw damaged(place)
      const id = bytes.toString('utf8', 2, 2 + idLength)
      const master = masters.get(id)
      if (master === undefined)
        throw new EvertokenError(
          'wrong_encryption_key',
          `grant ${place.grant}: its ${place.field} is encrypted with key ${JSON.stringify(id)}, which is not configured`,
          { grant: place.grant, advice: 'Put that key back into encryption.keys.' },
        )
      const nonce = bytes.subarray(headerLength, headerLength + nonceBytes)
      const decipher = createDecipheriv('aes-256-gcm', grantKey(master, place.grant), nonce)
      decipher.setAAD(bound(bytes.subarray(0, headerLength), place))
      decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes))
      try {
        const text = decipher.update(bytes.subarray(headerLength + nonceBytes, bytes.length - tagBytes))
        return Buffer.concat([text, decipher.final()]).toString('utf8')
      } catch {
        throw damaged(place)
      }
    },

    fenceOf(box) {
      const header = Buffer.from(box.buffer, box.byteOffset, box.byteLength)
      const at = 2 + (header[1] ?? 0)
      return header.length < at + fenceBytes ? 0 : Number(header.readBigUInt64BE(at))
    },

    fingerprint(text, known) {
      const print = printed(text, fingerprintKey)
      return known !== undefined && known !== print && isPrint(text, known) ? known : print
    },
  }
}

const damaged = (place: Omit<Place, 'fence'>): EvertokenError =>
  new EvertokenError(
    'store_damaged',
    `grant ${place.grant}: its ${place.field} does not decrypt; the row was changed, cut or moved`,
    { grant: place.grant, advice: 'Restore the store from a backup, or consent again for this grant.' },
  )

/** For stores that live and die with the process: secrets stay in memory anyway. */
export function memorySeal(): Seal {
  const key = createSecretKey(randomBytes(32))
  return {
    seal: (text) => Buffer.from(text),
    open: (box) => Buffer.from(box).toString('utf8'),
    fenceOf: () => Number.MAX_SAFE_INTEGER,
    fingerprint: (text) => createHmac('sha256', key).update(text).digest('hex').slice(0, 32),
  }
}

import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  aesSeal,
  keyCheck,
  type MasterKey,
  masterKeyObject,
  memorySeal,
  type Place,
} from '../../src/grants/seal.ts'
import { Secret } from '../../src/secret.ts'

const masterKey = (id = 'k1'): MasterKey => ({ id, key: new Secret(randomBytes(32).toString('base64url')) })
const key = masterKey()
const seal = aesSeal('store-1', [key])
const place: Place = {
  grant: 'billing',
  field: 'access_token',
  scope: 'read',
  resource: 'https://api',
  fence: 7,
}
const damaged = expect.objectContaining({ code: 'store_damaged', grant: 'billing' })

/** Layout: version, key id length, key id, fence (8), nonce (12), ciphertext, tag (16). */
const headerLength = 2 + 2 + 8
const nonceOf = (box: Uint8Array): string =>
  Buffer.from(box.subarray(headerLength, headerLength + 12)).toString('hex')

test('what was sealed opens in its place, whatever the text', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
      (text) => {
        expect(seal.open(seal.seal(text, place), place)).toBe(text)
      },
    ),
  )
})

test('the text stands nowhere in the ciphertext, and the key id and fence do', () => {
  const box = Buffer.from(seal.seal('very-secret', place))
  expect(box.includes('very-secret')).toBe(false)
  expect(box.subarray(0, headerLength)).toEqual(Buffer.from([1, 2, 0x6b, 0x31, 0, 0, 0, 0, 0, 0, 0, 7]))
})

describe('a ciphertext opens nowhere else', () => {
  const box = seal.seal('secret', place)

  test.each<[string, Partial<Place>]>([
    ['another grant', { grant: 'payroll' }],
    ['another field', { field: 'refresh_token' }],
    ['another scope', { scope: 'write' }],
    ['no scope', { scope: undefined }],
    ['another resource', { resource: 'https://other' }],
    ['scope and resource exchanged', { scope: 'https://api', resource: 'read' }],
    ['parts moved from one name to the next', { grant: 'billing"', scope: 'rea' }],
  ])('%s', (_name, change) => {
    const elsewhere = { ...place, ...change }
    expect(() => seal.open(box, elsewhere)).toThrow(
      expect.objectContaining({ code: 'store_damaged', grant: elsewhere.grant }),
    )
  })

  test('another store with the same key', () => {
    expect(() => aesSeal('store-2', [key]).open(box, place)).toThrow(damaged)
  })

  test('another fence', () => {
    const forged = Buffer.from(box)
    forged[headerLength - 1] = 8
    expect(() => seal.open(forged, place)).toThrow(damaged)
  })

  test('another key under the same id', () => {
    expect(() => aesSeal('store-1', [masterKey('k1')]).open(box, place)).toThrow(damaged)
  })

  test('the same key under another id', () => {
    const renamed = { ...key, id: 'k2' }
    const forged = Buffer.from(box)
    forged.write('k2', 2)
    expect(() => aesSeal('store-1', [renamed]).open(forged, place)).toThrow(damaged)
  })

  test('a key that is not configured, which is said as such', () => {
    expect(() => aesSeal('store-1', [masterKey('k2')]).open(box, place)).toThrow(
      expect.objectContaining({ code: 'wrong_encryption_key', message: expect.stringContaining('"k1"') }),
    )
  })
})

test('a ciphertext that was cut at any byte does not open', () => {
  const box = seal.seal('secret', place)
  for (let length = 0; length < box.length; length++)
    expect(() => seal.open(box.subarray(0, length), place)).toThrow(damaged)
  expect(() => seal.open(Buffer.concat([box, Buffer.from([0])]), place)).toThrow(damaged)
})

test('a ciphertext with any bit changed does not open', () => {
  const box = seal.seal('secret', place)
  for (let index = 0; index < box.length; index++)
    for (const bit of [1, 128]) {
      const forged = Buffer.from(box)
      forged[index] = (forged[index] as number) ^ bit
      expect(() => seal.open(forged, place)).toThrow(/does not decrypt|is not configured/)
    }
})

test('the first key seals, every key opens', () => {
  const [old, fresh] = [masterKey('old'), masterKey('new')]
  const before = aesSeal('store-1', [old]).seal('secret', place)
  const both = aesSeal('store-1', [fresh, old])
  expect(both.open(before, place)).toBe('secret')
  expect(aesSeal('store-1', [fresh]).open(both.seal('later', place), place)).toBe('later')
})

test('a hundred thousand ciphertexts have as many nonces', () => {
  const nonces = new Set<string>()
  for (let index = 0; index < 100_000; index++) nonces.add(nonceOf(seal.seal('', place)))
  expect(nonces.size).toBe(100_000)
})

test('a fingerprint is the same for the same text and says nothing without the key', () => {
  expect(seal.fingerprint('refresh-1')).toMatch(/^[0-9a-f]{32}$/)
  expect(aesSeal('store-1', [key]).fingerprint('refresh-1')).toBe(seal.fingerprint('refresh-1'))
  expect(seal.fingerprint('refresh-2')).not.toBe(seal.fingerprint('refresh-1'))
  expect(aesSeal('store-1', [masterKey()]).fingerprint('refresh-1')).not.toBe(seal.fingerprint('refresh-1'))
  expect(aesSeal('store-2', [key]).fingerprint('refresh-1')).not.toBe(seal.fingerprint('refresh-1'))
})

describe('a master key', () => {
  test.each(['', 'c2hvcnQ', randomBytes(31).toString('base64url'), randomBytes(33).toString('base64url')])(
    'of a wrong length is refused: %s',
    (text) => {
      const short = { id: 'k1', key: new Secret(text || 'x') }
      expect(() => masterKeyObject(short)).toThrow(expect.objectContaining({ code: 'key_file_unreadable' }))
      expect(() => aesSeal('store-1', [short])).toThrow(
        expect.objectContaining({ code: 'key_file_unreadable' }),
      )
    },
  )

  // The length of the id is one byte: with 256 characters it was written as none, and nothing opened again.
  test('with an id that does not fit its one byte of length is refused', () => {
    const id = 'k'.repeat(255)
    const long = aesSeal('store-1', [masterKey(id)])
    expect(long.open(long.seal('secret', place), place)).toBe('secret')
    expect(() => aesSeal('store-1', [masterKey(`${id}k`)])).toThrow(TypeError)
    expect(() => aesSeal('store-1', [masterKey('')])).toThrow(TypeError)
  })

  test('is known again by its check, in this store only', () => {
    const check = keyCheck(masterKeyObject(key), 'store-1')
    expect(check).toMatch(/^[0-9a-f]{64}$/)
    expect(keyCheck(masterKeyObject(key), 'store-1')).toBe(check)
    expect(keyCheck(masterKeyObject(masterKey()), 'store-1')).not.toBe(check)
    expect(keyCheck(masterKeyObject(key), 'store-2')).not.toBe(check)
  })

  test('is needed', () => {
    expect(() => aesSeal('store-1', [])).toThrow(TypeError)
  })
})

test('the seal of a store in memory opens what it sealed', () => {
  const memory = memorySeal()
  expect(memory.open(memory.seal('secret ä', place), place)).toBe('secret ä')
  expect(memory.fingerprint('a')).toBe(memory.fingerprint('a'))
  expect(memorySeal().fingerprint('a')).not.toBe(memory.fingerprint('a'))
})

import { existsSync } from 'node:fs'
import { ConfigurationError } from '../../errors.ts'
import { keyCheck, type MasterKey, masterKeyObject } from '../../grants/seal.ts'
import { newMasterKey, readKeyFile, writeKeyFile } from '../sqlite/key-file.ts'
import type { Statements } from './statements.ts'
import type { Send, Transactions } from './transactions.ts'

/** A master key: its id, which is written beside everything it encrypts, and the file that holds it. */
export interface KeyPlace {
  readonly id: string
  readonly file: string
}

export interface KeyOptions {
  readonly transactions: Transactions
  readonly statements: Statements
  readonly storeId: string
  readonly location: string
  readonly places: readonly KeyPlace[]
  readonly onKeyCreated: ((file: string) => void) | undefined
}

/**
 * The keys of a store, each checked against what the store knows of it. Of several hosts that start with a new store one
 * makes the key, and the others are told to bring it: the database never sees it.
 *
 * @throws ConfigurationError `wrong_encryption_key`, `key_file_unreadable`, `key_file_too_open`.
 */
export async function loadKeys(options: KeyOptions): Promise<readonly MasterKey[]> {
  const { transactions, statements, storeId, places } = options
  const keys: MasterKey[] = []
  for (const place of places) {
    const name = `key_check:${place.id}`
    const { rows } = await transactions.query({ text: statements.setting, values: [name] })
    const known = rows[0] === undefined ? await introduced(options, place, name) : String(rows[0][0])
    if (!existsSync(place.file)) throw missing(place, options.location)
    const key: MasterKey = { id: place.id, key: readKeyFile(place.file) }
    if (keyCheck(masterKeyObject(key, place.file), storeId) !== known)
      throw new ConfigurationError(
        'wrong_encryption_key',
        `the key in ${place.file} is not the one that the store ${options.location} was encrypted with`,
        { file: place.file, advice: 'Use the key file that belongs to this store; all its hosts share one.' },
      )
    keys.push(key)
  }
  return keys
}

/** The check value of a key that the store does not know yet; whoever is first introduces it. */
function introduced(options: KeyOptions, place: KeyPlace, name: string): Promise<string> {
  const { transactions, statements, storeId, onKeyCreated } = options
  const setting = async (send: Send): Promise<unknown> => {
    const [answer] = await send([{ text: statements.setting, values: [name] }])
    return answer?.rows[0]?.[0]
  }
  return transactions.run<string>({
    // Nobody else makes one meanwhile: its file would be worth nothing, and somebody might keep it.
    first: [
      { text: `SELECT pg_advisory_xact_lock(hashtext('evertoken keys'), hashtext($1))`, values: [storeId] },
    ],
    decide: async (_, send) => {
      const known = await setting(send)
      if (known !== undefined) return { result: String(known), writes: [] }
      if (!existsSync(place.file) && writeKeyFile(place.file, newMasterKey())) onKeyCreated?.(place.file)
      const check = keyCheck(
        masterKeyObject({ id: place.id, key: readKeyFile(place.file) }, place.file),
        storeId,
      )
      return { result: check, writes: [{ text: statements.addSetting, values: [name, check] }] }
    },
  })
}

const missing = ({ id, file }: KeyPlace, location: string): ConfigurationError =>
  new ConfigurationError(
    'wrong_encryption_key',
    `the store ${location} is encrypted with key ${id}, and its file ${file} is missing`,
    {
      file,
      advice:
        'Copy the key file from another host of this store, or from your backup; without it nothing decrypts.',
    },
  )

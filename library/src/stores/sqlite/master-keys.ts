import { existsSync } from 'node:fs'
import { ConfigurationError } from '../../errors.ts'
import { keyCheck, type MasterKey, masterKeyObject } from '../../grants/seal.ts'
import { newMasterKey, readKeyFile, writeKeyFile } from './key-file.ts'
import { setting } from './settings.ts'
import type { Statements } from './statements.ts'

export interface KeyPlace {
  readonly id: string
  readonly file: string
}

/**
 * The keys of a store, each checked against what the store knows of it; a store that knows none yet gets a new one.
 *
 * @throws ConfigurationError `wrong_encryption_key`, `key_file_unreadable`, `key_file_too_open`.
 */
export function loadKeys(
  statements: Statements,
  storeId: string,
  file: string,
  places: readonly KeyPlace[],
  onKeyCreated: ((file: string) => void) | undefined,
): readonly MasterKey[] {
  return places.map((place) => {
    const known = setting(statements, `key_check:${place.id}`)
    if (!existsSync(place.file)) {
      if (known !== undefined)
        throw new ConfigurationError(
          'wrong_encryption_key',
          `the store ${file} is encrypted with key ${place.id}, and its file ${place.file} is missing`,
          { file: place.file, advice: 'Restore the key file from your backup; without it nothing decrypts.' },
        )
      if (writeKeyFile(place.file, newMasterKey())) onKeyCreated?.(place.file)
    }
    const key: MasterKey = { id: place.id, key: readKeyFile(place.file) }
    const check = keyCheck(masterKeyObject(key, place.file), storeId)
    if (known === undefined)
      statements
        .sql('INSERT OR IGNORE INTO store (name, value) VALUES (?, ?)')
        .run(`key_check:${place.id}`, check)
    // Read again: another process may have been first, with another key.
    if (setting(statements, `key_check:${place.id}`) !== check)
      throw new ConfigurationError(
        'wrong_encryption_key',
        `the key in ${place.file} is not the one that the store ${file} was encrypted with`,
        { file: place.file, advice: 'Use the key file that belongs to this store.' },
      )
    return key
  })
}

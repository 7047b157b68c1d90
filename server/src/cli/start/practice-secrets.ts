import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { Secret } from 'evertoken'
import { readKeyFile, writeKeyFile } from 'evertoken/sqlite'
import type { PracticeSecrets } from './practice-setup.ts'

/** The practice provider's secrets, made once for a data folder: even practice does not share a password. */
export function practiceSecrets(folder: string): PracticeSecrets {
  const kept = (name: string): string => {
    const file = path.join(folder, name)
    if (!existsSync(file)) writeKeyFile(file, new Secret(randomBytes(32).toString('base64url')))
    return readKeyFile(file).reveal()
  }
  return { clientSecret: kept('practice-client.key'), assertionSecret: kept('practice-robot.key') }
}

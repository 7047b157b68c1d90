import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'

/** A secret, and what it is called in a finding. */
export interface Canary {
  readonly name: string
  readonly bytes: Buffer
}

/** A secret in the forms in which it could be written down. */
export function canariesOf(name: string, secret: string): readonly Canary[] {
  return [
    { name, bytes: Buffer.from(secret) },
    { name: `${name} in base64`, bytes: Buffer.from(Buffer.from(secret).toString('base64').slice(0, -4)) },
  ]
}

/** Every token of the practice server begins with one of these, whichever it is. */
export const tokenCanaries: readonly Canary[] = ['access', 'refresh', 'code'].map((kind) => ({
  name: `${kind} token`,
  bytes: Buffer.from(`practice_${kind}_`),
}))

/** Every file below a folder; `found` names the secret and the file, once for each pair. */
export function searchSecrets(folder: string, canaries: readonly Canary[]): readonly string[] {
  return filesBelow(folder).flatMap((file) => {
    const bytes = readFileSync(file)
    return canaries
      .filter((canary) => bytes.includes(canary.bytes))
      .map(({ name }) => `${name} in ${path.relative(folder, file)}`)
  })
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder).flatMap((name) => {
    const file = path.join(folder, name)
    const stat = statSync(file, { throwIfNoEntry: false })
    if (stat === undefined) return []
    return stat.isDirectory() ? filesBelow(file) : stat.isFile() ? [file] : []
  })
}

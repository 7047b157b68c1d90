import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import type { ProviderProfile } from 'evertoken'
import { Profiles } from '../config/profiles.ts'
import type { Environment } from './environment.ts'

/** A profile by its id in the catalogue, or by the file it is in. Throws ConfigurationError. */
export function namedProfile(name: string, { cwd }: Pick<Environment, 'cwd'>): ProviderProfile {
  const profiles = new Profiles({}, { folder: cwd })
  return isFile(name, cwd) ? profiles.inFile(name) : profiles.byId(name, [])
}

/** No id has a dot or a slash in it; a file may be called like one. */
function isFile(name: string, cwd: string): boolean {
  const file = path.resolve(cwd, name)
  return /[./\\]/.test(name) || (existsSync(file) && statSync(file).isFile())
}

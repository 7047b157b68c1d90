import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { ConfigurationError, type ProviderProfile } from 'evertoken'
import { catalogueIds } from 'evertoken/providers'
import { readProfiles } from '../config/configuration.ts'
import { Profiles } from '../config/profiles.ts'
import type { Environment } from './environment.ts'
import { nearestConfiguration } from './place.ts'

/** A profile, and the file that it is written in; the catalogue has none. */
export interface FoundProfile {
  readonly profile: ProviderProfile
  readonly file?: string | undefined
}

type Folder = Pick<Environment, 'cwd'>

/**
 * A profile by its id under `providers` of the nearest evertoken.yaml or in the catalogue, or by the file it is in. Throws
 * ConfigurationError.
 */
export function namedProfile(name: string, { cwd }: Folder): FoundProfile {
  const { profiles, file } = profilesAt(cwd)
  if (profiles.ownIds.includes(name)) return { profile: profiles.byId(name, []), file }
  return isFile(name, cwd) ? profileInFile(name, { cwd }) : { profile: profiles.byId(name, []) }
}

/** The profile that a file holds, whole. Throws ConfigurationError. */
export function profileInFile(name: string, { cwd }: Folder): FoundProfile {
  const file = path.resolve(cwd, name)
  return { profile: new Profiles({}, { folder: cwd }).inFile(file), file }
}

/** Every profile that can be named here: those of the nearest evertoken.yaml, then those of the catalogue. */
export function knownProfiles({ cwd }: Folder): readonly FoundProfile[] {
  const { profiles, file } = profilesAt(cwd)
  const own = profiles.ownIds.map((id) => ({ profile: profiles.byId(id, []), file }))
  const others = catalogueIds().filter((id) => !profiles.ownIds.includes(id))
  return [...own, ...others.map((id) => ({ profile: profiles.byId(id, []) }))]
}

/** Whether a name is the id of a profile; never why it is not. */
export function isKnownProvider(name: string, { cwd }: Folder): boolean {
  try {
    return profilesAt(cwd).profiles.byId(name, []).id === name
  } catch {
    return false
  }
}

/** All that an evertoken.yaml has of its own. Throws ConfigurationError, also where there is none. */
export function ownProfiles(name: string, { cwd }: Folder): readonly FoundProfile[] {
  const file = path.resolve(cwd, name)
  const profiles = readProfiles(file)
  if (profiles.ownIds.length === 0)
    throw new ConfigurationError('invalid_configuration', `${file}: there is nothing under providers`, {
      file,
      advice:
        'Only profiles of your own are checked here; evertoken provider check ID looks at one of the catalogue.',
    })
  return profiles.ownIds.map((id) => ({ profile: profiles.byId(id, []), file }))
}

function profilesAt(cwd: string): { readonly profiles: Profiles; readonly file: string | undefined } {
  const file = nearestConfiguration(cwd)
  const profiles = file === undefined ? new Profiles({}, { folder: cwd }) : readProfiles(file)
  return { profiles, file }
}

/** No id has a dot or a slash in it; a file may be called like one. */
function isFile(name: string, cwd: string): boolean {
  const file = path.resolve(cwd, name)
  return /[./\\]/.test(name) || (existsSync(file) && statSync(file).isFile())
}

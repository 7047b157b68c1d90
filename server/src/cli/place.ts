import { existsSync } from 'node:fs'
import path from 'node:path'
import type { StoreAddress } from '../config/store-address.ts'
import type { Environment } from './environment.ts'
import type { PlaceOptions } from './options.ts'

/** Where grants are kept, and where this machine keeps what belongs to them. */
export interface Place {
  readonly folder: string
  readonly store: StoreAddress
  /** Master keys; the first encrypts. */
  readonly keys: readonly { readonly id: string; readonly file: string }[]
  /** How it was found, for messages. */
  readonly origin: string
  /** The evertoken.yaml that says so. */
  readonly configuration?: string | undefined
  /** What that file says of it for grants that are added. */
  readonly privateNetwork?: boolean | undefined
}

/** What the search looks at. */
export type Surroundings = Pick<Environment, 'env' | 'cwd' | 'home' | 'platform'>

export const configurationName = 'evertoken.yaml'
const folderName = '.evertoken'

/**
 * Finds the data: `--data DIR`, EVERTOKEN_DATA, the nearest evertoken.yaml or .evertoken/ from the present folder
 * upward, then the user's data folder. Makes nothing.
 */
export async function findPlace(options: PlaceOptions, environment: Surroundings): Promise<Place> {
  const { env, cwd } = environment
  if (options.data !== undefined) return dataFolder(path.resolve(cwd, options.data), '--data')
  const named = env.EVERTOKEN_DATA
  if (named !== undefined && named !== '') return dataFolder(path.resolve(cwd, named), 'EVERTOKEN_DATA')
  for (let folder = cwd; ; folder = path.dirname(folder)) {
    const file = path.join(folder, configurationName)
    if (existsSync(file)) {
      const { configuredPlace } = await import('./configured-place.ts')
      return configuredPlace(file, environment)
    }
    const data = path.join(folder, folderName)
    if (existsSync(data)) return dataFolder(data, `the nearest ${folderName} folder`)
    if (folder === path.dirname(folder)) break
  }
  return dataFolder(userFolder(environment), "the user's data folder")
}

/** The nearest evertoken.yaml from a folder upward. */
export function nearestConfiguration(cwd: string): string | undefined {
  for (let folder = cwd; ; folder = path.dirname(folder)) {
    const file = path.join(folder, configurationName)
    if (existsSync(file)) return file
    if (folder === path.dirname(folder)) return undefined
  }
}

/** What a data folder holds; its api keys are beside the master key. */
export function dataFolder(folder: string, origin: string): Place {
  return {
    folder,
    store: { kind: 'sqlite', file: path.join(folder, 'evertoken.db') },
    keys: [{ id: 'k1', file: path.join(folder, 'master.key') }],
    origin,
  }
}

/** Where the platform wants a program's data of one user (on Linux: XDG base directories). */
function userFolder({ env, home, platform }: Surroundings): string {
  const { XDG_DATA_HOME: xdg, LOCALAPPDATA: local } = env
  // The specification says to ignore a relative path.
  if (xdg !== undefined && path.isAbsolute(xdg)) return path.join(xdg, 'evertoken')
  if (platform === 'darwin') return path.join(home, 'Library', 'Application Support', 'evertoken')
  if (platform === 'win32') return path.join(local ?? path.join(home, 'AppData', 'Local'), 'evertoken')
  return path.join(home, '.local', 'share', 'evertoken')
}

import path from 'node:path'
import { readStore } from '../config/configuration.ts'
import type { Place, Surroundings } from './place.ts'

/** The store that an evertoken.yaml names. */
export function configuredPlace(file: string, { env }: Surroundings): Place {
  const store = readStore(file, env)
  return {
    folder: path.dirname(store.file),
    database: store.file,
    keys: store.keys,
    origin: file,
    configuration: file,
  }
}

import { type Configuration, readStore } from '../config/configuration.ts'
import type { Place, Surroundings } from './place.ts'

/** The store that an evertoken.yaml names. */
export function configuredPlace(file: string, { env }: Surroundings): Place {
  return placeOf(readStore(file, env), file)
}

export function placeOf(
  { store, privateNetwork }: Pick<Configuration, 'store' | 'privateNetwork'>,
  configuration: string,
): Place {
  const { folder, keys, ...address } = store
  return { folder, keys, store: address, origin: configuration, configuration, privateNetwork }
}

import { existsSync } from 'node:fs'
import path from 'node:path'
import { ConfigurationError } from 'evertoken'
import type { Configuration } from '../config/configuration.ts'
import { placeOf } from './configured-place.ts'
import type { Environment } from './environment.ts'
import type { ServeOptions } from './options.ts'
import { configurationName, dataFolder, findPlace, type Place } from './place.ts'

/** What is served, and from where: a configuration, or the defaults for a data folder. */
export type Served = Pick<Configuration, 'listen' | 'publicUrl' | 'tls' | 'behindTlsProxy' | 'grants'> & {
  readonly place: Place
}

/** The configuration that `--config` names or that lies in this folder, else whatever the data folder holds. */
export async function whatToServe(options: ServeOptions, environment: Environment): Promise<Served> {
  const { env, cwd } = environment
  const data = options.data ?? (env.EVERTOKEN_DATA || undefined)
  const file = configurationFile(options, cwd)
  if (file === undefined) {
    const place = await findPlace(options, environment)
    if (place.configuration === undefined) return addressed({ place, grants: [] }, options, environment)
    return configured(place.configuration, undefined, options, environment)
  }
  return configured(file, data, options, environment)
}

export const configurationFile = (options: ServeOptions, cwd: string): string | undefined => {
  if (options.config !== undefined) return path.resolve(cwd, options.config)
  const here = path.join(cwd, configurationName)
  return existsSync(here) ? here : undefined
}

async function configured(
  file: string,
  data: string | undefined,
  options: ServeOptions,
  environment: Environment,
): Promise<Served> {
  const { readConfiguration } = await import('../config/configuration.ts')
  const configuration = readConfiguration(file, environment.env)
  const { grants, privateNetwork } = configuration
  const place =
    data === undefined
      ? placeOf(configuration, file)
      : dataFolder(
          path.resolve(environment.cwd, data),
          options.data === undefined ? 'EVERTOKEN_DATA' : '--data',
        )
  return addressed(
    { place: { ...place, configuration: file, privateNetwork }, grants },
    options,
    environment,
    configuration,
  )
}

/** `--listen` wins over EVERTOKEN_PORT, and that over the file. */
async function addressed(
  what: Pick<Served, 'place' | 'grants'>,
  options: ServeOptions,
  { env }: Environment,
  configuration?: Configuration,
): Promise<Served> {
  const { listenAddress, publicOrigin } = await import('../config/listen-address.ts')
  const tls = configuration?.tls ?? null
  const behindTlsProxy = configuration?.behindTlsProxy ?? false
  const port = portOf(env.EVERTOKEN_PORT)
  if (options.listen === undefined && port === undefined && configuration !== undefined) {
    const { listen, publicUrl } = configuration
    return { ...what, listen, publicUrl, tls, behindTlsProxy }
  }
  const origin = { file: '--listen' }
  const base = configuration?.listen ?? listenAddress(undefined, origin)
  const listen =
    options.listen !== undefined
      ? listenAddress(options.listen, origin)
      : { host: base.host, port: port ?? base.port }
  // A public URL that was written down stays: it names what stands in front, not this socket.
  const written =
    configuration === undefined ||
    configuration.publicUrl === publicOrigin(undefined, configuration.listen, tls !== null, origin)
      ? undefined
      : configuration.publicUrl
  const publicUrl = written ?? publicOrigin(undefined, listen, tls !== null, origin)
  return { ...what, listen, publicUrl, tls, behindTlsProxy }
}

/** A port from the environment. Throws `invalid_configuration` for anything else. */
export function portOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  if (/^\d{1,5}$/.test(text) && Number(text) < 65_536) return Number(text)
  throw new ConfigurationError(
    'invalid_configuration',
    `EVERTOKEN_PORT is ${JSON.stringify(text)}, not a port`,
    {
      advice: 'Use a number from 1 to 65535.',
    },
  )
}

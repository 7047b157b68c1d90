import path from 'node:path'
import type { GrantDefinition } from 'evertoken'
import { readDocument } from './document.ts'
import type { Environment } from './environment.ts'
import { describedGrant } from './grant-description.ts'
import { nearestKey } from './nearest-key.ts'
import { fault } from './origin.ts'
import { Profiles } from './profiles.ts'
import { providerOptions } from './provider-options.ts'
import { type ConfigurationFile, configurationSchema, type GrantDescription } from './schema.ts'
import type { Written } from './secret-file.ts'
import { checkOptions } from './validation.ts'

/** A client of an evertoken.yaml, apart from the grants that are there. */
export interface ConfiguredClient {
  /** A grant of this client that stands in no file. Throws ConfigurationError. */
  define(grant: GrantDescription): GrantDefinition
  /** Ids of the file's grants that are logins of this client, or of another with its id at the same provider. */
  readonly logins: readonly string[]
}

type Client = NonNullable<ConfigurationFile['clients']>[string]

/**
 * Reads one client of `evertoken.yaml` with its provider and its secrets.
 *
 * @throws ConfigurationError as for the whole file, and `invalid_configuration` where it has no such client.
 */
export function configuredClient(file: string, environment: Environment, name: string): ConfiguredClient {
  const document = readDocument(file, environment)
  checkOptions(configurationSchema, document.value, document.origin)
  const { clients = {}, grants = {}, providers = {} } = document.value as ConfigurationFile
  const written: Written = { ...document.origin, folder: path.dirname(path.resolve(file)) }
  const client = Object.hasOwn(clients, name) ? clients[name] : undefined
  if (client === undefined) throw noClient(name, Object.keys(clients), written)
  const place = ['clients', name]
  const provider = providerOptions(client, new Profiles(providers, written), written, place)
  return {
    define: (grant) =>
      describedGrant(grant, client, provider, written, { grant: place, client: place }).definition,
    logins: Object.entries(grants)
      .filter(([, { client: other, grant_type: type }]) => {
        if (type === 'client_credentials' || type === 'jwt_bearer') return false
        return Object.hasOwn(clients, other) && sameRegistration(clients[other], client)
      })
      .map(([id]) => id),
  }
}

const sameRegistration = (one: Client | undefined, other: Client): boolean =>
  one?.client_id === other.client_id && JSON.stringify(one?.provider) === JSON.stringify(other.provider)

function noClient(name: string, known: readonly string[], written: Written): Error {
  const meant = nearestKey(name, known)
  const there = known.length === 0 ? 'Describe it there.' : `The clients are ${known.join(', ')}.`
  return fault(written, ['clients'], `there is no client ${JSON.stringify(name)}`, {
    advice: meant === undefined ? there : `Did you mean ${meant}?`,
  })
}

import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { ProviderProfile, Secret } from 'evertoken'
import { readDocument } from './document.ts'
import type { Environment } from './environment.ts'
import { type DescribedGrant, describedGrant, reaching } from './grant-description.ts'
import { listenAddress, publicOrigin } from './listen-address.ts'
import { nearestKey } from './nearest-key.ts'
import { fault } from './origin.ts'
import { Profiles } from './profiles.ts'
import { profileOf, providerOptions } from './provider-options.ts'
import { type ConfigurationFile, configurationSchema } from './schema.ts'
import { fileSecret, type Written } from './secret-file.ts'
import { type StoreAddress, storeAddress } from './store-address.ts'
import { checkOptions } from './validation.ts'

/** Everything `evertoken.yaml` decides, with defaults filled in, paths absolute, secrets read. Frozen. */
export interface Configuration {
  /** Absolute path of the file. */
  readonly file: string
  readonly listen: { readonly host: string; readonly port: number }
  /** Own origin as browsers see it, without a slash at the end. */
  readonly publicUrl: string
  readonly store: ConfiguredStore
  /** PEM texts, or null where the broker speaks plain http. */
  readonly tls: { readonly cert: string; readonly key: Secret } | null
  readonly behindTlsProxy: boolean
  /** Whether grants that are added may have their provider in a network of one's own. */
  readonly privateNetwork: boolean
  /** In the order of the file. */
  readonly grants: readonly ConfiguredGrant[]
}

/** Where grants live. Paths are absolute. */
export type ConfiguredStore = StoreAddress & {
  /** For what belongs to this host: its spool, and keys without a place of their own. */
  readonly folder: string
  /** The first encrypts; the files are made on first use. */
  readonly keys: readonly { readonly id: string; readonly file: string }[]
}

export interface ConfiguredGrant extends DescribedGrant {
  readonly id: string
}

/** The same names as a data folder without a configuration has, so that either finds what the other made. */
const defaultKeyId = 'k1'
const defaultKeyFile = 'master.key'
const defaultStore = 'sqlite:.evertoken/evertoken.db'
const defaultDataFolder = '.evertoken'

/**
 * Reads `evertoken.yaml`. `${NAME}` in any text is replaced from the environment. Stops at the first mistake.
 *
 * @throws ConfigurationError with `file` and, where it is about one place in it, `line`: `invalid_configuration`,
 *   `unknown_key`, `missing_environment_variable`, `empty_secret`, `key_file_unreadable`, `key_file_too_open`,
 *   `invalid_grant_id`.
 */
export function readConfiguration(file: string, environment: Environment): Configuration {
  const document = readDocument(file, environment)
  checkOptions(configurationSchema, document.value, document.origin)
  const options = document.value as ConfigurationFile
  const folder = path.dirname(path.resolve(file))
  const written: Written = { ...document.origin, folder }
  const listen = listenAddress(options.listen, written)
  const tls = options.tls === undefined ? null : readTls(options.tls, written, folder)
  return Object.freeze({
    file: path.resolve(file),
    listen,
    publicUrl: publicOrigin(options.public_url, listen, tls !== null, written),
    store: storeOf(options, written, folder),
    tls,
    behindTlsProxy: options.behind_tls_proxy ?? false,
    privateNetwork: options.private_network ?? false,
    grants: grantsOf(options, written),
  })
}

/**
 * Only where the grants are kept, and what holds for those that are added: whoever reads a token from the store needs none of the secrets that the clients of
 * the file need. Throws as {@link readConfiguration} does, but for `providers`, `clients` and `grants`.
 */
export function readStore(
  file: string,
  environment: Environment,
): Pick<Configuration, 'store' | 'privateNetwork'> {
  const document = readDocument(file, environment, { except: ['providers', 'clients', 'grants'] })
  checkOptions(configurationSchema, document.value, document.origin)
  const folder = path.dirname(path.resolve(file))
  const options = document.value as ConfigurationFile
  return {
    store: storeOf(options, { ...document.origin, folder }, folder),
    privateNetwork: options.private_network ?? false,
  }
}

/**
 * The profile of the provider of a grant, if the file has such a grant and it such a provider. None of the secrets of the
 * file are needed: they are not where a person logs in. Throws as {@link readConfiguration} does.
 */
export function profileOfGrant(file: string, id: string): ProviderProfile | undefined {
  const document = readDocument(file, null, { asWritten: true })
  checkOptions(configurationSchema, document.value, document.origin)
  const { grants = {}, clients = {}, providers = {} } = document.value as ConfigurationFile
  const name = Object.hasOwn(grants, id) ? grants[id]?.client : undefined
  const client = name !== undefined && Object.hasOwn(clients, name) ? clients[name] : undefined
  if (name === undefined || client === undefined) return undefined
  const written: Written = { ...document.origin, folder: path.dirname(path.resolve(file)) }
  return profileOf(client, new Profiles(providers, written), written, ['clients', name])
}

/** The names of the grants that a file describes. None of its secrets are needed. Throws ConfigurationError. */
export function readGrantNames(file: string): readonly string[] {
  const document = readDocument(file, null, { asWritten: true, except: ['providers', 'clients'] })
  checkOptions(configurationSchema, document.value, document.origin)
  return Object.keys((document.value as ConfigurationFile).grants ?? {})
}

/** The profiles that a file has of its own and can name. None of its secrets are needed. Throws ConfigurationError. */
export function readProfiles(file: string): Profiles {
  const document = readDocument(file, null, { asWritten: true, except: ['clients', 'grants'] })
  checkOptions(configurationSchema, document.value, document.origin)
  const { providers = {} } = document.value as ConfigurationFile
  return new Profiles(providers, { ...document.origin, folder: path.dirname(path.resolve(file)) })
}

function storeOf(options: ConfigurationFile, written: Written, folder: string): Configuration['store'] {
  const address = storeAddress(options.store ?? defaultStore, folder)
  if (address === undefined)
    throw fault(written, ['store'], 'expected sqlite: and the path of a file, or a postgres:// URL', {
      advice: `For example ${defaultStore}, or postgres://evertoken@db.example/evertoken.`,
    })
  if (address.kind === 'sqlite' && options.data_folder !== undefined)
    throw fault(written, ['data_folder'], 'an SQLite store keeps everything beside its file', {
      advice: 'Leave data_folder out, or name the file elsewhere in store.',
    })
  const data =
    address.kind === 'sqlite'
      ? path.dirname(address.file)
      : path.resolve(folder, options.data_folder ?? defaultDataFolder)
  const keys = options.encryption?.keys.map((key) => ({ id: key.id, file: path.resolve(folder, key.file) }))
  const ids = new Set<string>()
  for (const [index, { id }] of (keys ?? []).entries()) {
    if (ids.has(id))
      throw fault(
        written,
        ['encryption', 'keys', String(index), 'id'],
        `there are two keys with the id ${id}`,
      )
    ids.add(id)
  }
  const used = keys ?? [{ id: defaultKeyId, file: path.join(data, defaultKeyFile) }]
  return Object.freeze({
    ...address,
    folder: data,
    keys: Object.freeze(used.map((key) => Object.freeze(key))),
  })
}

function readTls(
  tls: NonNullable<ConfigurationFile['tls']>,
  written: Written,
  folder: string,
): NonNullable<Configuration['tls']> {
  const file = path.resolve(folder, tls.cert)
  let cert: string
  try {
    cert = readFileSync(file, 'utf8')
  } catch (cause) {
    throw fault(written, ['tls', 'cert'], `the certificate file ${file} cannot be read`, {
      cause,
      advice: 'Check that it exists and that this user may read it.',
    })
  }
  return Object.freeze({ cert, key: fileSecret(path.resolve(folder, tls.key), written, ['tls', 'key']) })
}

function grantsOf(options: ConfigurationFile, written: Written): readonly ConfiguredGrant[] {
  const clients = options.clients ?? {}
  const profiles = new Profiles(options.providers ?? {}, written)
  const providers = new Map(
    Object.entries(clients).map(([name, client]) => [
      name,
      providerOptions(client, profiles, written, ['clients', name]),
    ]),
  )
  const grants = Object.entries(options.grants ?? {}).map(([id, { client: name, ...grant }]) => {
    const said = Object.hasOwn(clients, name) ? clients[name] : undefined
    const provider = providers.get(name)
    if (said === undefined || provider === undefined)
      throw unknownClient(id, name, Object.keys(clients), written)
    const client = reaching(said, options.private_network)
    const places = { grant: ['grants', id], client: ['clients', name] }
    return Object.freeze({ id, ...describedGrant(grant, client, provider, written, places) })
  })
  return Object.freeze(grants)
}

function unknownClient(id: string, name: string, known: readonly string[], written: Written): Error {
  const meant = nearestKey(name, known)
  return fault(written, ['grants', id, 'client'], `there is no client ${JSON.stringify(name)}`, {
    advice:
      meant !== undefined
        ? `Did you mean ${meant}?`
        : known.length === 0
          ? 'Describe it under clients.'
          : `The clients are ${known.join(', ')}.`,
  })
}

import { existsSync } from 'node:fs'
import { ConfigurationError, type ErrorCode, EvertokenError, type GrantSummary } from 'evertoken'
import { readConfiguration, readGrantNames } from '../config/configuration.ts'
import type { Environment } from './environment.ts'
import type { Grants } from './grants.ts'
import { openKeeper, openLocal } from './local-grants.ts'
import type { Place } from './place.ts'

/** Failures that a corrected description may end: whoever corrects the file and tries again has said what they mean. */
const correctable: ReadonlySet<ErrorCode> = new Set([
  'discovery_failed',
  'endpoint_moved',
  'insecure_http',
  'invalid_client',
  'invalid_configuration',
  'invalid_grant',
  'invalid_scope',
  'issuer_mismatch',
  'private_address',
  'provider_unreachable',
  'reauthorization_required',
])

/** Grants of a local store, which say what the evertoken.yaml that names it describes, and take nothing from there. */
export const namedIn = (configuration: string, grants: Grants): Grants => ({
  ...grants,
  described: () => readGrantNames(configuration),
})

/**
 * Grants of a local store and of the evertoken.yaml that names it: one that the file describes and the store does not have
 * yet is put there by the first command that names it, so that `evertoken login NAME` needs no broker to have run before. Where
 * what the store has of it does not work, or nobody has logged in yet, what the file says now takes its place.
 *
 * @throws ConfigurationError where the file describes the grant, and cannot be read as a whole.
 */
export async function openDescribed(
  place: Place & { readonly configuration: string },
  environment: Environment,
  make: boolean,
): Promise<Grants> {
  const { configuration, store } = place
  let grants = await openLocal(place, environment, make)

  async function put(id: string): Promise<void> {
    const found = readConfiguration(configuration, environment.env).grants.find((grant) => grant.id === id)
    if (found === undefined) return
    const wasThere = make || store.kind !== 'sqlite' || existsSync(store.file)
    await using keeper = await openKeeper(place, environment)
    await keeper.ensure(id, found.definition, { labels: found.labels })
    if (wasThere) return
    await grants[Symbol.asyncDispose]()
    grants = await openLocal(place, environment, true)
  }

  /** Whoever asks for another name needs none of the secrets of the file, and hears of no mistake in it. */
  async function named<Result>(id: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof EvertokenError) || !readGrantNames(configuration).includes(id)) throw error
      if (error.code === 'unknown_grant') await put(id)
      else if (!correctable.has(error.code) || !(await corrected(id))) throw error
      return work()
    }
  }

  /** Whether the file says another thing than the store had. One that cannot be read as a whole says nothing. */
  async function corrected(id: string): Promise<boolean> {
    const before = await grants.show(id)
    try {
      await put(id)
    } catch (error) {
      if (error instanceof ConfigurationError) return false
      throw error
    }
    return (await grants.show(id)).updatedAt !== before.updatedAt
  }

  async function shown(id: string): Promise<GrantSummary> {
    const grant = await named(id, () => grants.show(id))
    const mayChange = make && grant.state === 'pending' && readGrantNames(configuration).includes(id)
    return mayChange && (await corrected(id)) ? grants.show(id) : grant
  }

  return {
    get location() {
      return grants.location
    },
    consent: grants.consent,
    described: () => readGrantNames(configuration),
    token: (id, request) => named(id, () => grants.token(id, request)),
    list: () => grants.list(),
    show: shown,
    add: (id, grant) => grants.add(id, grant),
    replace: (id, replacement) => grants.replace(id, replacement),
    refresh: (id, signal) => named(id, () => grants.refresh(id, signal)),
    pause: (id) => named(id, () => grants.pause(id)),
    resume: (id) => named(id, () => grants.resume(id)),
    validate: (id, request) => named(id, () => grants.validate(id, request)),
    // What would end a grant is no reason to make one.
    revoke: (id) => grants.revoke(id),
    remove: (id, removal) => grants.remove(id, removal),
    notices: (after) => grants.notices(after),
    [Symbol.asyncDispose]: () => grants[Symbol.asyncDispose](),
  }
}

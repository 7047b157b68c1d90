import { existsSync } from 'node:fs'
import {
  EvertokenError,
  type GrantSummary,
  Keeper,
  memoryStore,
  type StoredNotice,
  type StoreOpener,
} from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'
import { locationOf } from '../config/store-address.ts'
import type { Environment } from './environment.ts'
import type { Grants } from './grants.ts'
import type { Place } from './place.ts'
import { transportOf } from './transport.ts'

/** Grants in a store on this machine. */
export async function openLocal(place: Place, environment: Environment, make: boolean): Promise<Grants> {
  // Looking at a store that is not there must not leave one behind.
  if (!make && place.store.kind === 'sqlite' && !existsSync(place.store.file))
    return grantsOf(await openNothing(place, environment), place)
  return grantsOf(await openKeeper(place, environment), place)
}

/** A keeper on a store that must be there. Throws `not_found`. */
export async function openExisting(place: Place, environment: Environment): Promise<Keeper> {
  const { store, origin } = place
  if (store.kind === 'sqlite' && !existsSync(store.file))
    throw new EvertokenError('not_found', `there is no store ${store.file} (by ${origin})`, {
      advice: 'Name its folder with --data.',
    })
  return openKeeper(place, environment)
}

/** A keeper on the store of a place, made if it is not there. */
export async function openKeeper(place: Place, environment: Environment): Promise<Keeper> {
  const { clock } = environment
  return Keeper.open({ store: await storeOf(place, environment), clock, transport: transportOf(environment) })
}

async function storeOf({ store, folder, keys }: Place, { clock, stderr }: Environment): Promise<StoreOpener> {
  const location = locationOf(store)
  const onKeyCreated = (file: string): void =>
    void stderr.write(
      `evertoken: made the key ${file}. Back it up apart from ${location}: without it nothing decrypts.\n`,
    )
  const onDamaged = ({ message }: EvertokenError): void => void stderr.write(`evertoken: ${message}\n`)
  if (store.kind === 'sqlite')
    return sqliteStore(store.file, { clock, keys, onKeyCreated, onSpoolDamaged: onDamaged })
  // The driver is loaded by those alone who use it.
  const { postgresStore } = await import('evertoken/postgres')
  return postgresStore({ url: store.url.reveal(), folder, clock, keys, onKeyCreated, onDamaged })
}

async function openNothing(place: Place, environment: Environment): Promise<Keeper> {
  const { clock } = environment
  const nothing = await memoryStore({ clock }).open()
  const location = `${locationOf(place.store)} (by ${place.origin}; nothing is there yet)`
  return Keeper.open({ store: { open: async () => ({ ...nothing, location }) }, clock })
}

function grantsOf(keeper: Keeper, { privateNetwork }: Place): Grants {
  return {
    location: keeper.store.location,
    consent: {
      kind: 'here',
      begin: (id, redirectUri, otherAccount) => keeper.beginConsent(id, { redirectUri, otherAccount }),
      finish: (callback) => keeper.finishConsent(callback),
      beginOnDevice: (id, signal, otherAccount) => keeper.beginDeviceConsent(id, { signal, otherAccount }),
      logIn: (id, credentials) => keeper.login(id, credentials),
    },
    token: (id, request) => keeper.getToken(id, request),
    list: () => everyGrant(keeper),
    show: (id) => keeper.show(id),
    add: async (id, grant) => {
      const { definitionFromOptions } = await import('../config/grant-description.ts')
      // A file that flags name has its whole path by now.
      const { definition, labels } = definitionFromOptions(grant, { folder: '/', privateNetwork })
      return keeper.add(id, definition, { labels })
    },
    replace: (id, replacement) => keeper.replace(id, replacement),
    refresh: async (id, signal) => {
      await keeper.refresh(id, { signal })
      return keeper.show(id)
    },
    pause: (id) => keeper.pause(id),
    resume: (id) => keeper.resume(id),
    validate: (id, request) => keeper.validate(id, request),
    revoke: (id) => keeper.revoke(id),
    remove: (id, removal) => keeper.remove(id, removal),
    notices: (after) => everyNotice(keeper, after),
    [Symbol.asyncDispose]: () => keeper.close(),
  }
}

async function everyGrant(keeper: Keeper): Promise<GrantSummary[]> {
  const all: GrantSummary[] = []
  for (;;) {
    const page = await keeper.list({ after: all.at(-1)?.id })
    if (page.length === 0) return all
    all.push(...page)
  }
}

async function everyNotice(keeper: Keeper, after: number): Promise<StoredNotice[]> {
  const all: StoredNotice[] = []
  for (;;) {
    const page = await keeper.notices({ after: all.at(-1)?.number ?? after })
    if (page.length === 0) return all
    all.push(...page)
  }
}

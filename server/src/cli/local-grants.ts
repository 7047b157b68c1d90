import { existsSync } from 'node:fs'
import {
  type GrantSummary,
  Keeper,
  loggedTransport,
  memoryStore,
  nodeTransport,
  type Transport,
} from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'
import type { Environment } from './environment.ts'
import type { Grants } from './grants.ts'
import type { Place } from './place.ts'

/** Grants in a store on this machine. */
export async function openLocal(place: Place, environment: Environment, make: boolean): Promise<Grants> {
  // Looking at a store that is not there must not leave one behind.
  if (!make && !existsSync(place.database)) return grantsOf(await openNothing(place, environment))
  return grantsOf(await openKeeper(place, environment))
}

/** A keeper on the store of a place, made if it is not there. */
export function openKeeper(place: Place, environment: Environment): Promise<Keeper> {
  const { clock } = environment
  const store = sqliteStore(place.database, {
    clock,
    keys: place.keys,
    onKeyCreated: (file) =>
      environment.stderr.write(
        `evertoken: made the key ${file}. Back it up apart from ${place.database}: without it nothing decrypts.\n`,
      ),
  })
  return Keeper.open({ store, clock, transport: transportOf(environment) })
}

/** The transport to providers; with EVERTOKEN_LOG=wire it tells what it does, without secrets. */
function transportOf({ env, stderr }: Environment): Transport {
  const transport = nodeTransport()
  return env.EVERTOKEN_LOG === 'wire'
    ? loggedTransport(transport, (line) => stderr.write(`${line}\n`))
    : transport
}

async function openNothing(place: Place, environment: Environment): Promise<Keeper> {
  const { clock } = environment
  const nothing = await memoryStore({ clock }).open()
  const location = `${place.database} (by ${place.origin}; nothing is there yet)`
  return Keeper.open({ store: { open: async () => ({ ...nothing, location }) }, clock })
}

function grantsOf(keeper: Keeper): Grants {
  return {
    location: keeper.store.location,
    consent: {
      kind: 'here',
      begin: (id, redirectUri) => keeper.beginConsent(id, { redirectUri }),
      finish: (callback) => keeper.finishConsent(callback),
    },
    token: (id, request) => keeper.getToken(id, request),
    list: () => everyGrant(keeper),
    show: (id) => keeper.show(id),
    add: async (id, grant) => {
      const { definitionFromOptions } = await import('../config/grant-description.ts')
      const { definition, labels } = definitionFromOptions(grant)
      return keeper.add(id, definition, { labels })
    },
    refresh: async (id, signal) => {
      await keeper.refresh(id, { signal })
      return keeper.show(id)
    },
    pause: (id) => keeper.pause(id),
    resume: (id) => keeper.resume(id),
    remove: (id) => keeper.remove(id),
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

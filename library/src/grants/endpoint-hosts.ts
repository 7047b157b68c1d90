import { EvertokenError } from '../errors.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import { endpointNames } from '../oauth/discovery.ts'
import { newCircuit } from './circuit.ts'
import type { GrantStore } from './store.ts'

/** Enough for any provider; metadata is bounded, and so is what is kept of it. */
const mostHosts = 16

/** Hosts other than the issuer's own and those below it, with the endpoint that is there. */
export function otherHosts(issuer: string, server: ServerMetadata): ReadonlyMap<string, string> {
  const own = new URL(issuer).host
  const found = new Map<string, string>()
  for (const [name, key] of Object.entries(endpointNames)) {
    const url = server[key]
    const host = url === undefined ? own : new URL(url).host
    if (host !== own && !host.endsWith(`.${own}`) && !found.has(host)) found.set(host, name)
  }
  return found
}

/** What the check goes by. */
export interface HostCheck {
  readonly issuer: string
  /** Names provider and client (circuit.ts): what was first seen is kept there. */
  readonly circuit: string
  /** Hosts that somebody has named as right. */
  readonly allowed: readonly string[]
}

/**
 * An issuer's metadata says where secrets go, and many name hosts of quite another domain (Google). Those that it named when it was
 * first asked are kept, by client and over all machines; another one that it names later is nobody's before a person has
 * said so: whoever can change that document must not get a secret by it.
 *
 * @throws EvertokenError `endpoint_moved`; nothing has been sent there.
 */
export async function checkHosts(
  store: Pick<GrantStore, 'readCircuit' | 'updateCircuit'>,
  server: ServerMetadata,
  { issuer, circuit: key, allowed }: HostCheck,
): Promise<void> {
  const named = otherHosts(issuer, server)
  const known =
    (await store.readCircuit(key))?.hosts ??
    (await store.updateCircuit<readonly string[]>(key, (stored, { at }) => {
      if (stored?.hosts !== undefined) return { result: stored.hosts }
      const hosts = [...named.keys()].slice(0, mostHosts)
      return { result: hosts, circuit: { ...(stored ?? newCircuit(at)), hosts } }
    }))
  const moved = [...named].find(([host]) => !known.includes(host) && !allowed.includes(host))
  if (moved === undefined) return
  const [host, name] = moved
  throw new EvertokenError(
    'endpoint_moved',
    `${issuer} has its ${name} at ${host} now, a host that it did not name when this client first came`,
    {
      advice: `Nothing is sent there. Ask the provider whether it has moved; if so, say endpoint_hosts: [${host}] for this client (--endpoint-host on the command line, endpointHosts in the library).`,
    },
  )
}

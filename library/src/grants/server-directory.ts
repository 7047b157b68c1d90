import type { Clock } from '../clock.ts'
import type { ClientRegistration, Reach, ServerMetadata } from '../oauth/client.ts'
import type { Transport } from '../oauth/transport.ts'
import { circuitKey, type GrantDefinition } from './definition.ts'
import type { GrantStore } from './store.ts'
import type { Timing } from './timing.ts'

/** How long discovered endpoints are believed, in ms. Providers move them with months of notice. */
const believedFor = 3_600_000

/** The endpoints of each definition's provider: as configured, or discovered and remembered for an hour. */
export class ServerDirectory {
  readonly #store: Pick<GrantStore, 'readCircuit' | 'updateCircuit'>
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #timing: Timing
  readonly #servers = new Map<string, { server: Promise<ServerMetadata>; until: number }>()

  /** Who has been found to be allowed what this metadata names. */
  readonly #allowed = new WeakMap<ServerMetadata, Set<string>>()

  constructor(
    store: Pick<GrantStore, 'readCircuit' | 'updateCircuit'>,
    transport: Transport,
    clock: Clock,
    timing: Timing,
  ) {
    this.#store = store
    this.#transport = transport
    this.#clock = clock
    this.#timing = timing
  }

  /** Throws `discovery_failed`, `issuer_mismatch`, `insecure_http`, `private_address`, `endpoint_moved`; a failure is not remembered. */
  async serverOf(definition: GrantDefinition): Promise<ServerMetadata> {
    const { client } = definition
    const { revocationEndpoint, introspectionEndpoint, deviceAuthorizationEndpoint } = client
    const { pushedAuthorizationRequestEndpoint, userinfoEndpoint } = client
    const published = await this.#published(client)
    // RFC 8705 section 5: a client without a certificate may find nobody there.
    const server =
      client.certificate === undefined ? published : { ...published, ...published.mtlsEndpointAliases }
    if (client.provider.kind === 'issuer') await this.#check(definition, client.provider.issuer, server)
    return {
      ...server,
      revocationEndpoint: revocationEndpoint ?? server.revocationEndpoint,
      introspectionEndpoint: introspectionEndpoint ?? server.introspectionEndpoint,
      userinfoEndpoint: userinfoEndpoint ?? server.userinfoEndpoint,
      deviceAuthorizationEndpoint: deviceAuthorizationEndpoint ?? server.deviceAuthorizationEndpoint,
      pushedAuthorizationRequestEndpoint:
        pushedAuthorizationRequestEndpoint ?? server.pushedAuthorizationRequestEndpoint,
    }
  }

  async #check(definition: GrantDefinition, issuer: string, server: ServerMetadata): Promise<void> {
    const { endpointHosts: allowed = [] } = definition.client
    const circuit = circuitKey(definition)
    const who = JSON.stringify([circuit, allowed])
    const found = this.#allowed.get(server) ?? new Set()
    if (found.has(who)) return
    const { checkHosts } = await import('./endpoint-hosts.ts')
    try {
      await checkHosts(this.#store, server, { issuer, circuit, allowed })
    } catch (error) {
      this.#servers.delete(placeOf(definition.client, issuer))
      throw error
    }
    this.#allowed.set(server, found.add(who))
  }

  #published(client: ClientRegistration): Promise<ServerMetadata> {
    const { provider, insecureHttp, privateNetwork } = client
    if (provider.kind === 'endpoints') return Promise.resolve(provider.metadata)
    const place = placeOf(client, provider.issuer)
    const known = this.#servers.get(place)
    if (known !== undefined && this.#clock.boot() < known.until) return known.server
    // Remembered before anything is waited for, so that grants which begin together ask once.
    const server = this.#discovered(provider.issuer, { insecureHttp, privateNetwork })
    this.#servers.set(place, { server, until: this.#clock.boot() + believedFor })
    server.catch(() => this.#servers.delete(place))
    return server
  }

  async #discovered(issuer: string, reach: Reach): Promise<ServerMetadata> {
    const { discover } = await import('../oauth/discovery.ts')
    const wire = { transport: this.#transport, now: this.#clock.now, deadline: this.#timing.deadline }
    return discover(issuer, reach, wire)
  }
}

/** What one client may be told of, another may not be sent to. */
const placeOf = ({ insecureHttp, privateNetwork }: ClientRegistration, issuer: string): string =>
  JSON.stringify([issuer, insecureHttp, privateNetwork === true])

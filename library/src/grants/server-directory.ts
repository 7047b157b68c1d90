import type { Clock } from '../clock.ts'
import type { ClientRegistration, Reach, ServerMetadata } from '../oauth/client.ts'
import type { Transport } from '../oauth/transport.ts'
import type { GrantDefinition } from './definition.ts'
import type { Timing } from './timing.ts'

/** How long discovered endpoints are believed, in ms. Providers move them with months of notice. */
const believedFor = 3_600_000

/** The endpoints of each definition's provider: as configured, or discovered and remembered for an hour. */
export class ServerDirectory {
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #timing: Timing
  readonly #servers = new Map<string, { server: Promise<ServerMetadata>; until: number }>()

  constructor(transport: Transport, clock: Clock, timing: Timing) {
    this.#transport = transport
    this.#clock = clock
    this.#timing = timing
  }

  /** Throws `discovery_failed`, `issuer_mismatch`, `insecure_http`, `private_address`; a failure is not remembered. */
  async serverOf({ client }: GrantDefinition): Promise<ServerMetadata> {
    const { revocationEndpoint, introspectionEndpoint, deviceAuthorizationEndpoint } = client
    const { pushedAuthorizationRequestEndpoint, userinfoEndpoint } = client
    const server = await this.#published(client)
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

  #published({ provider, insecureHttp, privateNetwork }: ClientRegistration): Promise<ServerMetadata> {
    if (provider.kind === 'endpoints') return Promise.resolve(provider.metadata)
    // What one client may be told of, another may not be sent to.
    const place = JSON.stringify([provider.issuer, insecureHttp, privateNetwork === true])
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

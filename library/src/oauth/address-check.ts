import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { isLoopback } from './address.ts'

/** Loaded with the first request, as node:http is: see node-transport.ts. */
const isIP = (address: string): number => process.getBuiltinModule('node:net').isIP(address)

type Subnet = readonly [network: string, prefix: number]

/**
 * Where no provider lives, but a cloud machine's metadata service with its keys does (link-local; fd00:ec2::254 for
 * IPv6), also behind NAT64; and addresses that mean "this host" or "everybody".
 */
const neverProviders: readonly Subnet[] = [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3],
  ['::', 128],
  ['fe80::', 10],
  ['fd00:ec2::', 32],
  ['ff00::', 8],
  ['64:ff9b::a9fe:0', 112],
]

/** RFC 6890 and its registries: private, shared (CGNAT), benchmark, documentation; and IPv6 forms that embed IPv4. */
const notPublic: readonly Subnet[] = [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  // Deprecated IPv4-compatible addresses, loopback among them.
  ['::', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fec0::', 10],
]

/** Code of the error with which a connection to a refused address fails. */
export const addressRefused = 'ADDRESS_REFUSED'

/** Says which addresses a transport may connect to, and resolves names to none but those. */
export class AddressCheck {
  readonly #refused = new (process.getBuiltinModule('node:net').BlockList)()
  readonly #resolve: LookupFunction

  constructor(publicOnly: boolean, resolve: LookupFunction = process.getBuiltinModule('node:dns').lookup) {
    this.#resolve = resolve
    for (const [network, prefix] of publicOnly ? [...neverProviders, ...notPublic] : neverProviders)
      this.#refused.addSubnet(network, prefix, isIP(network) === 6 ? 'ipv6' : 'ipv4')
  }

  /** For the host of a URL; a name is judged when it is resolved. A loopback address written literally is wanted. */
  refusesHost(hostname: string): boolean {
    const address = hostname.replace(/^\[(.*)\]$/, '$1')
    return isIP(address) !== 0 && !isLoopback(hostname) && this.refusesAddress(address)
  }

  /** BlockList sees through IPv4-mapped IPv6 addresses. */
  refusesAddress(address: string): boolean {
    return this.#refused.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }

  /**
   * In place of dns.lookup, so that the address that is checked is the one that is connected to: a name that resolves
   * anew between check and use (DNS rebinding) gains nothing.
   */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#resolve(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, [])
      const all = (found as LookupAddress[]).filter(
        ({ address }) => isLoopback(hostname) || !this.refusesAddress(address),
      )
      const [first] = all
      if (first === undefined)
        callback(Object.assign(new Error(addressRefused), { code: addressRefused }), [])
      else if (options.all === true) callback(null, all)
      else callback(null, first.address, first.family)
    })
  }
}

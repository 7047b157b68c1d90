import type { LookupAddress } from 'node:dns'
import type { BlockList, LookupFunction } from 'node:net'
import { isLoopback } from './address.ts'
import { neverProviders, privateNetworks, type Subnet } from './address-range.ts'

/** Loaded with the first request, as node:http is: see node-transport.ts. */
const net = () => process.getBuiltinModule('node:net')

/** Code of the error with which a connection to a refused address fails. Its message is for people. */
export const addressRefused = 'ADDRESS_REFUSED'

/** Says which addresses a transport may connect to, and resolves names to none but those. */
export class AddressCheck {
  readonly #never = blockList(neverProviders)
  readonly #private: BlockList
  readonly #loopback = blockList([
    ['127.0.0.0', 8],
    ['::1', 128],
  ])
  readonly #resolve: LookupFunction

  /** @param privateNetwork whether addresses of private networks are allowed, and loopback reached through a name. */
  constructor(
    privateNetwork: boolean,
    resolve: LookupFunction = process.getBuiltinModule('node:dns').lookup,
  ) {
    this.#resolve = resolve
    this.#private = blockList(privateNetwork ? [] : privateNetworks)
  }

  /** What the host of a URL is that is refused; a name is judged when it is resolved. A loopback address written literally is wanted. */
  refusalOfHost(hostname: string): string | undefined {
    const address = hostname.replace(/^\[(.*)\]$/, '$1')
    return net().isIP(address) === 0 || isLoopback(hostname) ? undefined : this.refusalOf(address)
  }

  /** What an address is that is refused. BlockList sees through IPv4-mapped IPv6 addresses. */
  refusalOf(address: string): string | undefined {
    if (holds(this.#never, address)) return 'an address where no provider can be, whatever is set'
    return holds(this.#private, address) ? 'an address of a private network' : undefined
  }

  /**
   * In place of dns.lookup, so that the address that is checked is the one that is connected to: a name that resolves
   * anew between check and use (DNS rebinding) gains nothing.
   */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#resolve(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, [])
      const all = (found as LookupAddress[]).filter(({ address }) => this.#allows(hostname, address))
      const [first] = all
      if (first === undefined) callback(this.#refused(hostname, found as LookupAddress[]), [])
      else if (options.all === true) callback(null, all)
      else callback(null, first.address, first.family)
    })
  }

  /** A hosts file that gives localhost to somebody else opens nothing. */
  #allows(hostname: string, address: string): boolean {
    return isLoopback(hostname) ? holds(this.#loopback, address) : this.refusalOf(address) === undefined
  }

  #refused(hostname: string, [first]: readonly LookupAddress[]): Error {
    const where =
      first === undefined
        ? 'no address'
        : `${first.address}, ${this.refusalOf(first.address) ?? 'which is not this machine'}`
    return Object.assign(new Error(`${hostname} is at ${where}`), { code: addressRefused })
  }
}

const familyOf = (address: string): 'ipv6' | 'ipv4' => (net().isIP(address) === 6 ? 'ipv6' : 'ipv4')

function blockList(subnets: readonly Subnet[]): BlockList {
  const list = new (net().BlockList)()
  for (const [network, prefix] of subnets) list.addSubnet(network, prefix, familyOf(network))
  return list
}

/** The zone of a link-local address (`fe80::1%eth0`) is no part of it. */
function holds(list: BlockList, address: string): boolean {
  const bare = address.replace(/%.*$/s, '')
  return list.check(bare, familyOf(bare))
}

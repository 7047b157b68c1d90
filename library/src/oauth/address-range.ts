/** A network of addresses and its prefix. */
export type Subnet = readonly [network: string, prefix: number]

/**
 * Where no provider lives, but the metadata service of a cloud machine with its keys does, or this host, or everybody: no
 * setting opens these. Link-local addresses are in it, and the metadata services that are not link-local.
 */
const neverIPv4: readonly Subnet[] = [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3],
  // Alibaba Cloud, Oracle Cloud, and Azure, whose own is in a public range.
  ['100.100.100.200', 32],
  ['192.0.0.192', 32],
  ['168.63.129.16', 32],
]

/** RFC 6890 and its registries: private, shared (CGNAT), loopback, benchmark, documentation. */
const privateIPv4: readonly Subnet[] = [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
]

/** RFC 6052: a host without IPv4 of its own reaches every public server through these. */
const translated = (subnets: readonly Subnet[]): readonly Subnet[] =>
  subnets.map(([network, prefix]) => [`64:ff9b::${network}`, 96 + prefix])

/** Addresses that no setting opens. */
export const neverProviders: readonly Subnet[] = [
  ...neverIPv4,
  ...translated(neverIPv4),
  ['::', 128],
  ['fe80::', 10],
  // Amazon EC2 and Google Compute Engine, both of them unique-local.
  ['fd00:ec2::', 32],
  ['fd20:ce::', 96],
  ['ff00::', 8],
]

/** Addresses of networks of one's own, loopback among them, and forms that hide an IPv4 address. */
export const privateNetworks: readonly Subnet[] = [
  ...privateIPv4,
  ...translated(privateIPv4),
  // Deprecated IPv4-compatible addresses; ::1 is one of them.
  ['::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fc00::', 7],
  ['fec0::', 10],
]

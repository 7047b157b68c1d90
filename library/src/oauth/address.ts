/** An http or https address, or `undefined`: never one with user information, which makes one host look like another. */
export function webAddress(text: string): URL | undefined {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined
  return url.username === '' && url.password === '' ? url : undefined
}

/** True for an address of this machine written literally: 127.0.0.0/8, `[::1]`, or the name `localhost`. */
export function isLoopback(hostname: string): boolean {
  // URL has already rewritten 127.1, 0x7f.1 and the like into four decimal numbers.
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}

/**
 * May credentials go to this address? https always; plain http only to a loopback address written literally, because
 * a name may resolve to anything, or where `insecureHttp` allows it for this client.
 */
export function mayCarrySecrets(url: URL, insecureHttp: boolean): boolean {
  if (url.protocol === 'https:') return true
  return url.protocol === 'http:' && (insecureHttp || isLoopback(url.hostname))
}

/** What to do about plain http that is refused, for every error that says so. */
export const allowsPlain =
  'Use https. insecure_http: true on the client (--insecure-http on the command line) allows plain http where nobody else can listen.'

/** What to do about an address that is refused, for every error that says so. */
export const allowsPrivate =
  'Where the provider runs in a network of your own, say private_network: true for this client (--private-network on the command line, privateNetwork in the library). Link-local and metadata addresses stay refused.'

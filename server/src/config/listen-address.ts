import { isIP, isIPv6 } from 'node:net'
import { fault, type Origin } from './origin.ts'

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

const defaultAddress = '127.0.0.1:7420'

/** `127.0.0.1:7420`, `[::1]:7420`, `localhost:7420`; port 0 takes any free one. */
export function listenAddress(text: string = defaultAddress, origin: Origin): ListenAddress {
  const [, bracketed, name, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? name
  const port = Number(digits)
  const sound = host !== undefined && port <= 65_535 && (bracketed === undefined || isIPv6(bracketed))
  if (!sound)
    throw fault(
      origin,
      ['listen'],
      `found ${JSON.stringify(text.slice(0, 100))}, expected a host and a port`,
      {
        advice: `For example ${defaultAddress}, or [::1]:7420.`,
      },
    )
  return Object.freeze({ host, port })
}

/** The broker's own origin. It comes from the configuration alone: whoever writes a Host header must not choose it. */
export function publicOrigin(
  text: string | undefined,
  { host, port }: ListenAddress,
  tls: boolean,
  origin: Origin,
): string {
  if (text === undefined) {
    // A browser on this machine reaches "every address" at the loopback one.
    const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
    const name = isIP(reachable) === 6 ? `[${reachable}]` : reachable
    return `${tls ? 'https' : 'http'}://${name}:${port}`
  }
  const url = new URL(text)
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw fault(origin, ['public_url'], 'expected an origin: a scheme, a host and perhaps a port', {
      advice: `Write ${url.origin}.`,
    })
  return url.origin
}

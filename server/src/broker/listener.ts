import http, { type RequestListener, type Server } from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { BlockList, isIP, isIPv6 } from 'node:net'
import { ConfigurationError, EvertokenError, type Secret } from 'evertoken'
import { problemOf, problemType } from './problem.ts'

/** Bounds on whoever calls. Times in ms, sizes in bytes. */
export interface BrokerLimits {
  readonly body: number
  readonly headers: number
  /** From the connection to the last header. */
  readonly headersTime: number
  /** From the connection to the last byte of the body. */
  readonly requestTime: number
  /** A connection that is kept open without a request. */
  readonly idleTime: number
  /** How often the two times above are looked at. */
  readonly check: number
}

const defaultLimits: BrokerLimits = {
  body: 64 * 1024,
  headers: 16 * 1024,
  headersTime: 10_000,
  requestTime: 15_000,
  idleTime: 72_000,
  check: 1_000,
}

export const resolveLimits = (limits: Partial<BrokerLimits> = {}): BrokerLimits =>
  Object.freeze({ ...defaultLimits, ...limits })

export interface ListenerTls {
  /** PEM. */
  cert: string
  /** PEM. */
  key: string | Secret
}

/** The server under the framework, with its bounds set: its own defaults are minutes. */
export function serverFactory(limits: BrokerLimits, tls: ListenerTls | undefined) {
  return (handler: RequestListener): Server => {
    const options = {
      maxHeaderSize: limits.headers,
      headersTimeout: limits.headersTime,
      requestTimeout: limits.requestTime,
      keepAliveTimeout: limits.idleTime,
      connectionsCheckingInterval: limits.check,
    }
    if (tls === undefined) return http.createServer(options, handler)
    // The same members; only the classes are not each other's.
    return httpsServer(options, tls, handler) as unknown as Server
  }
}

function httpsServer(options: http.ServerOptions, { cert, key }: ListenerTls, handler: RequestListener) {
  try {
    const pem = typeof key === 'string' ? key : key.reveal()
    return https.createServer({ ...options, minVersion: 'TLSv1.2', cert, key: pem }, handler)
  } catch (cause) {
    throw new ConfigurationError('invalid_configuration', 'the certificate and key for TLS cannot be used', {
      cause,
      advice: 'Both must be PEM, the key unencrypted, and the certificate made for that key.',
    })
  }
}

/** What is no HTTP, or too slow, or too large to be read, gets its answer and the end of the connection. */
export function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const statusCode =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400
  const problem = problemOf({ statusCode }, 'none')
  const body = JSON.stringify(problem)
  socket.end(
    [
      `HTTP/1.1 ${statusCode} ${http.STATUS_CODES[statusCode] ?? ''}`,
      `Content-Type: ${problemType}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Cache-Control: no-store',
      'X-Content-Type-Options: nosniff',
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  )
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

function isLoopback(host: string): boolean {
  const family = isIP(host)
  if (family === 0) return host.toLowerCase() === 'localhost'
  return loopback.check(host, family === 6 ? 'ipv6' : 'ipv4')
}

/** Tokens go over the wire in the clear only where the wire is inside this machine. */
export function checkAddress(host: string, encrypted: boolean): void {
  if (encrypted || isLoopback(host)) return
  throw new EvertokenError(
    'listen_not_loopback',
    `listening on ${host} would send tokens over the network without TLS`,
    {
      advice:
        'Give tls: { cert, key }, or behind_tls_proxy: true where a proxy on this machine ends TLS, or listen on 127.0.0.1.',
    },
  )
}

/** What an operator can do about an address that cannot be had. */
export function listenError(error: unknown, host: string, port: number): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE')
    return new EvertokenError('port_taken', `port ${port} on ${host} is taken by another program`, {
      cause: error,
      advice: `Stop it, or take another: --listen ${host}:${port + 1}, or listen in evertoken.yaml. It may be another evertoken.`,
    })
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new ConfigurationError(
      'invalid_configuration',
      `the broker cannot listen on ${host}:${port}: ${code}`,
      {
        cause: error,
        advice:
          code === 'EACCES'
            ? 'Take a port from 1024 up.'
            : 'The address must be one of this machine; 127.0.0.1 always is.',
      },
    )
  return error
}

export const portOf = (server: Server): number => (server.address() as AddressInfo).port

/** The host as it stands in a URL; from "every address" it is the loopback one. */
export function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return isIPv6(host) ? `[${host}]` : host
}

import { X509Certificate } from 'node:crypto'
import { createServer, type Server } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { selfSigned } from './certificate.ts'
import { listening } from './servers.ts'

/** What a certified server saw of one request. */
export interface CertifiedRequest {
  readonly path: string
  readonly form: Record<string, string>
  /** SHA-256 of the certificate that the connection was made with; undefined for none. */
  readonly certificate: string | undefined
  /** Counts the connections. */
  readonly connection: number
}

export const sha256Of = (certificate: string): string => new X509Certificate(certificate).fingerprint256

/**
 * An https server that asks for a certificate and looks at what it is shown. It ends with the test.
 *
 * @param answer gives the JSON for a request.
 */
export async function certifiedServer(
  answer: (request: CertifiedRequest) => unknown = () => ({ access_token: 'at', expires_in: 60 }),
  required = false,
): Promise<{ readonly origin: string; readonly ca: string; readonly requests: CertifiedRequest[] }> {
  const { cert, key } = selfSigned('127.0.0.1')
  const requests: CertifiedRequest[] = []
  const connections = new Map<unknown, number>()
  const options = { cert, key, requestCert: true, rejectUnauthorized: required, keepAliveTimeout: 60_000 }
  const server: Server = createServer(options, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const socket = request.socket as TLSSocket
      const seen: CertifiedRequest = {
        path: request.url ?? '',
        form: Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString())),
        certificate: socket.getPeerCertificate()?.fingerprint256,
        connection: connections.get(socket) ?? 0,
      }
      requests.push(seen)
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(answer(seen)))
    })
  })
  server.on('secureConnection', (socket) => connections.set(socket, connections.size + 1))
  return { origin: await listening(server, 'https'), ca: cert, requests }
}

import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { nodeTransport } from '../../src/oauth/node-transport.ts'
import type { Wire, WireError, WireRequest } from '../../src/oauth/transport.ts'

/** Listens on a port of the kernel's choice until the test is over. Gives the origin. */
export async function listening(server: Server, scheme = 'http'): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export const httpServer = (handle: RequestListener): Promise<string> => listening(createServer(handle))

/** An address at which nobody listens any more. */
export async function closedPort(): Promise<string> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}/`
}

/** Speaks bytes, for what no HTTP server would say. `handle` is called when the request has arrived. */
export function rawServer(handle: (socket: Socket) => void): Promise<string> {
  return listening(
    createTcpServer((socket) => {
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
        const [head, body = ''] = text.split('\r\n\r\n')
        if (head === undefined || !text.includes('\r\n\r\n')) return
        if (body.length < Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)) return
        text = ''
        handle(socket)
      })
    }),
  )
}

export function transportForTest(
  options?: Parameters<typeof nodeTransport>[0],
): ReturnType<typeof nodeTransport> {
  const transport = nodeTransport(options)
  onTestFinished(() => transport.close())
  return transport
}

export function wireForTest(overrides: Partial<Wire> = {}): Wire {
  return { transport: transportForTest(), now: () => 1_800_000_000_000, deadline: 2000, ...overrides }
}

export function post(url: string, overrides: Partial<WireRequest> = {}): WireRequest {
  return {
    method: 'POST',
    url,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'a=1',
    deadline: 2000,
    insecureHttp: false,
    ...overrides,
  }
}

/** The reason, `sent` and status of a failure; fails the test when there was none. */
export async function failure(
  promise: Promise<unknown>,
): Promise<Pick<WireError, 'reason' | 'sent' | 'status' | 'message'>> {
  const error = await promise.then(
    (value) => {
      throw new Error(`expected a failure, got ${JSON.stringify(value)}`)
    },
    (reason: WireError) => reason,
  )
  return { reason: error.reason, sent: error.sent, status: error.status, message: error.message }
}

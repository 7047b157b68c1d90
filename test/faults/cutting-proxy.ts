import { once } from 'node:events'
import net from 'node:net'
import { onTestFinished } from 'vitest'

/** A proxy that can break off in the middle of what a server answers, be it in the head or in the body. */
export interface CuttingProxy {
  readonly origin: string
  /** The next connection that is made gets so many bytes of what the server says, and is then reset. */
  cutNext(bytes: number): void
  /** Bytes that the server has said on the connection that was made last. */
  readonly said: number
  /** Ends what is open, so that the next request has a connection of its own. */
  disconnect(): void
}

export async function startCuttingProxy(port: number): Promise<CuttingProxy> {
  const open = new Set<net.Socket>()
  let limit = Number.POSITIVE_INFINITY
  let said = 0
  const listener = net.createServer({ noDelay: true }, (client) => {
    const most = limit
    limit = Number.POSITIVE_INFINITY
    said = 0
    let left = most
    const server = net.connect({ port, host: '127.0.0.1', noDelay: true })
    const end = () => {
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) {
      open.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        open.delete(socket)
        end()
      })
    }
    client.pipe(server)
    server.on('data', (chunk: Buffer) => {
      said += chunk.length
      const passed = chunk.subarray(0, left)
      left -= passed.length
      if (passed.length > 0) client.write(passed)
      if (left === 0) client.end(end)
    })
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const disconnect = () => {
    for (const socket of open) socket.destroy()
  }
  onTestFinished(() => {
    disconnect()
    listener.close()
  })
  return {
    origin: `http://127.0.0.1:${(listener.address() as net.AddressInfo).port}`,
    cutNext: (bytes) => {
      limit = bytes
    },
    get said() {
      return said
    },
    disconnect,
  }
}

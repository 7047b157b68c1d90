import { once } from 'node:events'
import net from 'node:net'
import { onTestFinished } from 'vitest'

/** Writes what no server would say to a request that has arrived, of which it sees all. */
export type Saying = (socket: net.Socket, request: string) => void

/** Stands before a server, and now and then answers in its place. */
export interface AnsweringProxy {
  readonly origin: string
  /** From now on; undefined: the server answers. What is open is ended, so that the next request meets it. */
  say(saying: Saying | undefined): void
  /** Requests that were answered here. */
  readonly answered: number
}

export async function startAnsweringProxy(port: number): Promise<AnsweringProxy> {
  const open = new Set<net.Socket>()
  let saying: Saying | undefined
  let answered = 0
  const watched = (socket: net.Socket): net.Socket => {
    open.add(socket)
    return socket.on('error', () => undefined).on('close', () => open.delete(socket))
  }
  const listener = net.createServer({ noDelay: true }, (client) => {
    watched(client)
    const present = saying
    if (present === undefined) {
      const server = watched(net.connect({ port, host: '127.0.0.1', noDelay: true }))
      client.pipe(server).pipe(client)
      client.on('close', () => server.destroy())
      server.on('close', () => client.destroy())
      return
    }
    let request = ''
    client.on('data', (chunk) => {
      request += chunk
      const [head = '', body = ''] = request.split('\r\n\r\n')
      if (
        !request.includes('\r\n\r\n') ||
        body.length < Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
      )
        return
      answered += 1
      const whole = request
      request = ''
      present(client, whole)
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
    say(next) {
      saying = next
      disconnect()
    },
    get answered() {
      return answered
    },
  }
}

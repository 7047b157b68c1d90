import net from 'node:net'
import { MessageReader, statementOf } from './messages.ts'

/** What becomes of a COMMIT: it never reaches the server, or its answer never reaches the client. */
export type CommitFault = 'before' | 'after'

export interface PostgresProxy {
  readonly port: number
  /** COMMITs that were asked for through it. */
  readonly commits: number
  /** The next COMMIT, on whatever connection, goes wrong, and with it that connection. Resolves when it has. */
  breakNextCommit(fault: CommitFault): Promise<void>
  /** From now on it leads to another server; connections that are there stay. */
  leadTo(serverPort: number): void
  /** Cuts every connection there is, and takes no more until `mend`. */
  cut(): void
  mend(): void
  close(): Promise<void>
}

export interface ProxyOptions {
  /** Changes what the server says, message by message. */
  readonly rewrite?: ((bytes: Buffer) => Buffer) | undefined
}

/** A proxy that reads along. */
export async function startProxy(
  serverPort: number,
  { rewrite = (bytes) => bytes }: ProxyOptions = {},
): Promise<PostgresProxy> {
  const pairs = new Set<{ client: net.Socket; server: net.Socket }>()
  const faults: { fault: CommitFault; done: () => void }[] = []
  let target = serverPort
  let commits = 0
  let isCut = false
  const listener = net.createServer({ noDelay: true }, (client) => {
    client.on('error', () => undefined)
    if (isCut) return void client.destroy()
    const server = net.connect({ port: target, host: '127.0.0.1', noDelay: true })
    server.on('error', () => undefined)
    const pair = { client, server }
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    client.on('close', end)
    server.on('close', end)
    const fromClient = new MessageReader({ first: true })
    const fromServer = new MessageReader()
    let broken: { fault: CommitFault; done: () => void } | undefined
    let unanswered = 0
    client.on('data', (chunk: Buffer) => {
      for (const sent of fromClient.read(chunk)) {
        if (broken !== undefined) return
        if (/^\s*COMMIT\b/i.test(statementOf(sent) ?? '')) {
          commits += 1
          broken = faults.shift()
          if (broken?.fault === 'before') {
            const { done } = broken
            end()
            return done()
          }
        }
        if (sent.type === 'Q' || sent.type === 'S') unanswered += 1
        server.write(sent.bytes)
      }
    })
    let plain = true
    server.on('data', (chunk: Buffer) => {
      // The one byte that answers whether to encrypt is no message.
      if (plain && chunk.length === 1) return void client.write(chunk)
      plain = false
      for (const said of fromServer.read(chunk)) {
        if (said.type === 'Z' && unanswered > 0) unanswered -= 1
        if (broken?.fault !== 'after') client.write(rewrite(said.bytes))
        else if (said.type === 'Z' && unanswered === 0) {
          const { done } = broken
          end()
          return done()
        }
      }
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const cutAll = () => {
    for (const { client, server } of pairs) {
      client.destroy()
      server.destroy()
    }
  }
  return {
    port: (listener.address() as net.AddressInfo).port,
    get commits() {
      return commits
    },
    breakNextCommit: (fault) => new Promise((done) => faults.push({ fault, done })),
    leadTo(port) {
      target = port
    },
    cut() {
      isCut = true
      cutAll()
    },
    mend() {
      isCut = false
    },
    async close() {
      const closed = new Promise((resolve) => listener.close(resolve))
      cutAll()
      await closed
    },
  }
}

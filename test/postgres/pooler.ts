import net from 'node:net'
import {
  asksForEncryption,
  asksToCancel,
  type Message,
  MessageReader,
  message,
  readyState,
  startupFacts,
} from './messages.ts'

/*
 * A transaction pooler: a client has a server session for one transaction, and another for the next. Whatever a client
 * leaves in a session (a prepared statement, a setting, a lock, LISTEN) is somebody else's afterwards. Sessions are
 * handed out in turn, so that two transactions in a row never share one while there are two.
 */

export interface Pooler {
  readonly port: number
  /** Transactions and single statements that were handed to a session. */
  readonly handedOut: number
  close(): Promise<void>
}

/** @param sessions how many server connections there are for each user and database. */
export async function startPooler(serverPort: number, { sessions = 3 } = {}): Promise<Pooler> {
  const pools = new Map<string, Pool>()
  const clients = new Set<net.Socket>()
  let handedOut = 0
  const server = net.createServer({ noDelay: true }, (socket) => {
    clients.add(socket)
    socket.on('close', () => clients.delete(socket))
    socket.on('error', () => undefined)
    serve(
      socket,
      (start) => {
        const { user = '', database = user } = startupFacts(start)
        const key = `${user}\n${database}`
        const pool = pools.get(key) ?? new Pool(serverPort, start, sessions)
        pools.set(key, pool)
        return pool
      },
      () => {
        handedOut += 1
      },
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as net.AddressInfo).port,
    get handedOut() {
      return handedOut
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const client of clients) client.destroy()
      for (const pool of pools.values()) pool.close()
      await closed
    },
  }
}

function serve(client: net.Socket, poolFor: (start: Buffer) => Pool, onHandOut: () => void): void {
  const reader = new MessageReader({ first: true })
  let pool: Pool | undefined
  let session: Session | undefined
  let waiting: Buffer[] = []
  let asking = false

  const forward = (bytes: Buffer, ends: boolean) => {
    if (session === undefined) {
      waiting.push(bytes)
      if (ends) waitingEnds += 1
      if (!asking) void attach()
      return
    }
    session.send(bytes, ends)
  }
  let waitingEnds = 0
  const attach = async () => {
    asking = true
    const taken = await (pool as Pool).take().catch(() => undefined)
    asking = false
    if (taken === undefined) return void client.destroy()
    if (client.destroyed) return (pool as Pool).give(taken)
    onHandOut()
    session = taken
    taken.onMessage = (answer) => {
      client.write(answer.bytes)
      if (answer.type === 'Z' && readyState(answer.bytes) === 'I' && taken.outstanding === 0) {
        session = undefined
        pool?.give(taken)
      }
    }
    taken.onClose = () => client.destroy()
    taken.send(Buffer.concat(waiting), false)
    taken.outstanding += waitingEnds
    waiting = []
    waitingEnds = 0
  }

  client.on('data', (chunk: Buffer) => {
    for (const { type, bytes } of reader.read(chunk)) {
      if (type === '' && asksForEncryption(bytes)) client.write('N')
      else if (type === '' && asksToCancel(bytes)) client.destroy()
      else if (type === '') {
        pool = poolFor(bytes)
        void pool.greeting().then(
          (greeting) => client.write(greeting),
          () => client.destroy(),
        )
      } else if (type === 'X') client.end()
      else forward(bytes, type === 'Q' || type === 'S')
    }
  })
  client.on('close', () => {
    // In the middle of a transaction: its session ends with it, and the server rolls back.
    session?.destroy()
  })
}

class Pool {
  readonly #port: number
  readonly #start: Buffer
  readonly #size: number
  readonly #all = new Set<Session>()
  readonly #idle: Session[] = []
  readonly #queue: { resolve: (session: Session) => void; reject: (error: unknown) => void }[] = []

  constructor(port: number, start: Buffer, size: number) {
    this.#port = port
    this.#start = start
    this.#size = size
  }

  /** What a server says to a client that has logged in, with a key that cancels nothing. */
  async greeting(): Promise<Buffer> {
    const session = await this.take()
    const { greeting } = session
    this.give(session)
    return greeting
  }

  async take(): Promise<Session> {
    // The one that has waited longest, so that sessions change as often as they can; a new one before any is used again.
    if (this.#all.size < this.#size) {
      const session = new Session(this.#port, this.#start)
      this.#all.add(session)
      session.onGone = () => this.#forget(session)
      await session.ready
      return session
    }
    const idle = this.#idle.shift()
    if (idle !== undefined) return idle
    return new Promise((resolve, reject) => this.#queue.push({ resolve, reject }))
  }

  give(session: Session): void {
    session.onMessage = undefined
    session.onClose = undefined
    if (session.gone) return
    const next = this.#queue.shift()
    if (next === undefined) this.#idle.push(session)
    else next.resolve(session)
  }

  #forget(session: Session): void {
    this.#all.delete(session)
    const at = this.#idle.indexOf(session)
    if (at >= 0) this.#idle.splice(at, 1)
    const next = this.#queue.shift()
    if (next !== undefined) this.take().then(next.resolve, next.reject)
  }

  close(): void {
    for (const session of this.#all) session.destroy()
  }
}

/** One connection to the server, logged in. */
class Session {
  onMessage: ((message: Message) => void) | undefined
  onClose: (() => void) | undefined
  onGone: (() => void) | undefined
  /** Statements sent whose end the server has not told yet. */
  outstanding = 0
  gone = false
  greeting: Buffer = Buffer.alloc(0)
  readonly ready: Promise<void>
  readonly #socket: net.Socket

  constructor(port: number, start: Buffer) {
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('error', () => undefined)
    const reader = new MessageReader()
    const said: Buffer[] = []
    this.ready = new Promise((resolve, reject) => {
      let ready = false
      this.#socket.on('connect', () => this.#socket.write(start))
      this.#socket.on('data', (chunk: Buffer) => {
        for (const answer of reader.read(chunk)) {
          if (ready) {
            if (answer.type === 'Z') this.outstanding -= 1
            this.onMessage?.(answer)
            continue
          }
          if (answer.type === 'E') return reject(new Error(answer.bytes.toString('latin1')))
          said.push(answer.type === 'K' ? message('K', Buffer.alloc(8)) : answer.bytes)
          if (answer.type === 'Z') {
            ready = true
            this.greeting = Buffer.concat(said)
            resolve()
          }
        }
      })
      this.#socket.on('close', () => {
        this.gone = true
        this.onClose?.()
        this.onGone?.()
        reject(new Error('the server has closed the connection'))
      })
    })
    this.ready.catch(() => undefined)
  }

  send(bytes: Buffer, ends: boolean): void {
    if (ends) this.outstanding += 1
    this.#socket.write(bytes)
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

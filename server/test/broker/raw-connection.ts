import net from 'node:net'

export interface RawAnswer {
  /** 0 when the connection ended without an answer. */
  readonly status: number
  readonly head: string
  readonly body: string
  /** From the first byte sent until the other side closed, in ms. */
  readonly ms: number
}

/**
 * Writes bytes as they are and gives what came back until the other side closed. `more` are written one after the
 * other, `pause` ms apart, as long as it listens.
 */
export function rawRequest(
  port: number,
  first: string,
  { more = [], pause = 20 }: { more?: Iterable<string>; pause?: number } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const socket = net.connect(port, '127.0.0.1')
    const rest = more[Symbol.iterator]()
    let dripping: NodeJS.Timeout | undefined
    socket.on('connect', () => {
      socket.write(first)
      dripping = setInterval(() => {
        const { value, done } = rest.next()
        if (done) clearInterval(dripping)
        else if (socket.writable) socket.write(value)
      }, pause)
    })
    let text = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // The other side closed while we were still writing: that is an answer too.
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error)
    })
    socket.on('close', () => {
      clearInterval(dripping)
      const [head = '', body = ''] = text.split('\r\n\r\n', 2)
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0)
      resolve({ status, head, body, ms: performance.now() - began })
    })
  })
}

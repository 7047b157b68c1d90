import type { ClientRequest, Agent as HttpAgent, IncomingMessage } from 'node:http'
import type { Agent as HttpsAgent } from 'node:https'
import type { LookupFunction, Socket } from 'node:net'
import { Secret } from '../secret.ts'
import { mayCarrySecrets, webAddress } from './address.ts'
import { AddressCheck, addressRefused } from './address-check.ts'
import { decodeBody, largestBody } from './answer-body.ts'
import { type CertifiedAgents, certifiedAgents } from './certified-agents.ts'
import { handshakeFailure } from './handshake-failure.ts'
import { type Transport, WireError, type WireRequest, type WireResponse } from './transport.ts'

export interface NodeTransportOptions {
  /** Milliseconds that an idle connection is kept. Default 2000. */
  readonly idle?: number | undefined
  /** Connections to one host at a time; further requests wait within their deadline. Default 64. */
  readonly connections?: number | undefined
  /**
   * Allows addresses of private networks, and loopback reached through a name, to every request. Default false: only to requests
   * that say so themselves ({@link WireRequest}). Link-local addresses and those where clouds hand out their keys are refused always.
   */
  readonly privateNetwork?: boolean | undefined
  /** Resolves names. Default: the system's resolver. */
  readonly lookup?: LookupFunction | undefined
  /** Certificate authorities (PEM) to trust instead of the machine's. */
  readonly ca?: string | readonly string[] | undefined
}

const largestHead = 16_384
/**
 * Short, because servers close idle connections without asking (commonly after 5 s), and a request written into a
 * connection that is being closed ends as "reset after sending": nobody knows whether the refresh token is spent. Two
 * seconds keep the saving inside a burst and hardly ever meet a server that has just hung up.
 */
const defaultIdle = 2000

/**
 * The transport over node:http and node:https: connections kept alive, one deadline over everything, at most 64 KiB of
 * answer and 16 KiB of headers, no redirects, plain http only where it may be.
 */
export function nodeTransport(options: NodeTransportOptions = {}): Transport & { close(): void } {
  // Apart, so that who may not reach a private network is not given a connection that somebody else has into it.
  const opened = new Map<boolean, Opened>()
  const openedFor = (privateNetwork: boolean): Opened => {
    const there = opened.get(privateNetwork) ?? openAgents(options, privateNetwork)
    opened.set(privateNetwork, there)
    return there
  }
  const transport: Transport = async (request) => {
    const { check, http, https, certified } = openedFor(
      options.privateNetwork ?? request.privateNetwork ?? false,
    )
    const url = checkedUrl(request, check)
    const { certificate } = request
    if (certificate !== undefined && url.protocol !== 'https:')
      throw new WireError('local', `plain http to ${url.host} shows no certificate`, { sent: false })
    const agent =
      certificate === undefined ? (url.protocol === 'https:' ? https : http) : certified(certificate)
    return responseOf(await exchange(url, request, agent))
  }
  return Object.assign(transport, {
    showsCertificates: true,
    close: () => {
      for (const { http, https, certified } of opened.values()) {
        http.destroy()
        https.destroy()
        certified.close()
      }
    },
  })
}

function responseOf({ head, body }: RawAnswer): WireResponse {
  const status = head.statusCode as number
  return { status, headers: flatHeaders(head), body: decodeBody(body, head.headers, status) }
}

interface Opened {
  readonly check: AddressCheck
  readonly http: HttpAgent
  readonly https: HttpsAgent
  readonly certified: CertifiedAgents
}

/**
 * node:http takes longer to load than all of this library, and a process that only reads a token never needs it: so
 * it is loaded by the first request, and not as a file would be, which fails when there is no descriptor left.
 */
function openAgents(options: NodeTransportOptions, privateNetwork: boolean): Opened {
  const check = new AddressCheck(privateNetwork, options.lookup)
  const shared = {
    lookup: check.lookup,
    keepAlive: true,
    timeout: options.idle ?? defaultIdle,
    maxSockets: options.connections ?? 64,
    scheduling: 'lifo',
  } as const
  const { Agent } = process.getBuiltinModule('node:https')
  const secured = {
    ...shared,
    minVersion: 'TLSv1.2',
    ...(options.ca === undefined ? {} : { ca: [options.ca].flat() }),
  } as const
  return {
    check,
    http: new (process.getBuiltinModule('node:http').Agent)(shared),
    https: new Agent(secured),
    certified: certifiedAgents((cert, key) => new Agent({ ...secured, cert, key })),
  }
}

function checkedUrl(request: WireRequest, check: AddressCheck): URL {
  const url = webAddress(request.url)
  if (url === undefined) throw new WireError('local', 'no http address', { sent: false })
  if (!mayCarrySecrets(url, request.insecureHttp))
    throw new WireError('insecure_http', `plain http to ${url.host} refused`, { sent: false })
  const refusal = check.refusalOfHost(url.hostname)
  if (refusal !== undefined)
    throw new WireError('private_address', `${url.host} is ${refusal}`, { sent: false })
  return url
}

interface RawAnswer {
  readonly head: IncomingMessage
  readonly body: Buffer
}

function exchange(url: URL, request: WireRequest, agent: HttpAgent): Promise<RawAnswer> {
  const { promise, ...inTime } = Promise.withResolvers<RawAnswer>()
  /** Who is told: whoever waits, and after the deadline whoever listens on. */
  let { resolve, reject } = inTime
  const progress: Progress = { connected: false, sent: false }
  const arrived: Buffer[] = []
  let answer: IncomingMessage | undefined
  let settled = false
  const settle = (result: RawAnswer | WireError): void => {
    if (settled) return
    settled = true
    clearTimeout(timer)
    if (result instanceof WireError) {
      outgoing?.destroy()
      reject(result)
    } else resolve(result)
  }
  const fail = (reason: WireError['reason'], detail: string): void => {
    // The end of every connection comes here; an error is dear to make.
    if (!settled) settle(new WireError(reason, detail, { ...progress, partial: partialOf(answer, arrived) }))
  }
  const noAnswer = (ms: number) => fail('deadline', `no whole answer from ${url.host} within ${ms} ms`)
  const late = () => {
    const { deadline, late: listener } = request
    if (settled || listener === undefined || !progress.sent) return noAnswer(deadline)
    // The request has left: an answer that still comes may hold the only copy of a refresh token.
    const further = Promise.withResolvers<RawAnswer>()
    reject(
      new WireError('deadline', `no whole answer from ${url.host} within ${deadline} ms`, { ...progress }),
    )
    ;({ resolve, reject } = further)
    timer = setTimeout(() => noAnswer(deadline + listener.ms), listener.ms)
    listener.take(further.promise.then(responseOf))
  }
  const until = performance.now() + request.deadline
  let timer = setTimeout(
    // A process that was stopped or blocked comes to its timers before its sockets: an answer that has arrived counts.
    () => setImmediate(late),
    Math.min(Math.max(request.deadline, 0), 2 ** 31 - 1),
  )

  let outgoing: ClientRequest | undefined
  try {
    outgoing = open(url, request, agent)
  } catch (error) {
    fail('local', `the request cannot be made: ${codeOf(error)}`)
    return promise
  }
  // A process that was stopped while it connected sends nothing when it goes on: others have taken over by now.
  const isLate = () => {
    if (performance.now() >= until) noAnswer(request.deadline)
    return settled
  }
  outgoing.on('socket', (socket) => watch(socket, outgoing?.reusedSocket === true, url, progress, isLate))
  // Stays after the end: a connection that breaks while idle must not end the process.
  outgoing.on('error', (error) => {
    // Bytes beyond a whole answer end the connection; the answer may hold a refresh token and is read all the same.
    if (answer?.complete) return
    const { reason, detail } = judge(error, url, progress)
    fail(reason, detail)
  })
  outgoing.on('response', (head) => {
    answer = head
    progress.status = head.statusCode as number
    collect(head, arrived, (body) => settle({ head, body }), fail)
  })
  outgoing.end(request.body)
  return promise
}

function open(url: URL, request: WireRequest, agent: HttpAgent): ClientRequest {
  const length = request.body === undefined ? {} : { 'content-length': Buffer.byteLength(request.body) }
  const { request: send } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http')
  // Not the URL itself: node:http would take it apart with everything that may be hung on one.
  return send({
    agent,
    method: request.method,
    protocol: url.protocol,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port,
    path: `${url.pathname}${url.search}`,
    headers: { 'accept-encoding': 'identity', ...request.headers, ...length },
    maxHeaderSize: largestHead,
  })
}

/** How far a request has come. `sent` is true as soon as a byte of it may have left. */
interface Progress {
  connected: boolean
  sent: boolean
  status?: number
}

function watch(socket: Socket, reused: boolean, url: URL, progress: Progress, isLate: () => boolean): void {
  // A socket that failed at once, for want of a descriptor say, comes here destroyed and was never connected.
  if (reused || (url.protocol === 'http:' && !socket.connecting && !socket.destroyed)) {
    progress.connected = true
    progress.sent = true
    return
  }
  // Ours is the first listener: what it ends, Node does not write.
  socket.once('connect', () => {
    if (isLate()) return
    progress.connected = true
    if (url.protocol === 'http:') progress.sent = true
  })
  // Node holds the request back until the handshake is over and the certificate is checked.
  socket.once('secureConnect', () => {
    if (isLate()) return
    progress.sent = true
  })
}

/** The text so far, unless it is compressed: it may hold the only copy of a refresh token. */
function partialOf(head: IncomingMessage | undefined, arrived: readonly Buffer[]): Secret | undefined {
  const encoding = head?.headers['content-encoding'] ?? 'identity'
  const text = encoding === 'identity' ? Buffer.concat(arrived).toString('utf8') : ''
  return text === '' ? undefined : new Secret(text)
}

function collect(head: IncomingMessage, chunks: Buffer[], done: (body: Buffer) => void, fail: Fail): void {
  const tooLarge = () => fail('too_large', `more than ${largestBody} bytes of answer`)
  const cut = () => fail('cut', 'the answer ends too early')
  if (Number(head.headers['content-length'] ?? 0) > largestBody) {
    tooLarge()
    return
  }
  let size = 0
  head.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > largestBody) tooLarge()
    else chunks.push(chunk)
  })
  head.on('end', () => (head.complete ? done(Buffer.concat(chunks)) : cut()))
  head.on('error', cut)
  head.on('close', cut)
}

type Fail = (reason: WireError['reason'], detail: string) => void

const refused = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN'])
const ours = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EACCES', 'EPERM'])

const certificateAlert =
  /^ERR_SSL_\w+_ALERT_(?:\w*CERTIFICATE\w*|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)$/

/** Built from codes and addresses alone: messages and fields of Node's errors may quote what was sent or received. */
function judge(
  error: Error,
  url: URL,
  progress: Progress,
): { readonly reason: WireError['reason']; readonly detail: string } {
  const code = codeOf(error)
  // Made by ourselves, of a name and an address.
  if (code === addressRefused) return { reason: 'private_address', detail: error.message }
  const { syscall, address, port } = error as Partial<Record<'syscall' | 'address' | 'port', string>>
  const where = address === undefined ? url.host : `${address}:${port}`
  const detail = [syscall, code, where].filter((part) => part !== undefined).join(' ')
  // In TLS 1.3 a server looks at the certificate after we may have written: what it then says in an alert of the handshake is
  // that it has read nothing of the request (RFC 8446 section 4.4.2.4).
  if (progress.sent && progress.status === undefined && certificateAlert.test(code)) {
    progress.sent = false
    return { reason: 'tls', detail: `${detail}: the server refused the client's certificate, or wants one` }
  }
  const reason = (): WireError['reason'] => {
    if (progress.sent) {
      if (code === 'HPE_HEADER_OVERFLOW') return 'too_large'
      return code.startsWith('HPE_') || progress.status !== undefined ? 'cut' : 'reset'
    }
    if (refused.has(code)) return 'refused'
    if (code === 'ENOTFOUND' || code.startsWith('EAI_')) return 'name_not_found'
    if (ours.has(code)) return 'local'
    if (code === 'ETIMEDOUT') return 'deadline'
    return progress.connected ? 'tls' : 'reset'
  }
  const judged = reason()
  return { reason: judged, detail: judged === 'tls' ? handshakeFailure(code, detail) : detail }
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : 'unknown'
}

/** Node has joined whatever came twice but cookies. */
function flatHeaders({ headers }: IncomingMessage): Readonly<Record<string, string>> {
  const cookies = headers['set-cookie']
  return (cookies === undefined ? headers : { ...headers, 'set-cookie': cookies.join(', ') }) as Record<
    string,
    string
  >
}

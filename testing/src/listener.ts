import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { EvertokenError } from 'evertoken'
import { type Answer, errorAnswer, OAuthError } from './answer.ts'
import type { Exchange, Practice } from './exchange.ts'
import type { FaultTarget } from './fault.ts'
import { type Delivery, replacesAnswer, underFault } from './fault-delivery.ts'
import { practicePage } from './practice-pages.ts'
import { RequestCut, readExchange, respondRequest, senderOf, targetOf } from './request-intake.ts'
import { digest, fingerprint, type OpenRecord, type RequestRecord } from './request-record.ts'
import { route } from './routes.ts'
import type { NoteTruth, TruthDelivery } from './truth-log.ts'

/** A whole request must have arrived by then; answers may take as long as a hook wants. */
const requestTimeoutMs = 10_000

/** Binds the port before the issuer is known, because the issuer holds the port. */
export async function listen(host: string, port: number): Promise<{ server: Server; port: number }> {
  const server = createServer({
    requestTimeout: requestTimeoutMs,
    headersTimeout: requestTimeoutMs / 2,
    connectionsCheckingInterval: 1_000,
    // Longer than a client's pool keeps a connection, so that the client is the one who closes.
    keepAliveTimeout: 60_000,
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, host, port)))
    server.listen(port, host, resolve)
  })
  return { server, port: (server.address() as AddressInfo).port }
}

/**
 * Gives clients in this process the turns of the event loop in which they learn that their idle connections are gone;
 * else the first request after a stop or restart would be sent into a dead one.
 */
export async function peersNotice(): Promise<void> {
  await nextTurn()
  await nextTurn()
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code !== 'EADDRINUSE') return error
  return new EvertokenError('port_taken', `port ${port} on ${host} is taken`, {
    advice: 'Choose another port, or 0 to let the system choose.',
    cause: error,
  })
}

/** Receive, delay, script or process, deliver: the life of every request. */
export function serve(
  server: Server,
  practice: Practice,
  requests: RequestRecord,
  stopped: AbortSignal,
): void {
  server.on('request', (message: IncomingMessage, response: ServerResponse) => {
    void handle(message, response, practice, requests, stopped)
  })
}

async function handle(
  message: IncomingMessage,
  response: ServerResponse,
  practice: Practice,
  requests: RequestRecord,
  stopped: AbortSignal,
): Promise<void> {
  const path = targetOf(message).pathname.slice(0, 200)
  // The record's readers would otherwise fill the record.
  if (path.startsWith('/practice/'))
    return send(response, await practicePage(message, path, practice, requests))
  const record = requests.open(practice.now(), message.method ?? 'GET', path)
  try {
    deliver(await work(message, response, record, practice, stopped), response, record)
  } catch (error) {
    record.outcome = error instanceof RequestCut || stopped.aborted ? 'cut' : 'server_error'
    record.reason = error instanceof Error ? error.message : String(error)
    endConnection(response)
  }
}

async function work(
  message: IncomingMessage,
  response: ServerResponse,
  record: OpenRecord,
  practice: Practice,
  stopped: AbortSignal,
): Promise<Delivery> {
  try {
    const isTokenRequest = record.path === '/token' && record.method === 'POST'
    const note = isTokenRequest ? practice.truth.of(record.number) : () => {}
    const exchange = await readExchange(message, record, note)
    const request = respondRequest(exchange)
    const { refresh_token, grant_type } = request.parameters
    const refreshToken = refresh_token && fingerprint(refresh_token)
    note({ type: 'received', refreshToken, sender: senderOf(message) })
    watchDelivery(response, note, stopped)
    const delay = practice.options.latency(request)
    if (delay > 0) await sleep(delay, undefined, { signal: stopped })
    const scripted = await practice.options.respond(request)
    if (scripted === undefined) {
      const recorded = practice.recorded.answer(exchange, practice.now())
      if (recorded !== undefined) return recorded
      const fault = isTokenRequest
        ? practice.faults.take(faultTarget(grant_type, refresh_token, practice), practice.now())
        : undefined
      if (fault === undefined) return await processed(exchange, practice)
      record.fault = fault.kind
      if (replacesAnswer(fault)) replacedHere.add(response)
      const connection = { gone: goneSignal(response), stopped, now: practice.now }
      return await underFault(fault, connection, () => processed(exchange, practice))
    }
    record.outcome = typeof scripted === 'string' ? scripted : 'scripted'
    return typeof scripted === 'string' ? scripted : whole(scripted)
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    record.outcome = error.error
    record.reason = error.message
    return errorAnswer(error)
  }
}

function faultTarget(
  grantType: string | undefined,
  refreshToken: string | undefined,
  { state }: Practice,
): FaultTarget {
  const login = refreshToken && state.refreshToken(digest(refreshToken))?.login
  return { grantType, subject: login ? state.login(login)?.subject : undefined }
}

async function processed(exchange: Exchange, practice: Practice): Promise<Answer> {
  const answer = await route(exchange, practice)
  exchange.note({ type: 'processed', outcome: exchange.record.outcome, status: answer.status })
  return answer
}

function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController()
  if (response.destroyed) gone.abort()
  else response.once('close', () => gone.abort())
  return gone.signal
}

/** Who ended a connection cannot be seen from its end, so the server remembers where it was itself. */
const endedHere = new WeakSet<ServerResponse>()

/** Responses that carry something else than what the processing gave. */
const replacedHere = new WeakSet<ServerResponse>()

function endConnection(response: ServerResponse): void {
  endedHere.add(response)
  response.destroy()
}

function watchDelivery(response: ServerResponse, note: NoteTruth, stopped: AbortSignal): void {
  let noted = false
  const end = (delivery: TruthDelivery): void => {
    if (!noted) note({ type: 'answered', delivery })
    noted = true
  }
  response.once('finish', () => end(replacedHere.has(response) ? 'replaced' : 'whole'))
  response.once('close', () => end(stopped.aborted || endedHere.has(response) ? 'cut' : 'client_gone'))
}

function whole(scripted: {
  status: number
  headers?: Answer['headers'] | undefined
  body?: Answer['body'] | undefined
}): Answer {
  return { status: scripted.status, headers: scripted.headers ?? {}, body: scripted.body ?? '' }
}

function deliver(delivery: Delivery, response: ServerResponse, record: OpenRecord): void {
  if (delivery === 'hang') return
  if (delivery === 'close') {
    endConnection(response)
    return
  }
  if ('cut' in delivery) {
    record.status = delivery.cut.status
    sendPart(response, delivery.cut, delivery.bytes)
    return
  }
  record.status = delivery.status
  send(response, delivery)
}

/** The head promises the whole body, so that the client can tell that it did not get it. */
function sendPart(response: ServerResponse, answer: Answer, bytes: number): void {
  const body = Buffer.from(answer.body)
  // Nothing is left to cut, and the log of the truth must not call that a cut.
  if (bytes >= body.length) {
    send(response, answer)
    return
  }
  response.writeHead(answer.status, { ...answer.headers, 'content-length': body.length })
  response.flushHeaders()
  response.write(body.subarray(0, bytes), () => endConnection(response))
}

function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, answer.headers)
  response.end(answer.body)
}

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type DestinationStream, type Logger, pino } from 'pino'

/**
 * A log of JSON lines for the broker.
 *
 * @param level default `info`: changes, refusals and failures; `debug` also says every request.
 * @param destination default: standard output.
 */
export function brokerLog(level = 'info', destination?: DestinationStream): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  return destination === undefined ? pino(options) : pino(options, destination)
}

/**
 * One line for a request that is over. It names the route, never the path as it came, whose query may hold a code and
 * whose end may be a ticket; no header and no body is ever said.
 */
export function logRequest(request: FastifyRequest, reply: FastifyReply): void {
  const { method, caller } = request
  const { statusCode: status } = reply
  // A request that the router itself refuses has neither.
  const grant = (request.params as { id?: unknown } | null)?.id
  const line = {
    request_id: request.id,
    method,
    route: request.routeOptions?.url ?? 'none',
    ...(typeof grant === 'string' && { grant: grant.slice(0, 128) }),
    ...(caller && { caller: caller.id, label: caller.label }),
    status,
    ms: Math.round(reply.elapsedTime * 10) / 10,
  }
  // A token that an OAuth client posts for is read as any other.
  const reads = method === 'GET' || request.routeOptions?.config.right === 'client'
  request.log[reads && status < 400 ? 'debug' : 'info'](line, `${method} ${status}`)
}

/**
 * Logs what succeeds; a problem is logged where it is answered. Nearly every request is a read that nobody wants a line
 * about, so unless the log wants them all, those routes do not even have the hook.
 */
export function logRoutes(app: FastifyInstance): void {
  const { level } = app.log
  const all = level === 'debug' || level === 'trace'
  app.addHook('onRoute', (route) => {
    if (route.method === 'GET' && !all) return
    route.onResponse = (request, reply, done) => {
      if (reply.statusCode < 400) logRequest(request, reply)
      done()
    }
  })
}

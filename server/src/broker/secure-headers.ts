import type { FastifyReply } from 'fastify'

/** What every answer carries: it is nobody's to keep, to guess the type of, or to pass on the address of. */
export function secureHeaders(reply: FastifyReply, https: boolean): void {
  reply.header('cache-control', 'no-store')
  reply.header('x-content-type-options', 'nosniff')
  reply.header('referrer-policy', 'no-referrer')
  if (https) reply.header('strict-transport-security', 'max-age=31536000')
}

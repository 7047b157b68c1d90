import { type ApiKey, EvertokenError } from 'evertoken'
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import type { ApiKeys } from './api-key.ts'

/** What a route asks of its caller. `public` asks nothing, `administer` includes `read`. */
export type Right = 'public' | ApiKey['rights']

declare module 'fastify' {
  interface FastifyContextConfig {
    right?: Right
  }
  interface FastifyRequest {
    /** Who calls; null on public routes. */
    caller: ApiKey | null
  }
}

const scheme = /^bearer +/i

/**
 * Puts the check of its right before every route that is added from here on. A route that names none does not come to
 * be: the broker refuses to start rather than guess.
 */
export function guardRoutes(app: FastifyInstance, keys: ApiKeys): void {
  app.decorateRequest('caller', null)
  const guards = { read: guard(keys, 'read'), administer: guard(keys, 'administer') }
  app.addHook('onRoute', (route) => {
    const right = route.config?.right
    if (right === 'public') return
    if (right !== 'read' && right !== 'administer')
      throw new TypeError(`the route ${String(route.method)} ${route.url} does not say who may use it`)
    route.onRequest = [guards[right], ...[route.onRequest ?? []].flat()]
  })
}

function guard(keys: ApiKeys, right: ApiKey['rights']) {
  const decide = (
    key: ApiKey | undefined,
    request: FastifyRequest,
    reply: FastifyReply,
    done: HookHandlerDoneFunction,
  ): void => {
    if (key === undefined) {
      reply.header('www-authenticate', 'Bearer realm="evertoken", error="invalid_token"')
      done(unauthorized('this API key is not known'))
    } else if (right === 'administer' && key.rights !== 'administer') {
      reply.header('www-authenticate', 'Bearer realm="evertoken", error="insufficient_scope"')
      done(
        new EvertokenError('forbidden', `the key ${key.label} may read, and this changes something`, {
          advice: 'Use a key with the right to administer.',
        }),
      )
    } else {
      request.caller = key
      done()
    }
  }
  return (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void => {
    const header = request.headers.authorization
    if (header === undefined || !scheme.test(header)) {
      reply.header('www-authenticate', 'Bearer realm="evertoken"')
      done(unauthorized('this needs an API key'))
      return
    }
    const key = keys.verify(header.replace(scheme, ''))
    if (key instanceof Promise)
      key.then(
        (found) => decide(found, request, reply, done),
        (error: Error) => done(error),
      )
    else decide(key, request, reply, done)
  }
}

const unauthorized = (message: string): EvertokenError =>
  new EvertokenError('unauthorized', message, {
    advice: 'Send the header Authorization: Bearer evt_…',
  })

import { type ApiKey, EvertokenError } from 'evertoken'
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  HookHandlerDoneFunction,
  onRequestHookHandler,
} from 'fastify'
import type { ApiKeys } from './api-key.ts'
import { callerOf } from './oauth-client.ts'
import { formOf } from './oauth-form.ts'

/**
 * What a route asks of its caller. `public` asks nothing, `administer` includes `read`. `client` asks for a key with the right to read, by
 * which an OAuth client authenticates: in the header or in the form, so once that is read.
 */
export type Right = 'public' | 'client' | ApiKey['rights']

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
const usualScheme = 'Bearer '

/**
 * Puts the check of its right before every route that is added from here on. A route that names none does not come to
 * be: the broker refuses to start rather than guess.
 *
 * @param always what every route does first.
 */
export function guardRoutes(
  app: FastifyInstance,
  keys: ApiKeys,
  always: (reply: FastifyReply) => void,
): void {
  app.decorateRequest('caller', null)
  const open: onRequestHookHandler = (_request, reply, done) => {
    always(reply)
    done()
  }
  const guards: Readonly<Record<Right, onRequestHookHandler>> = {
    public: open,
    client: open,
    read: guard(keys, 'read', always),
    administer: guard(keys, 'administer', always),
  }
  app.addHook('onRoute', (route) => {
    const right = route.config?.right
    if (right === undefined || !Object.hasOwn(guards, right))
      throw new TypeError(`the route ${String(route.method)} ${route.url} does not say who may use it`)
    // One hook and not two: this stands before every read of a token.
    route.onRequest = [guards[right], ...[route.onRequest ?? []].flat()]
    if (right === 'client') route.preHandler = [clientGuard(keys), ...[route.preHandler ?? []].flat()]
  })
}

/** Every key may read. */
const clientGuard =
  (keys: ApiKeys) =>
  async (request: FastifyRequest): Promise<void> => {
    request.caller = await callerOf(keys, request.headers.authorization, formOf(request.body))
  }

function guard(
  keys: ApiKeys,
  right: ApiKey['rights'],
  always: (reply: FastifyReply) => void,
): onRequestHookHandler {
  const decide = (
    key: ApiKey | undefined,
    request: FastifyRequest,
    reply: FastifyReply,
    done: HookHandlerDoneFunction,
  ): void => {
    if (key === undefined) {
      reply.header('www-authenticate', 'Bearer realm="evertoken", error="invalid_token"')
      done(unauthorized('this API key is not known', whereKeysAre))
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
  return (request, reply, done) => {
    always(reply)
    const text = bearer(request.headers.authorization)
    if (text === undefined) {
      reply.header('www-authenticate', 'Bearer realm="evertoken"')
      done(unauthorized('this needs an API key'))
      return
    }
    const key = keys.verify(text)
    if (key instanceof Promise)
      key.then(
        (found) => decide(found, request, reply, done),
        (error: Error) => done(error),
      )
    else decide(key, request, reply, done)
  }
}

/** What stands behind `Bearer` in the header (RFC 6750 section 2.1). */
function bearer(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  if (header.startsWith(usualScheme)) return header.slice(usualScheme.length)
  return scheme.test(header) ? header.replace(scheme, '') : undefined
}

const whereKeysAre =
  'It may be the key of another broker, or be cut off. The files reader.key and admin.key in the data folder of this one hold one each.'

const unauthorized = (
  message: string,
  advice = 'Send the header Authorization: Bearer evt_…',
): EvertokenError => new EvertokenError('unauthorized', message, { advice })

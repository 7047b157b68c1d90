import { randomBytes } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { Keeper } from 'evertoken'
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import { ApiKeys } from './api-key.ts'
import { connectRoutes } from './connect.ts'
import { grantActionRoutes } from './grant-actions.ts'
import { type GrantDescriptionReader, grantRoutes } from './grants.ts'
import { healthRoutes } from './health.ts'
import {
  type BrokerLimits,
  checkAddress,
  type ListenerTls,
  listenError,
  portOf,
  reachable,
  refuseMalformed,
  resolveLimits,
  serverFactory,
} from './listener.ts'
import { logRoutes } from './log.ts'
import { noticeRoutes } from './notices.ts'
import { oauthMetadataRoutes } from './oauth-metadata.ts'
import { oauthTokenRoutes } from './oauth-token.ts'
import { describeRoutes } from './openapi.ts'
import { answerProblem } from './problem.ts'
import { requestCheck } from './request-check.ts'
import { guardRoutes } from './rights.ts'
import { secureHeaders } from './secure-headers.ts'
import { tokenRoutes } from './token.ts'
import { validationRoutes } from './validation.ts'

export interface BrokerOptions {
  keeper: Keeper
  /** Own origin as browsers see it, for consent redirects: never taken from a request. */
  publicUrl: string | (() => string)
  /** How a grant is described in `POST /v1/grants`. */
  grantDescription: GrantDescriptionReader
  /** Default: nothing is logged. See {@link brokerLog}. */
  logger?: FastifyBaseLogger | undefined
  /** Whether the worker does its work; `/readyz` asks. Default: always. */
  isReady?: (() => boolean | Promise<boolean>) | undefined
  limits?: Partial<BrokerLimits> | undefined
}

export type Broker = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** The longest oldest answer about an API key, in ms: a key that is taken away is refused after that. */
const keyRevalidation = 1_000

/** The broker without a port: for `inject()`, or for {@link startBroker}. */
export function createBroker(options: BrokerOptions, tls?: ListenerTls): Broker {
  const { keeper, publicUrl, logger } = options
  const origin = typeof publicUrl === 'string' ? () => publicUrl : publicUrl
  const limits = resolveLimits(options.limits)
  const secure = (reply: FastifyReply): void => secureHeaders(reply, origin().startsWith('https:'))
  // What finds no route goes past the hooks of all of them.
  const refuse = (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    secure(reply)
    return answerProblem(error, request, reply)
  }
  const app: Broker = fastify({
    ...(logger === undefined ? { logger: false } : { loggerInstance: logger }),
    // Lines are written by logRequest, which knows what must not be said; a child for each would only cost time.
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: (parent) => parent,
    genReqId: requestIds(),
    requestIdHeader: false,
    trustProxy: false,
    bodyLimit: limits.body,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 128 },
    serverFactory: serverFactory(limits, tls),
    clientErrorHandler: refuseMalformed,
    frameworkErrors: (error, request, reply) => {
      refuse(error, request, reply as FastifyReply)
    },
  })
  app.removeContentTypeParser('text/plain')
  app.setValidatorCompiler(requestCheck)
  app.setErrorHandler(answerProblem)
  app.setNotFoundHandler((request, reply) => refuse({ statusCode: 404 }, request, reply))
  guardRoutes(app, new ApiKeys(keeper.store, keeper.clock.now, keyRevalidation), secure)
  logRoutes(app)
  describeRoutes(app, origin)
  // As a plugin, so that the documentation, itself one, sees them.
  app.register(async (instance) => {
    const routes = instance as Broker
    tokenRoutes(routes, keeper)
    oauthTokenRoutes(routes, keeper, origin)
    oauthMetadataRoutes(routes, origin)
    grantRoutes(routes, keeper, options.grantDescription)
    grantActionRoutes(routes, keeper)
    noticeRoutes(routes, keeper)
    validationRoutes(routes, keeper)
    connectRoutes(routes, keeper, origin)
    healthRoutes(routes, keeper, options.isReady ?? (() => true))
  })
  return app
}

/** Unique among processes and restarts, and cheap. */
function requestIds(): () => string {
  const process = randomBytes(6).toString('base64url')
  let count = 0
  return () => `${process}-${(count++).toString(36)}`
}

export interface RunningBrokerOptions extends Omit<BrokerOptions, 'publicUrl'> {
  host: string
  /** 0 takes any free one. */
  port: number
  /** Default: http(s)://host:port. Its port 0 stands for the one that was taken. */
  publicUrl?: string | undefined
  tls?: ListenerTls | null | undefined
  /** Every caller comes through a proxy that ends TLS. Nothing that such a proxy adds to a request is believed. */
  behindTlsProxy?: boolean | undefined
}

export interface RunningBroker extends AsyncDisposable {
  readonly app: Broker
  /** Where it listens, as a URL for this machine. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** Takes no more requests and waits for those under way. The keeper stays open. Idempotent. */
  close(): Promise<void>
}

/**
 * Listens. Throws `listen_not_loopback` where tokens would cross a network in the clear, `port_taken`,
 * `invalid_configuration`.
 */
export async function startBroker(options: RunningBrokerOptions): Promise<RunningBroker> {
  const { host, port, tls, behindTlsProxy = false, publicUrl, ...rest } = options
  const encrypted = tls !== undefined && tls !== null
  checkAddress(host, encrypted || behindTlsProxy)
  let origin = publicUrl ?? ''
  const app = createBroker({ ...rest, publicUrl: () => origin }, tls ?? undefined)
  try {
    await app.listen({ host, port, listenTextResolver: () => 'the broker listens' })
  } catch (error) {
    await app.close()
    throw listenError(error, host, port)
  }
  const taken = portOf(app.server)
  const url = `${encrypted ? 'https' : 'http'}://${reachable(host)}:${taken}`
  origin = publicUrl === undefined ? url : publicUrl.replace(/:0$/, `:${taken}`)
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= app.close()
    return closing
  }
  return { app, url, host, port: taken, close, [Symbol.asyncDispose]: close }
}

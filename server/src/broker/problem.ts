import { type ErrorCode, EvertokenError, isGrantId, ProviderError } from 'evertoken'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type TSchema, Type } from 'typebox'
import { logRequest } from './log.ts'

/** Problem details, RFC 9457. `code` is for programs, the rest for people. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly request_id: string
  readonly advice?: string
  readonly grant?: string
  /** What the provider answered, where it did (RFC 6749 section 5.2). */
  readonly provider?: {
    readonly status?: number
    readonly error?: string
    readonly error_description?: string
  }
}

interface Kind {
  readonly status: number
  readonly title: string
  /** The message speaks of this machine's files or insides: callers get the title, the log gets the rest. */
  readonly inside?: boolean
}

/** Every code has its one HTTP status here; a new code without one does not compile. */
export const problemKinds: Readonly<Record<ErrorCode, Kind>> = {
  unknown_grant: { status: 404, title: 'There is no such grant' },
  grant_exists: { status: 409, title: 'There is a grant of that name already' },
  invalid_grant_id: { status: 400, title: 'This cannot name a grant' },
  grant_pending: { status: 409, title: "The grant waits for a person's consent" },
  grant_paused: { status: 409, title: 'The grant is paused' },
  grant_quarantined: { status: 409, title: 'The grant is set aside' },
  grant_revoked: { status: 409, title: 'The grant is revoked' },
  reauthorization_required: { status: 409, title: 'A person has to consent again' },
  token_unavailable: { status: 503, title: 'There is no token at present' },
  refresh_too_soon: { status: 409, title: 'The provider takes no refresh so soon after the last one' },
  sender_constrained: { status: 409, title: 'The token is worth nothing without a key that stays here' },

  invalid_grant: { status: 502, title: 'The provider refused the grant' },
  invalid_client: { status: 502, title: 'The provider refused the client' },
  invalid_scope: { status: 400, title: 'The provider refused the scope' },
  invalid_target: { status: 400, title: 'The provider refused the resource' },
  provider_error: { status: 502, title: 'The provider answered with an error' },
  provider_unreachable: { status: 502, title: 'The provider cannot be reached' },
  provider_timeout: { status: 504, title: 'The provider did not answer in time' },
  provider_answer_unusable: { status: 502, title: "The provider's answer cannot be used" },
  provider_redirect: { status: 502, title: 'The provider redirects its token endpoint' },
  discovery_failed: { status: 502, title: "The provider's metadata cannot be read" },
  issuer_mismatch: { status: 502, title: 'The provider is another one than configured' },
  endpoint_moved: { status: 502, title: 'The provider names an endpoint at a host of another' },
  insecure_http: { status: 422, title: 'The provider is addressed without TLS' },
  private_address: { status: 422, title: 'The provider is at an address that is refused' },

  state_missing: { status: 400, title: 'The answer carries no state' },
  state_unknown: { status: 400, title: 'The answer belongs to no consent under way' },
  consent_denied: { status: 403, title: 'Consent was denied' },
  no_refresh_token: { status: 502, title: 'The provider gave no refresh token' },
  id_token_invalid: { status: 502, title: 'The provider does not say for certain who logged in' },
  other_account: { status: 409, title: 'Another account than before has consented' },

  invalid_configuration: { status: 422, title: 'The description is wrong' },
  unknown_key: { status: 422, title: 'The description has an unknown key' },
  missing_environment_variable: { status: 422, title: 'An environment variable is missing' },
  empty_secret: { status: 422, title: 'A secret is empty' },
  key_file_unreadable: { status: 500, title: 'A key file cannot be used', inside: true },
  key_file_too_open: { status: 500, title: 'A key file cannot be used', inside: true },

  wrong_encryption_key: { status: 500, title: 'The store does not decrypt', inside: true },
  store_newer: { status: 500, title: 'The store is of a newer version', inside: true },
  store_damaged: { status: 500, title: 'The store is damaged', inside: true },
  store_unavailable: { status: 503, title: 'The store does not answer', inside: true },
  store_not_durable: { status: 500, title: 'The store cannot keep what it is given', inside: true },
  store_foreign: { status: 503, title: 'The store is a copy that nobody has adopted', inside: true },
  spool_unavailable: { status: 503, title: 'Answers of providers cannot be kept safe here', inside: true },
  disk_full: { status: 507, title: 'The disk under the store is full', inside: true },

  unauthorized: { status: 401, title: 'Not authenticated' },
  forbidden: { status: 403, title: 'Not allowed' },
  not_found: { status: 404, title: 'There is nothing here' },
  invalid_request: { status: 400, title: 'The request is wrong' },
  port_taken: { status: 500, title: 'The port is taken', inside: true },
  listen_not_loopback: { status: 500, title: 'The address is open to others', inside: true },
  broker_unreachable: { status: 502, title: 'The broker cannot be reached', inside: true },
  server_package_missing: { status: 500, title: 'A package is missing', inside: true },
  usage: { status: 500, title: 'A command was used wrongly', inside: true },
  closed: { status: 503, title: 'The broker is stopping', inside: true },
  internal: { status: 500, title: 'Something went wrong inside', inside: true },
}

export const problemType = 'application/problem+json'

const logged = 'The log of the broker says more under this request id.'

/** What the framework refuses before a route sees it. Its own messages may quote the body. */
const refusals: Readonly<Record<number, readonly [string, string]>> = {
  400: ['the request cannot be read', 'Check the syntax of its path, its headers and its JSON body.'],
  404: ['there is nothing here', 'GET /openapi.json lists what there is.'],
  408: ['the request did not arrive in time', 'Send it again, faster.'],
  413: ['the body is too large', 'The limit is 64 KiB.'],
  414: ['the path is too long', 'Shorten it.'],
  415: ['the body is not JSON', 'Send the header Content-Type: application/json.'],
  431: ['the headers are too large', 'The limit is 16 KiB.'],
}

/** What a caller is told of an error. */
export function problemOf(error: unknown, requestId: string): Problem {
  const request_id = requestId
  if (!(error instanceof EvertokenError)) {
    const status = statusOf(error)
    const [detail, advice] = refusals[status] ?? [problemKinds.internal.title, logged]
    const code = status === 404 ? 'not_found' : status < 500 ? 'invalid_request' : 'internal'
    return { type: typeOf(code), title: problemKinds[code].title, status, detail, code, request_id, advice }
  }
  const { code, grant } = error
  const { status, title, inside = false } = problemKinds[code]
  // Only a name that is one: an id out of a request may be anything.
  const named = isGrantId(grant) ? { grant } : {}
  const detail = inside ? title : code === 'unknown_grant' ? unknownGrant(grant) : error.message
  const advice = inside ? logged : code === 'unknown_grant' ? listed : error.advice
  return {
    type: typeOf(code),
    title,
    status,
    detail,
    code,
    request_id,
    ...(advice !== undefined && { advice }),
    ...named,
    ...(!inside && providerOf(error)),
  }
}

function providerOf(thrown: EvertokenError): Pick<Problem, 'provider'> {
  if (!(thrown instanceof ProviderError)) return {}
  const { status, error, errorDescription } = thrown
  if (status === undefined && error === undefined && errorDescription === undefined) return {}
  return {
    provider: {
      ...(status !== undefined && { status }),
      ...(error !== undefined && { error }),
      ...(errorDescription !== undefined && { error_description: errorDescription }),
    },
  }
}

/** The library's sentence names the store's path, and its advice the command. */
const listed = 'GET /v1/grants lists the names there are.'

const unknownGrant = (grant: string | undefined): string =>
  isGrantId(grant) ? `there is no grant ${grant}` : 'there is no such grant'

const typeOf = (code: ErrorCode): string => `urn:evertoken:problem:${code}`

function statusOf(error: unknown): number {
  const { statusCode } = (error ?? {}) as { statusCode?: unknown }
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 ? statusCode : 500
}

/** Seconds to wait, where the provider said so (RFC 9110 section 10.2.3). */
export function retryAfter(error: unknown): string | undefined {
  if (!(error instanceof ProviderError) || error.retryAfter === undefined) return undefined
  return String(Math.max(0, Math.ceil(error.retryAfter)))
}

/** Answers with what a caller may know of an error; the log gets the rest, where the fault is on our side. */
export function answerProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemOf(error, request.id)
  if (problem.status >= 500) request.log.error({ err: error, request_id: request.id }, problem.title)
  const wait = retryAfter(error)
  if (wait !== undefined) reply.header('retry-after', wait)
  reply.code(problem.status).type(problemType)
  logRequest(request, reply)
  return reply.send(JSON.stringify(problem))
}

export const problemSchema = Type.Object(
  {
    type: Type.String({ description: 'Names the kind of problem; says the same as code.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'For people.' }),
    code: Type.Unsafe<ErrorCode>({
      type: 'string',
      enum: Object.keys(problemKinds),
      description: 'For programs; codes are stable.',
    }),
    request_id: Type.String({ description: 'Under which the log of the broker says more.' }),
    advice: Type.Optional(Type.String({ description: 'What to do next.' })),
    grant: Type.Optional(Type.String({ description: 'The grant that it is about.' })),
    provider: Type.Optional(
      Type.Object(
        {
          status: Type.Optional(Type.Integer({ description: 'HTTP status.' })),
          error: Type.Optional(Type.String()),
          error_description: Type.Optional(Type.String()),
        },
        { description: 'What the provider answered, where it did (RFC 6749 section 5.2).' },
      ),
    ),
  },
  { $id: 'Problem', description: 'Problem details, RFC 9457.' },
)

/** A route's answers, by status; whatever is none of them is a problem. */
export const answers = <A extends Readonly<Record<number, TSchema>>>(good: A) => ({
  ...good,
  default: {
    description: 'Problem details, RFC 9457.',
    content: { [problemType]: { schema: Type.Unsafe<Problem>({ $ref: 'Problem#' }) } },
  },
})

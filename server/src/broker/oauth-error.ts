import { type ErrorCode, EvertokenError } from 'evertoken'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { logRequest } from './log.ts'
import { problemOf, retryAfter } from './problem.ts'

/** RFC 6749 section 5.2, RFC 8707 section 2 (`invalid_target`), and for what is no fault of the client the words of section 4.1.2.1. */
const oauthErrorCodes = [
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unsupported_grant_type',
  'invalid_scope',
  'invalid_target',
  'temporarily_unavailable',
  'server_error',
] as const

type OAuthErrorCode = (typeof oauthErrorCodes)[number]

const statuses: Readonly<Record<OAuthErrorCode, number>> = {
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  unsupported_grant_type: 400,
  invalid_scope: 400,
  invalid_target: 400,
  temporarily_unavailable: 503,
  server_error: 500,
}

/** What the token endpoint itself refuses. The message becomes `error_description`. */
export class OAuthRefusal extends Error {
  override readonly name = 'OAuthRefusal'
  readonly error: OAuthErrorCode

  constructor(error: OAuthErrorCode, message: string) {
    super(message)
    this.error = error
  }
}

/**
 * What a failed read of a token is in OAuth's words. A grant that a person or an operator brings back waits; one whose login is over
 * is `invalid_grant`. A code that is not here goes by its HTTP status: {@link wordOf}.
 */
const words: Partial<Record<ErrorCode, OAuthErrorCode>> = {
  grant_pending: 'temporarily_unavailable',
  grant_paused: 'temporarily_unavailable',
  grant_quarantined: 'invalid_grant',
  grant_revoked: 'invalid_grant',
  reauthorization_required: 'invalid_grant',
  invalid_grant: 'invalid_grant',
  invalid_scope: 'invalid_scope',
  invalid_target: 'invalid_target',
}

/** The provider's refusal of *our* client must not look as if the caller's own secret were wrong, so it is trouble like any other. */
function wordOf(code: ErrorCode, status: number): OAuthErrorCode {
  const word = words[code]
  if (word !== undefined) return word
  if (status < 500) return 'invalid_request'
  return status >= 502 && status <= 504 ? 'temporarily_unavailable' : 'server_error'
}

interface OAuthErrorAnswer {
  readonly status: number
  readonly error: OAuthErrorCode
  readonly error_description: string
}

/** What a client is told of an error: no more than problem details say of it. */
function oauthErrorOf(error: unknown, requestId: string): OAuthErrorAnswer {
  if (error instanceof OAuthRefusal)
    return {
      status: statuses[error.error],
      error: error.error,
      error_description: described(error.message),
    }
  const { code, status, detail, advice } = problemOf(error, requestId)
  const word = wordOf(code, status)
  // What the framework refuses speaks of JSON, which is not for here.
  if (!(error instanceof EvertokenError) && status < 500)
    return { status: status === 413 ? 413 : 400, error: word, error_description: unreadable(status) }
  const more = advice === undefined ? '' : `. ${advice}`
  const reference = statuses[word] >= 500 ? ` (request ${requestId})` : ''
  return {
    status: statuses[word],
    error: word,
    error_description: described(`${detail}${more}${reference}`),
  }
}

function unreadable(status: number): string {
  if (status === 413) return 'the body is too large: the limit is 64 KiB'
  if (status === 415) return 'the body is no form: send Content-Type: application/x-www-form-urlencoded'
  return 'the request cannot be read'
}

/** Only the characters that RFC 6749 section 5.2 has in an error_description. */
const described = (text: string): string =>
  text
    .replaceAll('…', '...')
    .replaceAll('"', "'")
    .replace(/[^\x20-\x5b\x5d-\x7e]/g, '?')

/**
 * The scheme that a client may use in the Authorization header (RFC 6749 section 5.2, RFC 7617). It says what is wrong as well, as that
 * of RFC 6750 does: some clients show the challenge of a 401 and not its body.
 */
const challengeOf = ({ error, error_description }: Omit<OAuthErrorAnswer, 'status'>): string =>
  `Basic realm="evertoken", charset="UTF-8", error="${error}", error_description="${error_description}"`

/** The error handler of the token endpoint; the log gets the rest, where the fault is on our side. */
export function answerOAuthError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { status, ...body } = oauthErrorOf(error, request.id)
  if (status >= 500)
    request.log.error({ err: error, request_id: request.id }, `the token endpoint: ${body.error}`)
  if (body.error === 'invalid_client') reply.header('www-authenticate', challengeOf(body))
  const wait = retryAfter(error)
  if (wait !== undefined) reply.header('retry-after', wait)
  reply.code(status).type('application/json; charset=utf-8')
  logRequest(request, reply)
  reply.send(JSON.stringify(body))
}

export const oauthErrorSchema = Type.Object(
  {
    error: Type.Unsafe<OAuthErrorCode>({
      type: 'string',
      enum: [...oauthErrorCodes],
      description: 'For programs (RFC 6749 section 5.2).',
    }),
    error_description: Type.String({ description: 'For people: what is wrong and what to do.' }),
  },
  { $id: 'OAuthError', description: 'An error in the words of OAuth 2, RFC 6749 section 5.2.' },
)

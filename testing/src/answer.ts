/** What a route gives back: one whole HTTP answer, not yet sent. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

// Every answer of an authorization server may hold or depend on a secret (RFC 6749 section 5.1).
const notStored = { 'cache-control': 'no-store', pragma: 'no-cache' }

export function jsonAnswer(status: number, value: unknown, headers: Record<string, string> = {}): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json', ...notStored, ...headers },
    body: `${JSON.stringify(value)}\n`,
  }
}

export function emptyAnswer(status: number, headers: Record<string, string> = {}): Answer {
  return { status, headers: { ...notStored, ...headers }, body: '' }
}

/** 303 and not 302, so that no browser repeats a POST with its form at the client (RFC 9700 section 4.12). */
export function redirectAnswer(location: string): Answer {
  return emptyAnswer(303, { location, 'referrer-policy': 'no-referrer' })
}

/** The error codes that the practice server knows (RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750, RFC 8628, RFC 8707, RFC 9449). */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'access_denied'
  | 'authorization_pending'
  | 'slow_down'
  | 'expired_token'
  | 'invalid_token'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'server_error'

/** A refusal in the words of the RFCs; a route throws it, and {@link errorAnswer} turns it into the answer. */
export class OAuthError extends Error {
  override readonly name = 'OAuthError'
  readonly error: OAuthErrorCode
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  /** @param description becomes `error_description`: it must not hold a secret, a `"` or a `\`. */
  constructor(
    error: OAuthErrorCode,
    description: string,
    answer: { status?: number; headers?: Record<string, string> } = {},
  ) {
    super(description)
    this.error = error
    this.status = answer.status ?? 400
    this.headers = answer.headers ?? {}
  }
}

/** RFC 6749 section 5.2. */
export function errorAnswer(error: OAuthError): Answer {
  return jsonAnswer(
    error.status,
    { error: error.error, error_description: error.message },
    { ...error.headers },
  )
}

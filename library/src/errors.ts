/**
 * Every code that an evertoken error can carry. Codes are stable: scripts and callers may switch on them.
 * They are the same in the library, in the broker's problem details and in the command's `--json` output.
 */
export const errorCodes = [
  // the grant
  'unknown_grant',
  'grant_exists',
  'invalid_grant_id',
  'grant_pending',
  'grant_paused',
  'grant_quarantined',
  'grant_revoked',
  'reauthorization_required',
  'token_unavailable',
  'refresh_too_soon',
  'sender_constrained',
  // the provider's words (RFC 6749 section 5.2) and everything that is not an answer
  'invalid_grant',
  'invalid_client',
  'invalid_scope',
  'invalid_target',
  'provider_error',
  'provider_unreachable',
  'provider_timeout',
  'provider_answer_unusable',
  'provider_redirect',
  'discovery_failed',
  'issuer_mismatch',
  'endpoint_moved',
  'insecure_http',
  'private_address',
  // a person's consent
  'state_missing',
  'state_unknown',
  'consent_denied',
  'no_refresh_token',
  'id_token_invalid',
  'other_account',
  // configuration and files
  'invalid_configuration',
  'unknown_key',
  'missing_environment_variable',
  'empty_secret',
  'key_file_unreadable',
  'key_file_too_open',
  // the store
  'wrong_encryption_key',
  'store_newer',
  'store_damaged',
  'store_unavailable',
  'store_not_durable',
  'store_foreign',
  'spool_unavailable',
  'disk_full',
  // the broker and the command
  'unauthorized',
  'forbidden',
  'not_found',
  'invalid_request',
  'port_taken',
  'listen_not_loopback',
  'broker_unreachable',
  'server_package_missing',
  'usage',
  'closed',
  'internal',
] as const

export type ErrorCode = (typeof errorCodes)[number]

export interface ErrorFacts {
  /** The grant's id, where the error is about one. */
  grant?: string | undefined
  /** What to do next, in one sentence. */
  advice?: string | undefined
  cause?: unknown
}

/** Base of every error that evertoken throws on purpose. Misuse of an API (wrong type) is a `TypeError`. */
export class EvertokenError extends Error {
  override readonly name: string = 'EvertokenError'
  /** Stable, for a `switch`. */
  readonly code: ErrorCode
  readonly grant: string | undefined
  readonly advice: string | undefined

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.code = code
    this.grant = facts.grant
    this.advice = facts.advice
  }
}

export interface ProviderErrorFacts extends ErrorFacts {
  status?: number | undefined
  error?: string | undefined
  errorDescription?: string | undefined
  /** Seconds the provider asked us to wait (RFC 9110 section 10.2.3). */
  retryAfter?: number | undefined
}

/** The provider refused, answered something unusable, or did not answer. Carries the fields of RFC 6749 section 5.2. */
export class ProviderError extends EvertokenError {
  override readonly name: string = 'ProviderError'
  /** HTTP status, where there was an answer. */
  readonly status: number | undefined
  /** The provider's own `error`, RFC 6749 section 5.2. */
  readonly error: string | undefined
  /** The provider's own `error_description`, bounded to 500 printable characters. */
  readonly errorDescription: string | undefined
  readonly retryAfter: number | undefined

  constructor(code: ErrorCode, message: string, facts: ProviderErrorFacts = {}) {
    super(code, message, facts)
    this.status = facts.status
    this.error = facts.error
    this.errorDescription = facts.errorDescription
    this.retryAfter = facts.retryAfter
  }
}

/** `invalid_grant`, RFC 6749 section 5.2: the refresh token, code or assertion was refused. */
export class InvalidGrantError extends ProviderError {
  override readonly name = 'InvalidGrantError'
}

/** `invalid_scope`, RFC 6749 section 5.2: the scope was unknown, malformed or more than was granted. */
export class InvalidScopeError extends ProviderError {
  override readonly name = 'InvalidScopeError'
}

/** A person has to consent again; until then no token can be had for this grant. */
export class ReauthorizationRequiredError extends EvertokenError {
  override readonly name = 'ReauthorizationRequiredError'
}

export interface ConfigurationErrorFacts extends ErrorFacts {
  file?: string | undefined
  /** 1-based. */
  line?: number | undefined
}

/** The configuration, the environment or a file it names is wrong; names the file and line where known. */
export class ConfigurationError extends EvertokenError {
  override readonly name = 'ConfigurationError'
  readonly file: string | undefined
  readonly line: number | undefined

  constructor(code: ErrorCode, message: string, facts: ConfigurationErrorFacts = {}) {
    super(code, message, facts)
    this.file = facts.file
    this.line = facts.line
  }
}

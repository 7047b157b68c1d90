import type { ErrorCode } from 'evertoken'

/** What the command ends with, for scripts. Stable; `evertoken --help` prints this table. */
export const exitCodes = {
  0: 'it worked',
  1: 'it failed, and trying again will not help; or the answer is no (validate)',
  2: 'the command line, the configuration or a file it names is wrong',
  3: 'a new login is needed; the message says how',
  4: 'the provider, the broker or the store does not answer now; try again later',
  5: 'there is no grant of that name',
  6: 'the grant is paused, set aside or revoked',
  7: 'the broker does not let this key do that',
} as const

export type ExitCode = keyof typeof exitCodes

/** The command worked, has written its answer, and that is no. */
export class NegativeAnswer extends Error {
  override readonly name = 'NegativeAnswer'
  readonly exitCode: ExitCode = 1
}

/** Every code has its exit code: the compiler refuses a new one that is not here. */
const byCode = {
  unknown_grant: 5,
  grant_exists: 1,
  invalid_grant_id: 2,
  grant_pending: 3,
  grant_paused: 6,
  grant_quarantined: 6,
  grant_revoked: 6,
  reauthorization_required: 3,
  token_unavailable: 4,
  refresh_too_soon: 4,
  sender_constrained: 1,
  invalid_grant: 3,
  invalid_client: 1,
  invalid_scope: 1,
  invalid_target: 1,
  provider_error: 4,
  provider_unreachable: 4,
  provider_timeout: 4,
  provider_answer_unusable: 4,
  provider_redirect: 1,
  discovery_failed: 4,
  issuer_mismatch: 1,
  endpoint_moved: 1,
  insecure_http: 2,
  private_address: 2,
  state_missing: 1,
  state_unknown: 1,
  consent_denied: 3,
  no_refresh_token: 1,
  id_token_invalid: 1,
  other_account: 3,
  invalid_configuration: 2,
  unknown_key: 2,
  missing_environment_variable: 2,
  empty_secret: 2,
  key_file_unreadable: 2,
  key_file_too_open: 2,
  wrong_encryption_key: 2,
  store_newer: 1,
  store_damaged: 1,
  store_unavailable: 4,
  store_not_durable: 2,
  store_foreign: 1,
  spool_unavailable: 4,
  disk_full: 4,
  unauthorized: 7,
  forbidden: 7,
  not_found: 1,
  invalid_request: 1,
  port_taken: 1,
  listen_not_loopback: 2,
  broker_unreachable: 4,
  server_package_missing: 1,
  usage: 2,
  closed: 1,
  internal: 1,
} as const satisfies Record<ErrorCode, ExitCode>

/** A code of a newer broker is a failure like any other. */
export const exitCodeOf = (code: string): ExitCode =>
  Object.hasOwn(byCode, code) ? byCode[code as ErrorCode] : 1

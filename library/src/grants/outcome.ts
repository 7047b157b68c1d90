import {
  type ErrorCode,
  EvertokenError,
  InvalidGrantError,
  InvalidScopeError,
  ProviderError,
  ReauthorizationRequiredError,
} from '../errors.ts'
import { allowsPlain, allowsPrivate } from '../oauth/address.ts'
import type { TokenAnswer, TokenResponse } from '../oauth/token-answer.ts'
import type { ErrorMeaning } from '../providers/profile.ts'
import type { Secret } from '../secret.ts'
import { type GrantRecord, type LastError, mints, type TokenKey } from './grant.ts'
import type { ReplayClass } from './lifetime-facts.ts'
import { loginAdvice } from './login-advice.ts'
import { judgeRefusal, notProcessed, slowDown, succeeded, troubled } from './refusal.ts'

/** What is stored of a failure, and what a reader's error is made of. */
export interface Failure {
  readonly code: ErrorCode
  readonly message: string
  readonly error?: string | undefined
  readonly errorDescription?: string | undefined
  readonly status?: number | undefined
  /** Seconds. */
  readonly retryAfter?: number | undefined
  /** What the provider's profile says of it, where it says something. */
  readonly means?: ErrorMeaning | undefined
}

/**
 * What an answer means for the grant (refresh-protocol: error taxonomy).
 *
 * - `ok`: commit it.
 * - `not_sent`, `refused`: the refresh token was not spent; only this attempt is over.
 * - `rejected`: the provider says the refresh token, key or consent is dead; `person` when it says so for certain.
 * - `ambiguous`: the refresh token may be spent; the attempt stays without a verdict.
 */
export type Outcome =
  | { readonly verdict: 'ok'; readonly response: TokenResponse }
  | { readonly verdict: 'not_sent' | 'refused'; readonly failure: Failure }
  /** `refreshToken` came along with something that is no access token: the one before is spent, and this one is kept. */
  | { readonly verdict: 'ambiguous'; readonly failure: Failure; readonly refreshToken?: Secret | undefined }
  | { readonly verdict: 'rejected'; readonly failure: Failure; readonly person: boolean }

export type FailedOutcome = Exclude<Outcome, { verdict: 'ok' }>

/** Judges one answer. Pure: the same answer always means the same. */
export function judge(answer: TokenAnswer, replayClass: ReplayClass): Outcome {
  switch (answer.kind) {
    case 'tokens':
      return { verdict: 'ok', response: answer.response }
    case 'error':
      return judgeRefusal(answer, replayClass)
    case 'unusable': {
      const { status, retryAfter, reason, detail } = answer
      if (reason === 'redirect')
        return {
          verdict: 'refused',
          failure: {
            code: 'provider_redirect',
            message: `the token endpoint answered with a redirect (status ${status}), which is never followed`,
            status,
          },
        }
      const failure: Failure = {
        code: 'provider_answer_unusable',
        message: `the token endpoint answered status ${status} with something that is no token response (${detail ?? reason})`,
        status,
        retryAfter,
      }
      if (notProcessed.has(status))
        return { verdict: 'refused', failure: { ...failure, retryAfter: retryAfter ?? slowDown } }
      if (status >= 500 || status === 408) return troubled(status, failure, replayClass)
      // A success nobody can read was most likely one for the provider; a refusal nobody can read was none.
      if (!succeeded(status)) return { verdict: 'refused', failure }
      return { verdict: 'ambiguous', failure, refreshToken: answer.refreshToken }
    }
    case 'silence': {
      const code: ErrorCode =
        answer.reason === 'insecure_http' || answer.reason === 'private_address'
          ? answer.reason
          : answer.reason === 'deadline'
            ? 'provider_timeout'
            : 'provider_unreachable'
      return {
        verdict: answer.sent ? 'ambiguous' : 'not_sent',
        failure: { code, message: `no answer from the token endpoint (${answer.detail})` },
      }
    }
    default:
      return answer satisfies never
  }
}

/** What to do about a stored failure. */
export const adviceFor: Partial<Record<ErrorCode, string>> = {
  store_foreign:
    'If the other copy of this store is no longer at work, run evertoken adopt; tokens it holds are served meanwhile.',
  spool_unavailable: 'Check the spool folder and who may write there; refreshes go on by themselves.',
  disk_full: 'Make room; evertoken goes on by itself.',
  invalid_configuration: 'Correct the description of the grant and of its client; then it goes on.',
  key_file_unreadable:
    'See whether what renews that file is at work, and that this user may read it; the grant goes on by itself.',
  wrong_encryption_key: 'Put that key back into encryption.keys.',
  invalid_client:
    'Check the client id, the secret (evertoken replace takes another) and how the client authenticates; the grant goes on by itself once they are right.',
  no_refresh_token:
    'Consent again, asking for offline access where the provider has a name for it (offline_access, access_type).',
  invalid_scope: 'Ask for a scope that was granted, or consent again with the wider scope.',
  invalid_target: 'Ask for a resource that the provider knows, or consent again with it (RFC 8707).',
  provider_error: "See the provider's words; evertoken tries again by itself.",
  provider_unreachable:
    'Check the token URL, the name service and the network; evertoken tries again by itself.',
  provider_timeout: 'The provider took too long; evertoken tries again by itself.',
  provider_answer_unusable:
    'Check that the URL is the token endpoint and not a web page; EVERTOKEN_LOG=wire shows the answer.',
  discovery_failed:
    'Check the issuer and the network, or name the endpoints instead of the issuer; evertoken tries again by itself. EVERTOKEN_LOG=wire shows the exchange.',
  issuer_mismatch: 'Write the issuer exactly as the provider writes it, down to the last slash.',
  provider_redirect: 'Put the final address of the token endpoint into the configuration.',
  insecure_http: allowsPlain,
  private_address: allowsPrivate,
  endpoint_moved:
    'Nothing is sent there. Ask the provider whether it has moved; if so, name the host in endpoint_hosts of this client.',
}

/** What to do about a failure of a grant; undefined for a grant that is gone. */
export function adviceOn(
  grant: Pick<GrantRecord, 'id' | 'grantType'> | undefined,
  code: ErrorCode,
): string | undefined {
  if (grant === undefined) return adviceFor[code]
  if (code === 'reauthorization_required') return loginAdvice(grant)
  if (code !== 'invalid_grant') return adviceFor[code]
  return mints(grant.grantType)
    ? `Check what it is obtained with: its key, issuer, audience or subject, and the clock. Once it is given up, evertoken resume ${grant.id} or a new tokenSource tries again.`
    : `It is asked again before that is believed. If it stays refused: ${loginAdvice(grant)}`
}

/**
 * The error a reader gets for a stored failure. `wait`: seconds until evertoken tries again by itself. `advice`: by {@link adviceOn},
 * unless nobody tries again.
 */
export function failureError(
  grant: string,
  last: LastError,
  wait: number,
  advice: string | undefined,
): EvertokenError {
  const named = `grant ${grant}: `
  const what = last.message.startsWith(named) ? last.message : named + last.message
  const message = `${what}${wait > 0 ? `; next try in ${wait} s` : ''}`
  const facts = {
    grant,
    retryAfter: wait > 0 ? wait : undefined,
    status: last.status,
    error: last.error,
    errorDescription: last.errorDescription,
    advice,
  }
  switch (last.code) {
    case 'invalid_grant':
      return new InvalidGrantError('invalid_grant', message, facts)
    case 'invalid_scope':
      return new InvalidScopeError('invalid_scope', message, facts)
    case 'reauthorization_required':
      return new ReauthorizationRequiredError('reauthorization_required', message, facts)
    case 'wrong_encryption_key':
    case 'invalid_configuration':
    case 'key_file_unreadable':
    case 'store_foreign':
    case 'spool_unavailable':
    case 'disk_full':
    case 'internal':
      // Not the provider's doing: it was never asked.
      return new EvertokenError(last.code, message, facts)
    default:
      return new ProviderError(last.code, message, facts)
  }
}

/** Refusals of what one reader asked for, where it is not the grant's own: they say nothing about the grant. */
export const isOfRequest = (code: ErrorCode, { scope, resource }: TokenKey): boolean =>
  (code === 'invalid_scope' || code === 'invalid_target') && (scope !== '' || resource !== '')

/** Failures that waiting a moment may mend; the others need somebody to change something. */
export const mayMend = (code: ErrorCode): boolean =>
  code === 'provider_error' ||
  code === 'provider_unreachable' ||
  code === 'provider_timeout' ||
  code === 'provider_answer_unusable'

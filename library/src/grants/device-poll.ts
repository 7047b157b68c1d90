import { type ErrorCode, EvertokenError, ProviderError } from '../errors.ts'
import type { TokenAnswer, TokenResponse } from '../oauth/token-answer.ts'
import type { ErrorMeaning } from '../providers/profile.ts'
import { adviceFor, type FailedOutcome, type Failure, failureError, judge } from './outcome.ts'

/** What to do after one token request with a device code. Times in milliseconds. */
export type PollResult =
  | { readonly kind: 'tokens'; readonly response: TokenResponse }
  /** `wait` until the next; `interval` is the least distance from now on. */
  | { readonly kind: 'again'; readonly interval: number; readonly wait: number }
  | { readonly kind: 'over'; readonly error: EvertokenError }

/** RFC 8628 section 3.5: it holds for all polls that follow. */
const slowDown = 5_000
/** Doubling ends here: a person who has consented waits for it. */
const longestBackoff = 60_000
/** Nothing was said about the code; an earlier answer may have got lost with it, which the next one tells. */
const passing = new Set([408, 425, 429])
const passingMeanings = new Set<ErrorMeaning>(['transient', 'rate_limited', 'ambiguous'])

/**
 * What an answer to a poll means, RFC 8628 section 3.5. Pure.
 *
 * @param interval milliseconds, the present one.
 * @param at UTC ms of the request.
 */
export function afterPoll(grant: string, answer: TokenAnswer, interval: number, at: number): PollResult {
  const again = (next: number): PollResult => {
    const asked = 'retryAfter' in answer ? (answer.retryAfter ?? 0) * 1000 : 0
    return { kind: 'again', interval: next, wait: Math.max(next, asked) }
  }
  if (answer.kind === 'error') {
    const { error, description: errorDescription, status } = answer
    switch (error) {
      case 'authorization_pending':
        return again(interval)
      case 'slow_down':
        return again(interval + slowDown)
      case 'access_denied':
        return {
          kind: 'over',
          error: new ProviderError(
            'consent_denied',
            `grant ${grant}: the person or the provider denied consent`,
            {
              grant,
              error,
              errorDescription,
              status,
              advice: 'Begin again once whoever is asked agrees.',
            },
          ),
        }
      case 'expired_token':
        return { kind: 'over', error: nobodyConsented(grant) }
    }
  }
  if (answer.kind === 'tokens') return { kind: 'tokens', response: answer.response }
  const outcome = judge(answer, 'strict') as FailedOutcome
  if (mayPass(answer)) return again(Math.max(interval, Math.min(interval * 2, longestBackoff)))
  return { kind: 'over', error: deviceError(grant, outcome.failure, at) }
}

const beginAgain = 'Begin again: there will be a new code.'

/** Other than for refreshes: nothing of a consent is tried again by itself once it is over. */
const advice: Partial<Record<ErrorCode, string>> = {
  invalid_client:
    'Check the client id, the secret and how the client authenticates, and that the provider lets this client use device codes.',
  invalid_scope: 'Ask for a scope that the provider gives this client.',
  provider_unreachable: 'Check the URL, the name service and the network, and begin again.',
  provider_answer_unusable:
    'Check that device_authorization_url and token_url are those of the provider; EVERTOKEN_LOG=wire shows the answer.',
  provider_redirect: 'Put the final address of the endpoint into the configuration.',
  insecure_http: adviceFor.insecure_http ?? '',
  private_address: adviceFor.private_address ?? '',
}

/** The error for a failure that ends a consent by device code. `at`: UTC ms of the request. */
export const deviceError = (grant: string, failure: Failure, at: number): EvertokenError =>
  failureError(grant, { ...failure, at }, 0, advice[failure.code] ?? beginAgain)

/** The code was not used while it was good. */
export const nobodyConsented = (grant: string): EvertokenError =>
  new EvertokenError('grant_pending', `nobody has consented to ${grant} while its code was good`, {
    grant,
    advice: beginAgain,
  })

/** No answer, or one that says nothing of the code: RFC 8628 wants an exponential backoff. */
function mayPass(answer: Exclude<TokenAnswer, { kind: 'tokens' }>): boolean {
  if (answer.kind === 'silence')
    return answer.reason !== 'insecure_http' && answer.reason !== 'private_address'
  if (answer.kind === 'error' && answer.means !== undefined) return passingMeanings.has(answer.means)
  return answer.status >= 500 || passing.has(answer.status)
}

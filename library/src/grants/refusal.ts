import type { ErrorCode } from '../errors.ts'
import type { ErrorAnswer } from '../oauth/error-response.ts'
import type { ErrorMeaning } from '../providers/profile.ts'
import type { ReplayClass } from './lifetime-facts.ts'
import type { FailedOutcome, Failure } from './outcome.ts'

/** OpenID Connect Core section 3.1.2.6: only a person can go on from here. */
const needsPerson = new Set([
  'interaction_required',
  'login_required',
  'consent_required',
  'account_selection_required',
  'mfa_required',
])
const clientRefused = new Set(['invalid_client', 'unauthorized_client'])
/** RFC 6749 section 5.2, RFC 8707 section 2: of what was asked for, not of the grant. */
const requestRefused = new Set(['invalid_scope', 'invalid_target'])
const rateWords = new Set(['slow_down', 'too_many_requests', 'rate_limit_exceeded'])
const serverTrouble = new Set(['server_error', 'temporarily_unavailable'])
/** 425 and 429 say that the request was not processed. */
export const notProcessed = new Set([425, 429])
/** Seconds; whoever says "slower" without saying how slow means more than the two seconds of a first backoff. */
export const slowDown = 60

export const succeeded = (status: number): boolean => status >= 200 && status < 300

/** What the provider says, for people; where it has no word for it, the status. */
const wordsOf = ({ error, description, status }: ErrorAnswer): string => {
  const code = error === 'unspecified' ? `status ${status}` : error
  return description === undefined ? code : `${code}: ${description}`
}

/** What a refusal means: by the provider's profile, else by RFC 6749 section 5.2 and what is usual besides. */
export function judgeRefusal(answer: ErrorAnswer, replayClass: ReplayClass): FailedOutcome {
  return answer.means === undefined
    ? judgeError(answer, replayClass)
    : judgeMeaning(answer, answer.means, replayClass)
}

const failureOf = (
  { error, description, status, retryAfter, means }: ErrorAnswer,
  code: ErrorCode,
  message: string,
): Failure => ({
  code,
  message,
  error,
  ...(description === undefined ? {} : { errorDescription: description }),
  status,
  retryAfter,
  ...(means === undefined ? {} : { means }),
})

function judgeMeaning(answer: ErrorAnswer, means: ErrorMeaning, replayClass: ReplayClass): FailedOutcome {
  const words = wordsOf(answer)
  switch (means) {
    case 'dead':
      return dead(answer)
    case 'person':
      return asksForPerson(answer)
    case 'transient':
      return {
        verdict: 'refused',
        failure: failureOf(
          answer,
          'provider_error',
          `the provider is in trouble (${words}); nothing was spent`,
        ),
      }
    case 'rate_limited':
      return slower(answer)
    case 'configuration':
      // The codes of RFC 6749 keep their own advice.
      if (clientRefused.has(answer.error) || requestRefused.has(answer.error))
        return judgeError(answer, replayClass)
      return {
        verdict: 'refused',
        failure: failureOf(
          answer,
          'provider_error',
          `the provider refuses what is configured (${words}); the grant is untouched`,
        ),
      }
    case 'ambiguous':
      return {
        verdict: 'ambiguous',
        failure: failureOf(answer, 'provider_error', `the provider is in trouble (${words})`),
      }
    default:
      return means satisfies never
  }
}

function judgeError(answer: ErrorAnswer, replayClass: ReplayClass): FailedOutcome {
  const { error, status } = answer
  const words = wordsOf(answer)
  const failure = (code: ErrorCode, message: string): Failure => failureOf(answer, code, message)
  if (error === 'invalid_grant') return dead(answer)
  if (needsPerson.has(error)) return asksForPerson(answer)
  if (clientRefused.has(error))
    return {
      verdict: 'refused',
      failure: failure(
        'invalid_client',
        `the provider refused the client (${words}); the grant is untouched`,
      ),
    }
  if (error === 'invalid_scope')
    return {
      verdict: 'refused',
      failure: failure('invalid_scope', `the provider refused the scope (${words})`),
    }
  if (error === 'invalid_target')
    return {
      verdict: 'refused',
      failure: failure('invalid_target', `the provider refused the resource (${words})`),
    }
  if (rateWords.has(error) || notProcessed.has(status)) return slower(answer)
  if (serverTrouble.has(error) || status >= 500 || status === 408)
    return troubled(status, failure('provider_error', `the provider is in trouble (${words})`), replayClass)
  // A success that carries an error without a code says too little to be a refusal.
  const unclear = error === 'unspecified' && succeeded(status)
  return {
    verdict: unclear ? 'ambiguous' : 'refused',
    failure: failure('provider_error', `the provider refused (${words})`),
  }
}

const dead = (answer: ErrorAnswer): FailedOutcome => ({
  verdict: 'rejected',
  person: false,
  failure: failureOf(answer, 'invalid_grant', `the provider refused the grant (${wordsOf(answer)})`),
})

const asksForPerson = (answer: ErrorAnswer): FailedOutcome => ({
  verdict: 'rejected',
  person: true,
  failure: failureOf(
    answer,
    'reauthorization_required',
    `the provider asks for a person (${wordsOf(answer)})`,
  ),
})

const slower = (answer: ErrorAnswer): FailedOutcome => ({
  verdict: 'refused',
  failure: {
    ...failureOf(answer, 'provider_error', `the provider asks to slow down (${wordsOf(answer)})`),
    retryAfter: answer.retryAfter ?? slowDown,
  },
})

/**
 * A 503 with Retry-After was turned away at the door. Where a refresh token may be spent nobody bets on that: a front end may
 * say it after the token was consumed behind it, and a reuse window that was opened unnoticed is missed.
 */
export function troubled(status: number, failure: Failure, replayClass: ReplayClass): FailedOutcome {
  const turnedAway = status === 503 && failure.retryAfter !== undefined && replayClass === 'non_rotating'
  return { verdict: turnedAway ? 'refused' : 'ambiguous', failure }
}

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type ErrorCode,
  errorCodes,
  InvalidGrantError,
  InvalidScopeError,
  ProviderError,
  ReauthorizationRequiredError,
} from '../../src/errors.ts'
import type { ReplayClass } from '../../src/grants/lifetime-facts.ts'
import { adviceOn, failureError, judge, type Outcome } from '../../src/grants/outcome.ts'
import type { SilenceReason, TokenAnswer, UnusableReason } from '../../src/oauth/token-answer.ts'
import { Secret } from '../../src/secret.ts'

type Verdict = Outcome['verdict']

const said = (status: number, error: string, retryAfter?: number): TokenAnswer => ({
  kind: 'error',
  status,
  error,
  ...(retryAfter === undefined ? {} : { retryAfter }),
})
const unusable = (status: number, reason: UnusableReason, retryAfter?: number): TokenAnswer => ({
  kind: 'unusable',
  status,
  reason,
  ...(retryAfter === undefined ? {} : { retryAfter }),
})
const silence = (reason: SilenceReason, sent: boolean): TokenAnswer => ({
  kind: 'silence',
  sent,
  reason,
  detail: 'connect ECONNREFUSED 127.0.0.1:1',
})

/** Answer, what it means for a login whose refresh token rotates strictly, for one that does not, and its code. */
const table: readonly [string, TokenAnswer, Verdict, Verdict, string][] = [
  // Nothing left, or nobody knows what became of it.
  ['connection refused', silence('refused', false), 'not_sent', 'not_sent', 'provider_unreachable'],
  ['unknown name', silence('name_not_found', false), 'not_sent', 'not_sent', 'provider_unreachable'],
  ['TLS handshake failed', silence('tls', false), 'not_sent', 'not_sent', 'provider_unreachable'],
  ['no descriptor left', silence('local', false), 'not_sent', 'not_sent', 'provider_unreachable'],
  ['plain http', silence('insecure_http', false), 'not_sent', 'not_sent', 'insecure_http'],
  ['a private address', silence('private_address', false), 'not_sent', 'not_sent', 'private_address'],
  ['deadline before connect', silence('deadline', false), 'not_sent', 'not_sent', 'provider_timeout'],
  ['reset after sending', silence('reset', true), 'ambiguous', 'ambiguous', 'provider_unreachable'],
  ['deadline after sending', silence('deadline', true), 'ambiguous', 'ambiguous', 'provider_timeout'],
  // Answers that say nothing.
  ['200 HTML', unusable(200, 'not_json'), 'ambiguous', 'ambiguous', 'provider_answer_unusable'],
  ['200 empty', unusable(200, 'empty'), 'ambiguous', 'ambiguous', 'provider_answer_unusable'],
  ['200 cut', unusable(200, 'cut'), 'ambiguous', 'ambiguous', 'provider_answer_unusable'],
  ['200 too large', unusable(200, 'too_large'), 'ambiguous', 'ambiguous', 'provider_answer_unusable'],
  ['200 bad UTF-8', unusable(200, 'bad_encoding'), 'ambiguous', 'ambiguous', 'provider_answer_unusable'],
  [
    '200 without access token',
    unusable(200, 'no_access_token'),
    'ambiguous',
    'ambiguous',
    'provider_answer_unusable',
  ],
  [
    '200 bad access token',
    unusable(200, 'bad_access_token'),
    'ambiguous',
    'ambiguous',
    'provider_answer_unusable',
  ],
  ['204', unusable(204, 'empty'), 'ambiguous', 'ambiguous', 'provider_answer_unusable'],
  ['302', unusable(302, 'redirect'), 'refused', 'refused', 'provider_redirect'],
  ['308', unusable(308, 'redirect'), 'refused', 'refused', 'provider_redirect'],
  ['400 HTML', unusable(400, 'not_json'), 'refused', 'refused', 'provider_answer_unusable'],
  ['404 empty', unusable(404, 'empty'), 'refused', 'refused', 'provider_answer_unusable'],
  ['408', unusable(408, 'empty'), 'ambiguous', 'ambiguous', 'provider_answer_unusable'],
  ['425', unusable(425, 'empty'), 'refused', 'refused', 'provider_answer_unusable'],
  ['429 HTML', unusable(429, 'not_json', 3), 'refused', 'refused', 'provider_answer_unusable'],
  ['500 HTML', unusable(500, 'not_json'), 'ambiguous', 'ambiguous', 'provider_answer_unusable'],
  ['502 HTML', unusable(502, 'not_json'), 'ambiguous', 'ambiguous', 'provider_answer_unusable'],
  ['503', unusable(503, 'empty'), 'ambiguous', 'ambiguous', 'provider_answer_unusable'],
  ['503 Retry-After', unusable(503, 'empty', 3), 'ambiguous', 'refused', 'provider_answer_unusable'],
  ['504', unusable(504, 'empty'), 'ambiguous', 'ambiguous', 'provider_answer_unusable'],
  // The provider's words. The body is judged before the status.
  ['invalid_grant', said(400, 'invalid_grant'), 'rejected', 'rejected', 'invalid_grant'],
  ['invalid_grant with 403', said(403, 'invalid_grant'), 'rejected', 'rejected', 'invalid_grant'],
  ['invalid_grant with 200', said(200, 'invalid_grant'), 'rejected', 'rejected', 'invalid_grant'],
  ...[
    'interaction_required',
    'login_required',
    'consent_required',
    'account_selection_required',
    'mfa_required',
  ].map((error): [string, TokenAnswer, Verdict, Verdict, string] => [
    error,
    said(400, error),
    'rejected',
    'rejected',
    'reauthorization_required',
  ]),
  ['invalid_client', said(401, 'invalid_client'), 'refused', 'refused', 'invalid_client'],
  ['invalid_client with 200', said(200, 'invalid_client'), 'refused', 'refused', 'invalid_client'],
  ['unauthorized_client', said(400, 'unauthorized_client'), 'refused', 'refused', 'invalid_client'],
  ['invalid_scope', said(400, 'invalid_scope'), 'refused', 'refused', 'invalid_scope'],
  ['invalid_target', said(400, 'invalid_target'), 'refused', 'refused', 'invalid_target'],
  ['invalid_request', said(400, 'invalid_request'), 'refused', 'refused', 'provider_error'],
  ['unsupported_grant_type', said(400, 'unsupported_grant_type'), 'refused', 'refused', 'provider_error'],
  ['slow_down', said(400, 'slow_down'), 'refused', 'refused', 'provider_error'],
  ['429 in words', said(429, 'anything', 3), 'refused', 'refused', 'provider_error'],
  ['server_error', said(400, 'server_error'), 'ambiguous', 'ambiguous', 'provider_error'],
  [
    'temporarily_unavailable',
    said(400, 'temporarily_unavailable'),
    'ambiguous',
    'ambiguous',
    'provider_error',
  ],
  ['500 in words', said(500, 'anything'), 'ambiguous', 'ambiguous', 'provider_error'],
  ['503 in words', said(503, 'anything', 3), 'ambiguous', 'refused', 'provider_error'],
  ['a word nobody knows', said(400, 'flux_error'), 'refused', 'refused', 'provider_error'],
  [
    '200 with an error that has no code',
    said(200, 'unspecified'),
    'ambiguous',
    'ambiguous',
    'provider_error',
  ],
  ['400 with an error that has no code', said(400, 'unspecified'), 'refused', 'refused', 'provider_error'],
]

describe('an answer means', () => {
  test.each(table)('%s', (_name, answer, strict, nonRotating, code) => {
    const outcomes = (['strict', 'non_rotating'] as const).map((replayClass) => judge(answer, replayClass))
    expect(outcomes.map(({ verdict }) => verdict)).toEqual([strict, nonRotating])
    for (const outcome of outcomes)
      if (outcome.verdict === 'ok') throw new Error('no failure')
      else expect(outcome.failure.code).toBe(code)
  })

  // A window that such an answer had opened was counted from the next send, and missed.
  test.each(['strict', 'idempotent', 'last_child_wins', 'fork'] as const)(
    'that a token of class %s may be spent, when it is a 503 with Retry-After',
    (replayClass) => {
      expect(judge(unusable(503, 'empty', 3), replayClass).verdict).toBe('ambiguous')
    },
  )

  test('success, when there is an access token', () => {
    const response = { accessToken: new Secret('a'), tokenType: 'Bearer', whole: new Secret('{}') }
    expect(judge({ kind: 'tokens', status: 200, response }, 'strict')).toEqual({ verdict: 'ok', response })
  })
})

test('only words that ask for a person end a login at once', () => {
  for (const [name, answer] of table) {
    const outcome = judge(answer, 'strict')
    if (outcome.verdict === 'rejected')
      expect([name, outcome.person]).toEqual([name, name.endsWith('_required')])
  }
})

// A rate limit without Retry-After is obeyed for a minute, or sixty clients behind it never get under it.
test.each([
  ['429 without Retry-After', unusable(429, 'empty'), 60],
  ['425', unusable(425, 'empty'), 60],
  ['slow_down', said(400, 'slow_down'), 60],
  ['429 in words', said(429, 'anything'), 60],
  ['429 with Retry-After', unusable(429, 'empty', 3), 3],
  ['slow_down with Retry-After', said(400, 'slow_down', 120), 120],
  ['503 with Retry-After', unusable(503, 'empty', 7), 7],
  ['400', said(400, 'invalid_request'), undefined],
])('%s asks for %s seconds', (_name, answer, seconds) => {
  const outcome = judge(answer, 'non_rotating')
  expect(outcome.verdict === 'ok' ? undefined : outcome.failure.retryAfter).toBe(seconds)
})

const anyAnswer: fc.Arbitrary<TokenAnswer> = fc.oneof(
  fc.record({
    kind: fc.constant('error' as const),
    status: fc.integer({ min: 100, max: 599 }),
    error: fc.oneof(
      fc.string(),
      fc.constantFrom('invalid_grant', 'invalid_client', 'unauthorized_client', 'server_error'),
    ),
  }),
  fc.record({
    kind: fc.constant('unusable' as const),
    status: fc.integer({ min: 100, max: 599 }),
    reason: fc.constantFrom<UnusableReason>('redirect', 'not_json', 'empty', 'too_large', 'cut'),
  }),
  fc.record({
    kind: fc.constant('silence' as const),
    sent: fc.boolean(),
    reason: fc.constantFrom<SilenceReason>('refused', 'reset', 'deadline', 'local', 'insecure_http', 'tls'),
    detail: fc.string(),
  }),
)

test('whatever comes is judged: with a stable code, never as success, and invalid_client never as the end of a login', () => {
  fc.assert(
    fc.property(anyAnswer, fc.constantFrom<ReplayClass>('strict', 'non_rotating'), (answer, replayClass) => {
      const outcome = judge(answer, replayClass)
      if (outcome.verdict === 'ok') throw new Error('no tokens came')
      expect(errorCodes).toContain(outcome.failure.code)
      if (answer.kind === 'silence') expect(outcome.verdict).toBe(answer.sent ? 'ambiguous' : 'not_sent')
      if (answer.kind === 'error' && /_client$/.test(answer.error)) expect(outcome.verdict).toBe('refused')
      if (answer.kind !== 'error') expect(outcome.verdict).not.toBe('rejected')
      // What may have been processed is never taken for refused on a strict login.
      if (answer.kind === 'unusable' && answer.status >= 500 && answer.reason !== 'redirect')
        expect(judge(answer, 'strict').verdict).toBe('ambiguous')
    }),
    { numRuns: 1000 },
  )
})

describe('the error of a stored failure', () => {
  test.each([
    ['invalid_grant', InvalidGrantError],
    ['invalid_scope', InvalidScopeError],
    ['reauthorization_required', ReauthorizationRequiredError],
    ['invalid_client', ProviderError],
    ['provider_timeout', ProviderError],
  ] as const)('%s is thrown as its own class', (code, type) => {
    const error = failureError('billing', { code, message: 'because', at: 0 }, 3, 'do this')
    expect(error).toBeInstanceOf(type)
    expect(error.code).toBe(code)
    expect(error.grant).toBe('billing')
    expect(error.message).toBe('grant billing: because; next try in 3 s')
    expect(error.advice).toBe('do this')
  })

  test('says when it is tried again, for those who wait by a header', () => {
    const last = { code: 'provider_timeout', message: 'because', at: 0 } as const
    expect(failureError('g', last, 3, undefined)).toMatchObject({ retryAfter: 3 })
    expect(failureError('g', last, 0, undefined)).toMatchObject({
      retryAfter: undefined,
      message: 'grant g: because',
    })
  })

  test("carries the provider's own words and status", () => {
    const last = { code: 'provider_error', message: 'm', at: 0, error: 'flux', status: 418 } as const
    const error = failureError('g', last, 0, undefined)
    expect(error).toMatchObject({ error: 'flux', status: 418 })
  })
})

// What discovery had to say was stored, and its advice was not.
test.each<ErrorCode>([
  'discovery_failed',
  'endpoint_moved',
  'insecure_http',
  'invalid_client',
  'invalid_configuration',
  'invalid_scope',
  'invalid_target',
  'issuer_mismatch',
  'key_file_unreadable',
  'no_refresh_token',
  'private_address',
  'provider_answer_unusable',
  'provider_error',
  'provider_redirect',
  'provider_timeout',
  'provider_unreachable',
  'spool_unavailable',
  'store_foreign',
  'wrong_encryption_key',
])('a stored %s tells what to do', (code) => {
  expect(adviceOn(undefined, code)).toMatch(/\w{4} \w+/)
})

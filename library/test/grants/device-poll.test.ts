import { expect, test } from 'vitest'
import { afterPoll } from '../../src/grants/device-poll.ts'
import type { TokenAnswer } from '../../src/oauth/token-answer.ts'
import type { ErrorMeaning } from '../../src/providers/profile.ts'

const error = (
  code: string,
  more: { status?: number; retryAfter?: number; means?: ErrorMeaning } = {},
): TokenAnswer => ({
  kind: 'error',
  status: 400,
  error: code,
  ...more,
})
const unusable = (status: number, more: { retryAfter?: number } = {}): TokenAnswer => ({
  kind: 'unusable',
  status,
  reason: 'not_json',
  ...more,
})
const silence = (
  reason: 'deadline' | 'refused' | 'reset' | 'insecure_http' | 'private_address',
): TokenAnswer => ({
  kind: 'silence',
  sent: reason === 'deadline' || reason === 'reset',
  reason,
  detail: 'nothing',
})

test.each<[string, TokenAnswer, number, number]>([
  ['a person who has not decided', error('authorization_pending'), 5_000, 5_000],
  ['slow_down: five seconds more', error('slow_down'), 10_000, 10_000],
  ['slow_down with a status of its own', error('slow_down', { status: 429 }), 10_000, 10_000],
  ['a wait for once', error('authorization_pending', { retryAfter: 30 }), 5_000, 30_000],
  ['a wait that is shorter than the interval', error('slow_down', { retryAfter: 1 }), 10_000, 10_000],
  ['no answer in time', silence('deadline'), 10_000, 10_000],
  ['no connection', silence('refused'), 10_000, 10_000],
  ['a connection that breaks', silence('reset'), 10_000, 10_000],
  ['a provider in trouble', error('server_error', { status: 500 }), 10_000, 10_000],
  ['what the profile calls passing', error('-1', { means: 'transient' }), 10_000, 10_000],
  ['a limit of its own', error('17', { means: 'rate_limited', retryAfter: 30 }), 10_000, 30_000],
  ['a gateway’s page', unusable(502), 10_000, 10_000],
  ['a busy gateway', unusable(429, { retryAfter: 20 }), 10_000, 20_000],
])('after %s it is asked again', (_name, answer, interval, wait) => {
  expect(afterPoll('work', answer, 5_000, 0)).toEqual({ kind: 'again', interval, wait })
})

test('the interval is doubled up to a minute, and what the provider set beyond that stays', () => {
  const after = (interval: number) => afterPoll('work', silence('deadline'), interval, 0)
  expect(after(40_000)).toMatchObject({ interval: 60_000 })
  expect(after(60_000)).toMatchObject({ interval: 60_000 })
  expect(after(90_000)).toMatchObject({ interval: 90_000 })
})

test.each<[string, TokenAnswer, string]>([
  ['access_denied', error('access_denied'), 'consent_denied'],
  ['expired_token', error('expired_token'), 'grant_pending'],
  ['invalid_grant', error('invalid_grant'), 'invalid_grant'],
  ['invalid_client', error('invalid_client', { status: 401 }), 'invalid_client'],
  ['unauthorized_client', error('unauthorized_client'), 'invalid_client'],
  ['unsupported_grant_type', error('unsupported_grant_type'), 'provider_error'],
  ['what the profile calls dead', error('40029', { means: 'dead' }), 'invalid_grant'],
  [
    'what the profile calls configuration',
    error('x', { status: 500, means: 'configuration' }),
    'provider_error',
  ],
  ['a success that nobody can read', unusable(200), 'provider_answer_unusable'],
  ['a redirect', { kind: 'unusable', status: 302, reason: 'redirect' }, 'provider_redirect'],
  ['plain http', silence('insecure_http'), 'insecure_http'],
  ['a private address', silence('private_address'), 'private_address'],
])('%s ends it, and nothing is said of trying again by itself', (_name, answer, code) => {
  const result = afterPoll('work', answer, 5_000, 0)
  expect(result).toMatchObject({ kind: 'over', error: { code, grant: 'work' } })
  const { error: reason } = result as Extract<typeof result, { kind: 'over' }>
  expect(String(reason.advice)).not.toContain('by itself')
})

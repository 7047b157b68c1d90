import { EvertokenError, errorCodes, ProviderError } from 'evertoken'
import { describe, expect, test } from 'vitest'
import { problemOf } from '../../src/broker/problem.ts'
import { practisedBroker } from './practised-broker.ts'

describe('a problem', () => {
  test('has one status for each code of the library', () => {
    const statuses = Object.fromEntries(
      errorCodes.map((code) => [code, problemOf(new EvertokenError(code, 'x'), 'r1').status]),
    )
    expect(statuses).toEqual({
      unknown_grant: 404,
      grant_exists: 409,
      invalid_grant_id: 400,
      grant_pending: 409,
      grant_paused: 409,
      grant_quarantined: 409,
      grant_revoked: 409,
      reauthorization_required: 409,
      token_unavailable: 503,
      refresh_too_soon: 409,
      sender_constrained: 409,
      invalid_grant: 502,
      invalid_client: 502,
      invalid_scope: 400,
      invalid_target: 400,
      provider_error: 502,
      provider_unreachable: 502,
      provider_timeout: 504,
      provider_answer_unusable: 502,
      provider_redirect: 502,
      discovery_failed: 502,
      issuer_mismatch: 502,
      endpoint_moved: 502,
      insecure_http: 422,
      private_address: 422,
      state_missing: 400,
      state_unknown: 400,
      consent_denied: 403,
      no_refresh_token: 502,
      id_token_invalid: 502,
      other_account: 409,
      invalid_configuration: 422,
      unknown_key: 422,
      missing_environment_variable: 422,
      empty_secret: 422,
      key_file_unreadable: 500,
      key_file_too_open: 500,
      wrong_encryption_key: 500,
      store_newer: 500,
      store_damaged: 500,
      store_unavailable: 503,
      store_not_durable: 500,
      store_foreign: 503,
      spool_unavailable: 503,
      disk_full: 507,
      unauthorized: 401,
      forbidden: 403,
      not_found: 404,
      invalid_request: 400,
      port_taken: 500,
      listen_not_loopback: 500,
      broker_unreachable: 502,
      server_package_missing: 500,
      usage: 500,
      closed: 503,
      internal: 500,
    })
  })

  test('is constant in its shape', () => {
    const error = new EvertokenError('grant_paused', 'grant a is paused', { grant: 'a', advice: 'Wait.' })
    expect(problemOf(error, 'r1')).toEqual({
      type: 'urn:evertoken:problem:grant_paused',
      title: 'The grant is paused',
      status: 409,
      detail: 'grant a is paused',
      code: 'grant_paused',
      request_id: 'r1',
      advice: 'Wait.',
      grant: 'a',
    })
  })

  test.each([
    'store_unavailable',
    'disk_full',
    'store_damaged',
    'wrong_encryption_key',
    'key_file_too_open',
    'closed',
    'internal',
  ] as const)('of the code %s tells callers nothing of files and insides', (code) => {
    const problem = problemOf(
      new EvertokenError(code, 'the store /var/x.db', { advice: 'chmod /var/x' }),
      'r1',
    )
    expect(JSON.stringify(problem)).not.toContain('/var')
    expect(problem.advice).toBe('The log of the broker says more under this request id.')
  })

  test.each([
    [new TypeError('canary'), 500, 'internal'],
    ['canary', 500, 'internal'],
    [undefined, 500, 'internal'],
    [Object.assign(new Error('canary'), { statusCode: 413 }), 413, 'invalid_request'],
    [Object.assign(new Error('canary'), { statusCode: 418 }), 418, 'invalid_request'],
    [Object.assign(new Error('canary'), { statusCode: 200 }), 500, 'internal'],
    [Object.assign(new Error('canary'), { statusCode: 503 }), 500, 'internal'],
  ])('of %s does not repeat its message', (error, status, code) => {
    const problem = problemOf(error, 'r1')
    expect(problem).toMatchObject({ status, code })
    expect(JSON.stringify(problem)).not.toContain('canary')
  })

  test('names a grant only by what can be a name', () => {
    const facts = { grant: '<script>' }
    expect(problemOf(new EvertokenError('unknown_grant', 'x', facts), 'r1')).not.toHaveProperty('grant')
  })
})

describe('a provider that asks to wait', () => {
  test.each([
    [7, '7'],
    [0.2, '1'],
    [0, '0'],
    [-5, '0'],
  ])('for %d s is passed on as Retry-After: %s', async (retryAfter, header) => {
    const { keeper, send, readKey } = await practisedBroker()
    keeper.getToken = async () => {
      throw new ProviderError('provider_error', 'too many requests', { status: 429, retryAfter })
    }
    const answer = await send('GET', '/v1/grants/billing/token', { key: readKey })
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([502, header])
  })
})

import { describe, expect, test } from 'vitest'
import {
  EvertokenError,
  InvalidGrantError,
  InvalidScopeError,
  ProviderError,
  ReauthorizationRequiredError,
} from '../../src/errors.ts'
import { Secret } from '../../src/secret.ts'
import { type BrokerRefusal, brokerRefusal } from '../../src/use/broker-refusal.ts'

const refusal = (problem: object, more: Partial<BrokerRefusal> = {}): EvertokenError =>
  brokerRefusal(new URL('https://tokens.example/'), {
    status: 409,
    problem: problem as BrokerRefusal['problem'],
    wait: null,
    key: new Secret('evt_very-secret'),
    ...more,
  })

describe('a refusal of a broker', () => {
  test.each([
    ['reauthorization_required', ReauthorizationRequiredError],
    ['invalid_grant', InvalidGrantError],
    ['invalid_scope', InvalidScopeError],
    ['invalid_client', ProviderError],
    ['provider_error', ProviderError],
    ['provider_unreachable', ProviderError],
    ['provider_timeout', ProviderError],
    ['provider_answer_unusable', ProviderError],
    ['provider_redirect', ProviderError],
    ['token_unavailable', ProviderError],
    ['grant_revoked', EvertokenError],
  ])('with the code %s is the error that it was there', (code, kind) => {
    const error = refusal({ code, detail: 'why' })
    expect(error.constructor).toBe(kind)
    expect(error).toMatchObject({ code, message: 'why (broker tokens.example)' })
  })

  test('brings what the provider had said, and how long to wait', () => {
    const provider = { status: 429, error: 'slow_down', error_description: 'not so fast' }
    expect(refusal({ code: 'provider_error', provider }, { wait: '20' })).toMatchObject({
      status: 429,
      error: 'slow_down',
      errorDescription: 'not so fast',
      retryAfter: 20,
    })
    expect(refusal({ code: 'provider_error', provider: { status: '429' } })).toMatchObject({
      status: undefined,
      error: undefined,
      errorDescription: undefined,
      retryAfter: undefined,
    })
  })

  test('says what the broker says, and else what it answered', () => {
    const code = 'grant_revoked'
    expect(refusal({ code, detail: 'detail', title: 'title' }).message).toMatch(/^detail /)
    expect(refusal({ code, title: 'title' }).message).toMatch(/^title /)
    expect(refusal({ code }).message).toBe('it answered 409 (broker tokens.example)')
    expect(refusal({ code, detail: 'evt_very-secret is no key' }).message).toMatch(/^\[secret\] is no key /)
  })

  test('with a code of a newer broker names that, and without one goes by the status', () => {
    expect(refusal({ code: 'grant_dreaming', detail: 'zzz' })).toMatchObject({
      code: 'broker_unreachable',
      message: 'zzz (broker tokens.example, grant_dreaming)',
    })
    expect(refusal({}, { status: 401 }).code).toBe('unauthorized')
    expect(refusal({}, { status: 403 }).code).toBe('broker_unreachable')
  })

  test('advises what whoever asked can do, else what the broker says, else what helps most', () => {
    const code = 'unknown_grant'
    const said = { code, advice: 'Look there.' }
    expect(refusal(said, { advice: { unknown_grant: 'Do this.' } }).advice).toBe('Do this.')
    expect(refusal(said, { advice: { forbidden: 'Do this.' } }).advice).toBe('Look there.')
    expect(refusal({ code }).advice).toBe(
      'evertoken list shows the names there are; evertoken add makes one.',
    )
    expect(refusal({ code: 'grant_paused' }).advice).toBeUndefined()
  })
})

import type { ScriptedResponse } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { clientCredentials, type GrantDefinition } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import type { Transport } from '../../src/oauth/transport.ts'
import { loggedTransport } from '../../src/oauth/wire-log.ts'
import type { ProviderDialect } from '../../src/providers/dialect.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { practised } from './practised.ts'

const dialect: ProviderDialect = {
  id: 'acme',
  variables: {},
  answer: {
    root: '/data',
    access_token: '/access/token',
    refresh_token: '/refresh/token',
    expiry: '/access/expires_at',
    expiry_format: 'epoch_s',
    success: { pointer: '/code', equals: 0 },
    error_code: '/code',
    error_description: '/text',
    metadata: { region: '/region', leak: '/refresh' },
  },
  errors: [
    { code: 4001, means: 'dead' },
    { code: 4002, means: 'person' },
    { code: 4003, means: 'rate_limited', retry_after: 90 },
  ],
}

const json = (body: object): ScriptedResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

/** A login at a provider that speaks so, whose every answer the test writes. */
async function speaking(answer: (presented: string, now: number) => object, spoken = dialect) {
  const at = await practised()
  const presented: string[] = []
  at.answerWith(({ path, parameters }) => {
    if (path !== '/token' || parameters.grant_type !== 'refresh_token') return undefined
    presented.push(parameters.refresh_token ?? '')
    return json(answer(parameters.refresh_token ?? '', at.clock.now()))
  })
  const definition = await at.imported({ refreshToken: 'r0', metadata: ['code', 'data'] })
  const login: GrantDefinition = { ...definition, client: { ...definition.client, dialect: spoken } }
  await at.keeper.add('work', login)
  return { ...at, presented }
}

const tokens = (number: number, now: number) => ({
  code: 0,
  data: {
    access: { token: `access-token-${number}`, expires_at: Math.floor(now / 1000) + 1800 },
    refresh: { token: `refresh-token-${number}` },
    region: 'eu',
  },
})

describe('a login at a provider with a dialect of its own', () => {
  test('is kept alive with what its answers bring, and hands out what the profile says beside it', async () => {
    let count = 0
    const at = await speaking((_presented, now) => tokens(++count, now))
    const token = await at.run(at.keeper.getToken('work'))
    expect(token.value).toBe('access-token-1')
    expect(token.expiresAt - at.clock.now()).toBeLessThanOrEqual(1_800_000)
    expect(token.expiresAt - at.clock.now()).toBeGreaterThan(1_790_000)
    // Of what the user lists, `data` holds the tokens.
    expect(token.metadata).toEqual({ region: 'eu', code: 0 })
    await at.run(at.keeper.refresh('work'))
    expect(at.presented).toEqual(['r0', 'refresh-token-1'])
  })

  test('is suspect by a code that the profile calls dead, with the words of the provider', async () => {
    const at = await speaking(() => ({ code: 4001, text: 'the key is worn out' }))
    expect(await at.run(at.keeper.tend('work'))).toMatchObject({
      kind: 'failed',
      outcome: { verdict: 'rejected', person: false, failure: { code: 'invalid_grant' } },
    })
    expect(await at.keeper.show('work')).toMatchObject({
      state: 'suspect',
      lastError: {
        code: 'invalid_grant',
        error: '4001',
        message: 'the provider refused the grant (4001: the key is worn out)',
      },
    })
  })

  test('is over at once by a code that asks for a person', async () => {
    const at = await speaking(() => ({ code: 4002 }))
    await at.run(at.keeper.tend('work'))
    expect(await at.keeper.show('work')).toMatchObject({ state: 'reauthorization_required' })
  })

  test('waits as long as the profile says where the answer does not', async () => {
    const at = await speaking(() => ({ code: 4003, text: 'not so fast' }))
    expect(await at.run(at.keeper.tend('work'))).toMatchObject({
      outcome: { verdict: 'refused', failure: { code: 'provider_error', error: '4003', retryAfter: 90 } },
    })
    expect(await at.keeper.show('work')).toMatchObject({ state: 'active', failures: 1 })
  })

  test('says where its token was looked for when there is none', async () => {
    const at = await speaking(() => ({ code: 0, data: { access: {}, region: 'eu' } }))
    expect(await at.run(at.keeper.tend('work'))).toMatchObject({
      outcome: {
        verdict: 'ambiguous',
        failure: {
          code: 'provider_answer_unusable',
          message:
            'the token endpoint answered status 200 with something that is no token response (the profile acme has answer.access_token at /access/token, below answer.root at /data; there were access, region)',
        },
      },
    })
  })
})

describe('a login at a provider whose refresh extends the token that there is', () => {
  const extending: ProviderDialect = {
    id: 'acme',
    variables: {},
    answer: { success: { pointer: '/result', equals: '0000' }, error_code: '/result', refresh_extends: true },
  }
  const first = { result: '0000', access_token: 'access-token-1', expires_in: 1800 }

  test('serves it on, with its life anew and as another generation', async () => {
    let count = 0
    const at = await speaking(() => (count++ === 0 ? first : { result: '0000' }), extending)
    await at.run(at.keeper.getToken('work'))
    await at.pass(1_000_000)
    await at.run(at.keeper.refresh('work'))
    const token = await at.run(at.keeper.getToken('work'))
    expect([token.value, token.generation, at.presented]).toEqual(['access-token-1', 2, ['r0', 'r0']])
    expect(token.expiresAt - at.clock.now()).toBeGreaterThan(1_790_000)
  })

  test('says what is missing where it was imported and there is none', async () => {
    const at = await speaking(() => ({ result: '0000' }), extending)
    expect(await at.run(at.keeper.tend('work'))).toMatchObject({
      outcome: {
        verdict: 'ambiguous',
        failure: {
          code: 'provider_answer_unusable',
          message:
            'the token endpoint answered status 200 with something that is no token response (the refresh gave the present access token its life anew, and none is held: consent once)',
        },
      },
    })
  })

  test.each([{ result: '1001', message: 'no' }, {}, { result: '0000', refresh_token: 'r1' }])(
    'takes no other answer for that: %j',
    async (answer) => {
      let count = 0
      const at = await speaking(() => (count++ === 0 ? first : answer), extending)
      await at.run(at.keeper.getToken('work'))
      await at.run(at.keeper.refresh('work').catch(() => undefined))
      expect(await at.keeper.show('work')).toMatchObject({ generation: 1, failures: 1 })
    },
  )
})

test('a token that the profile has under a name of something harmless is not shown by the wire log', async () => {
  const lines: string[] = []
  const body = '{"scope":"the-access-token","audience":"shop"}'
  const answering: Transport = async () => ({ status: 200, headers: {}, body })
  await using keeper = await Keeper.open({
    store: memoryStore({ ephemeral: true }),
    transport: loggedTransport(answering, (line) => lines.push(line)),
  })
  const answer = { access_token: '/scope', scope: '/audience' }
  const profile = { id: 'odd', name: 'Odd', token_url: 'https://odd.example/token', answer }
  await keeper.add('odd', clientCredentials({ profile, clientId: 'a', clientSecret: 'b' }))
  expect((await keeper.getToken('odd')).value).toBe('the-access-token')
  expect(lines.at(-1)).toMatch(/< scope=‹[0-9a-f]{8}› audience=shop$/)
})

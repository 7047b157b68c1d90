import { AccessToken, clientCredentials, type ErrorCode, EvertokenError, ProviderError } from 'evertoken'
import { describe, expect, test, vi } from 'vitest'
import { createApiKey } from '../../src/broker/api-key.ts'
import {
  imported,
  login,
  type PractisedOptions,
  person,
  practisedBroker,
  publicUrl,
  service,
} from './practised-broker.ts'

const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
const form = 'application/x-www-form-urlencoded'

const idOf = (key: string): string => key.slice(4, 20)
const basic = (id: string, secret: string): string => `Basic ${btoa(`${id}:${secret}`)}`

/** A broker with the grant `billing`, and what posts a form to its token endpoint as the key to read. */
async function endpoint(options: PractisedOptions = {}) {
  const broker = await practisedBroker(options)
  const { keeper, practice, readKey, app } = broker
  await keeper.add('billing', service(practice))
  const raw = (payload: string, headers: Record<string, string> = {}) =>
    app.inject({
      method: 'POST',
      url: '/oauth/token',
      payload,
      headers: { 'content-type': form, ...headers },
    })
  const post = (parameters: Record<string, string> | [string, string][], headers?: Record<string, string>) =>
    raw(
      new URLSearchParams(parameters).toString(),
      headers ?? { authorization: basic(idOf(readKey), readKey) },
    )
  const ask = (parameters: Record<string, string>) =>
    post({ grant_type: 'client_credentials', ...parameters })
  return { ...broker, raw, post, ask }
}

describe('POST /oauth/token', () => {
  test('gives the kept token to a client whose secret is the API key, in the header or in the form', async () => {
    const { keeper, practice, post, readKey } = await endpoint()
    const kept = await keeper.getToken('billing')
    const asked = { grant_type: 'client_credentials', scope: 'grant:billing' }
    const answers = [
      await post(asked),
      await post({ ...asked, client_id: idOf(readKey) }),
      await post({ ...asked, client_id: idOf(readKey), client_secret: readKey }, {}),
    ]
    for (const answer of answers) {
      expect(answer.statusCode).toBe(200)
      expect(answer.headers).toMatchObject({
        'content-type': 'application/json; charset=utf-8',
        'cache-control': 'no-store',
        pragma: 'no-cache',
      })
      expect(answer.json()).toEqual({
        access_token: kept.value,
        token_type: 'Bearer',
        expires_in: expect.any(Number),
        scope: 'grant:billing',
        generation: 1,
      })
    }
    expect(practice.requests.filter(({ path }) => path === '/token')).toHaveLength(1)
  })

  test('says how the API wants the token, where that is not as RFC 6750 has it', async () => {
    const { keeper, practice, ask } = await endpoint()
    const api = { header: 'X-Shop-Access-Token', scheme: '' }
    const profile = { id: 'shop', name: 'Shop', token_url: practice.tokenEndpoint, api }
    const client = { clientId: 'practice-service', clientSecret: 'practice-service-secret' }
    await keeper.add('shop', clientCredentials({ profile, ...client }))
    expect((await ask({ scope: 'grant:shop' })).json()).toMatchObject(api)
    expect(Object.keys((await ask({ scope: 'grant:billing' })).json())).not.toContain('header')
  })

  test('says what is left of the token, to the second', async () => {
    const { keeper, ask } = await endpoint()
    const { expiresAt } = await keeper.getToken('billing')
    const now = vi.spyOn(keeper.clock, 'now').mockReturnValue(expiresAt - 90_500)
    expect((await ask({ scope: 'grant:billing' })).json()).toMatchObject({ expires_in: 90 })
    now.mockRestore()
  })

  test('hands out a narrower scope, and the members of the answer that the grant allows', async () => {
    const { keeper, practice, ask, send, readKey } = await endpoint()
    // The grant's own token is in memory by then, and good for more than is asked.
    await ask({ scope: 'grant:billing' })
    const narrow = (await ask({ scope: 'grant:billing read' })).json()
    expect(narrow).toMatchObject({ scope: 'grant:billing read', generation: 1 })
    expect((await ask({ scope: 'grant:billing write read' })).json()).toMatchObject({
      scope: 'grant:billing read write',
    })
    const same = await send('GET', '/v1/grants/billing/token?scope=read', { key: readKey })
    expect(same.json().access_token).toBe(narrow.access_token)
    await keeper.add('narrow', { ...service(practice), metadata: ['token_type', 'expires_in'] })
    const { metadata } = (await ask({ scope: 'grant:narrow' })).json()
    expect(metadata).toEqual((await keeper.getToken('narrow')).metadata)
  })

  test.each([
    ['its address at the broker', { resource: `${publicUrl}/v1/grants/billing` }, 'read write'],
    ['its name as the audience', { audience: 'billing' }, 'read write'],
    ['both', { resource: `${publicUrl}/v1/grants/billing`, audience: 'billing', scope: 'read' }, 'read'],
  ])("knows the grant by %s, and the scope is the provider's then", async (_, parameters, scope) => {
    const { ask, practice } = await endpoint()
    const answer = (await ask(parameters as Record<string, string>)).json()
    expect(answer).toMatchObject({ scope, token_type: 'Bearer' })
    expect(practice.introspect(answer.access_token)).toMatchObject({ active: true, scope })
  })

  test("passes another resource on to the provider, beside the grant's own address", async () => {
    const asked: unknown[] = []
    const { post, ask } = await endpoint({
      practice: { respond: ({ parameters }) => void asked.push(parameters.resource) },
    })
    const own = (await ask({ scope: 'grant:billing' })).json()
    const answer = await post([
      ['grant_type', 'client_credentials'],
      ['resource', `${publicUrl}/v1/grants/billing`],
      ['resource', 'https://api.example/'],
    ])
    const named = await post([
      ['grant_type', 'client_credentials'],
      ['scope', 'grant:billing'],
      ['resource', 'https://other.example/'],
    ])
    const tokens = [own, answer.json(), named.json()].map((body) => body.access_token)
    expect(new Set(tokens).size).toBe(3)
    expect(asked).toEqual([undefined, 'https://api.example/', 'https://other.example/'])
  })

  test('takes the name of the grant as often as it likes to be said', async () => {
    const { post } = await endpoint()
    const twice: [string, string][] = [
      ['audience', 'billing'],
      ['audience', 'billing'],
    ]
    expect((await post([['grant_type', 'client_credentials'], ...twice])).statusCode).toBe(200)
  })

  test('refreshes as any reader does, once for all who ask together', async () => {
    const { ask, practice } = await endpoint()
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask({ scope: 'grant:billing' })))
    expect(new Set(answers.map((answer) => answer.json().access_token)).size).toBe(1)
    expect(practice.requests.filter(({ path }) => path === '/token')).toHaveLength(1)
  })

  test('ignores parameters that it does not know and those without a value', async () => {
    const { ask } = await endpoint()
    const answer = await ask({ scope: 'grant:billing', resource: '', audience: '', userId: 'somebody' })
    expect(answer.statusCode).toBe(200)
  })
})

describe('a client', () => {
  test('that is not who it says is refused, and never told why', async () => {
    const { raw, readKey, adminKey, keeper, app } = await endpoint()
    const stranger = (await createApiKey(keeper.store, { label: 'x', rights: 'read' })).reveal()
    const wrong = readKey.slice(0, 21) + adminKey.slice(21)
    const asked = 'grant_type=client_credentials&scope=grant:billing'
    const inHeader = [
      basic(idOf(readKey), wrong),
      basic(idOf(readKey), adminKey),
      basic(idOf(stranger), readKey),
      basic('', readKey),
      basic(readKey, ''),
      basic('nobody', 'evt_0123456789abcdef_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_00000000'),
      `Basic ${btoa(readKey)}`,
      `Basic ${btoa('%zz:%zz')}`,
      'Basic !',
      `Bearer ${readKey}`,
      'Digest x',
      '',
    ]
    const answers = [
      ...(await Promise.all(inHeader.map((authorization) => raw(asked, { authorization })))),
      await raw(asked),
      await raw(`${asked}&client_id=${idOf(readKey)}`),
      await raw(`${asked}&client_secret=${readKey}`),
      await raw(`${asked}&client_id=${idOf(readKey)}&client_secret=${wrong}`),
      await raw(`${asked}&client_id=other`, { authorization: basic(idOf(readKey), readKey) }),
      await raw(`${asked}&client_id=${idOf(readKey)}`, { authorization: 'Basic !' }),
      await raw(''),
      await app.inject({ method: 'POST', url: '/oauth/token' }),
    ]
    for (const answer of answers) {
      expect(answer.statusCode).toBe(401)
      expect(answer.headers['www-authenticate']).toMatch(
        /^Basic realm="evertoken", charset="UTF-8", error="invalid_client", error_description="[^"\\]+"$/,
      )
      expect(answer.headers['cache-control']).toBe('no-store')
      expect(answer.json().error).toBe('invalid_client')
      expect(answer.body).not.toMatch(/_[A-Za-z0-9_-]{43}/)
    }
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1)
  })

  test('may encode its id and secret as the RFC says, and write the scheme as it likes', async () => {
    const { raw, readKey } = await endpoint()
    const encoded = [...readKey].map((sign) => `%${sign.charCodeAt(0).toString(16)}`).join('')
    for (const authorization of [
      basic(idOf(readKey), encoded),
      basic(idOf(readKey), readKey).replace('Basic ', 'bAsIc  '),
    ]) {
      const answer = await raw('grant_type=client_credentials&scope=grant%3Abilling', { authorization })
      expect(answer.statusCode).toBe(200)
    }
  })

  test('that authenticates in two ways at once is refused', async () => {
    const { post, readKey } = await endpoint()
    const answer = await post({
      grant_type: 'client_credentials',
      scope: 'grant:billing',
      client_secret: readKey,
    })
    expect([answer.statusCode, answer.json()]).toEqual([
      400,
      { error: 'invalid_request', error_description: 'the client authenticates in two ways at once' },
    ])
  })

  test('is logged by its key and never by its secret, and a token that it reads only on debug', async () => {
    const lines: string[] = []
    const { brokerLog } = await import('../../src/broker/log.ts')
    const logger = brokerLog('info', { write: (line: string) => void lines.push(line) })
    const { ask, readKey, raw } = await endpoint({ broker: { logger } })
    await ask({ scope: 'grant:billing' })
    expect(lines).toEqual([])
    await ask({ scope: 'grant:nobody' })
    await raw(`grant_type=client_credentials&client_id=x&client_secret=${readKey}`)
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { route: '/oauth/token', status: 400, caller: idOf(readKey), label: 'reader' },
      { route: '/oauth/token', status: 401 },
    ])
    expect(lines.join()).not.toContain(readKey.slice(21, 64))
  })
})

describe('a refusal', () => {
  const refusals: [string, Record<string, string>, string, string][] = [
    ['no grant type', { grant_type: '', scope: 'grant:billing' }, 'invalid_request', 'grant_type is missing'],
    [
      'another grant type',
      { grant_type: 'refresh_token', refresh_token: 'rt-canary', scope: 'grant:billing' },
      'unsupported_grant_type',
      `send grant_type=client_credentials or ${tokenExchange}`,
    ],
    [
      'no grant',
      { scope: 'read' },
      'invalid_scope',
      'no grant is named: send scope=grant:NAME, or resource= the address of the grant at this broker',
    ],
    ['two grants', { scope: 'grant:billing grant:work' }, 'invalid_scope', 'more than one grant is named'],
    [
      'a grant that there is not',
      { scope: 'grant:nobody' },
      'invalid_scope',
      'there is no grant nobody for this client',
    ],
    [
      'a name that cannot be one',
      { scope: 'grant:../billing' },
      'invalid_scope',
      'there is no such grant for this client',
    ],
    [
      'an address that leads nowhere',
      { resource: `${publicUrl}/v1/grants/nobody` },
      'invalid_target',
      'there is no grant nobody for this client',
    ],
    [
      'an address with more behind it',
      { resource: `${publicUrl}/v1/grants/billing/token` },
      'invalid_target',
      'there is no such grant for this client',
    ],
    [
      'an address that is too long',
      { resource: `https://api.example/${'x'.repeat(2000)}`, scope: 'grant:billing' },
      'invalid_target',
      'resource has more than 2000 characters',
    ],
    [
      'an audience that there is not',
      { audience: 'nobody' },
      'invalid_target',
      'there is no grant nobody for this client',
    ],
    [
      'an address and another audience',
      { resource: `${publicUrl}/v1/grants/billing`, audience: 'work' },
      'invalid_target',
      'more than one grant is named',
    ],
    [
      'a scope that is too long',
      { scope: `grant:billing ${'x'.repeat(2000)}` },
      'invalid_scope',
      'scope has more than 2000 characters',
    ],
  ]
  test.each(refusals)('of %s is in the words of the RFC', async (_, parameters, error, description) => {
    const { ask, practice } = await endpoint()
    const answer = await ask(parameters)
    expect([answer.statusCode, answer.json()]).toEqual([400, { error, error_description: description }])
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(practice.requests).toEqual([])
  })

  test('of a parameter that comes twice names it and not its value', async () => {
    const { raw, readKey } = await endpoint()
    const answer = await raw('grant_type=client_credentials&scope=grant:billing&scope=canary', {
      authorization: basic(idOf(readKey), readKey),
    })
    expect([answer.statusCode, answer.json()]).toEqual([
      400,
      { error: 'invalid_request', error_description: 'the parameter scope comes twice' },
    ])
  })

  test('of a parameter whose name is long, twice, says only how it begins', async () => {
    const { post } = await endpoint()
    const name = 'x'.repeat(1000)
    const answer = await post([
      [name, 'a'],
      [name, 'b'],
    ])
    expect(answer.json().error_description).toBe(`the parameter ${'x'.repeat(100)} comes twice`)
  })

  test('of two resources of the provider says that one can be asked for', async () => {
    const { post, practice } = await endpoint()
    const answer = await post([
      ['grant_type', 'client_credentials'],
      ['audience', 'billing'],
      ['resource', 'https://one.example/'],
      ['resource', 'https://two.example/'],
    ])
    expect([answer.statusCode, answer.json()]).toEqual([
      400,
      {
        error: 'invalid_target',
        error_description: 'one resource of the provider at most can be asked for',
      },
    ])
    expect(practice.requests).toEqual([])
  })

  test.each([
    ['application/json', '{"grant_type":"client_credentials"}'],
    ['text/plain', 'grant_type=client_credentials'],
    ['multipart/form-data; boundary=x', '--x--'],
  ])('of a body of %s asks for a form', async (type, payload) => {
    const { raw } = await endpoint()
    const answer = await raw(payload, { 'content-type': type })
    expect([answer.statusCode, answer.json()]).toEqual([
      400,
      {
        error: 'invalid_request',
        error_description: 'the body is no form: send Content-Type: application/x-www-form-urlencoded',
      },
    ])
  })

  test('of a body that is too large keeps its status', async () => {
    const { raw } = await endpoint()
    const answer = await raw(`scope=${'x'.repeat(70_000)}`)
    expect([answer.statusCode, answer.json()]).toEqual([
      413,
      { error: 'invalid_request', error_description: 'the body is too large: the limit is 64 KiB' },
    ])
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
  })

  test('of a body that is not as long as it says', async () => {
    const { raw } = await endpoint()
    const answer = await raw('grant_type=client_credentials', { 'content-length': '3' })
    expect([answer.statusCode, answer.json()]).toEqual([
      400,
      { error: 'invalid_request', error_description: 'the request cannot be read' },
    ])
  })

  test('of a scope that the provider does not know is invalid_scope, and says so', async () => {
    const { ask } = await endpoint({
      practice: {
        respond: ({ path }) =>
          path === '/token'
            ? {
                status: 400,
                headers: { 'content-type': 'application/json' },
                body: JSON.stringify({ error: 'invalid_scope' }),
              }
            : undefined,
      },
    })
    const answer = await ask({ scope: 'grant:billing no-such-scope' })
    expect([answer.statusCode, answer.json()]).toEqual([
      400,
      {
        error: 'invalid_scope',
        error_description: expect.stringContaining('the provider refused the scope'),
      },
    ])
  })

  test('cannot tell a forbidden grant from one that there is not', async () => {
    const { ask, keeper } = await endpoint()
    const unknown = await ask({ scope: 'grant:secret' })
    const read = vi
      .spyOn(keeper, 'getToken')
      .mockRejectedValue(new EvertokenError('forbidden', 'no', { grant: 'secret' }))
    const forbidden = await ask({ scope: 'grant:secret' })
    read.mockRestore()
    expect([forbidden.statusCode, forbidden.body]).toEqual([unknown.statusCode, unknown.body])
  })
})

describe('a grant', () => {
  test('that waits for a person is temporarily unavailable, with what to do', async () => {
    const { ask, keeper, practice } = await endpoint()
    await keeper.add('work', person(practice))
    const answer = await ask({ scope: 'grant:work' })
    expect([answer.statusCode, answer.json()]).toEqual([
      503,
      {
        error: 'temporarily_unavailable',
        error_description: expect.stringMatching(
          /^grant work waits for a person's consent\. Consent to it by evertoken login work, .*\(request .+\)$/,
        ),
      },
    ])
  })

  test('that is paused is temporarily unavailable, and one that is revoked is invalid_grant', async () => {
    const { ask, keeper } = await endpoint()
    await keeper.pause('billing')
    expect((await ask({ scope: 'grant:billing' })).json()).toMatchObject({ error: 'temporarily_unavailable' })
    await keeper.resume('billing')
    await keeper.getToken('billing')
    await keeper.revoke('billing')
    const answer = await ask({ scope: 'grant:billing' })
    expect([answer.statusCode, answer.json().error]).toEqual([400, 'invalid_grant'])
    expect(answer.json().error_description).toContain('grant billing is revoked')
  })

  test('whose login the provider has ended is invalid_grant', async () => {
    const { ask, keeper, practice } = await endpoint()
    const refreshToken = await login(practice)
    practice.revokeFamily(refreshToken)
    await keeper.add('calendar', imported(practice, refreshToken))
    const answer = await ask({ scope: 'grant:calendar' })
    expect([answer.statusCode, answer.json().error]).toEqual([400, 'invalid_grant'])
    expect(answer.json().error_description).toContain('grant calendar: the provider refused the grant')
    expect(answer.body).not.toContain(refreshToken)
  })

  test.each<[ErrorCode, number, string]>([
    ['grant_pending', 503, 'temporarily_unavailable'],
    ['grant_paused', 503, 'temporarily_unavailable'],
    ['token_unavailable', 503, 'temporarily_unavailable'],
    ['provider_timeout', 503, 'temporarily_unavailable'],
    ['store_unavailable', 503, 'temporarily_unavailable'],
    ['grant_quarantined', 400, 'invalid_grant'],
    ['grant_revoked', 400, 'invalid_grant'],
    ['reauthorization_required', 400, 'invalid_grant'],
    ['invalid_grant', 400, 'invalid_grant'],
    ['invalid_scope', 400, 'invalid_scope'],
    ['invalid_target', 400, 'invalid_target'],
    ['refresh_too_soon', 400, 'invalid_request'],
    ['disk_full', 500, 'server_error'],
  ])('that cannot be read for %s is %i %s', async (code, status, error) => {
    const { ask, keeper } = await endpoint()
    vi.spyOn(keeper, 'getToken').mockRejectedValue(new EvertokenError(code, 'grant billing: why…'))
    const answer = await ask({ scope: 'grant:billing' })
    expect([answer.statusCode, answer.json().error]).toEqual([status, error])
    expect(answer.json().error_description).toMatch(
      status === 400 ? /^grant billing: why\.\.\.$/ : /\(request [\w-]+\)$/,
    )
  })

  test.each([
    ['is in trouble', 'provider_error', 30],
    ['cannot be reached', 'provider_unreachable', undefined],
    // Which is ours, and must not look as if it were the caller's.
    ['refuses our client', 'invalid_client', undefined],
  ] as const)('whose provider %s is temporarily unavailable', async (_, code, retryAfter) => {
    const { ask, keeper } = await endpoint()
    vi.spyOn(keeper, 'getToken').mockRejectedValue(
      new ProviderError(code, 'grant billing: "odd" \\ wörds\r\n', { grant: 'billing', retryAfter }),
    )
    const answer = await ask({ scope: 'grant:billing' })
    expect([answer.statusCode, answer.json().error, answer.headers['retry-after']]).toEqual([
      503,
      'temporarily_unavailable',
      retryAfter === undefined ? undefined : String(retryAfter),
    ])
    expect(answer.headers).not.toHaveProperty('www-authenticate')
    // RFC 6749 section 5.2 allows no other characters.
    expect(answer.json().error_description).toMatch(
      /^grant billing: 'odd' \? w\?rds\?\? [\x20-\x21\x23-\x5b\x5d-\x7e]+$/,
    )
  })

  test('whose store is gone is a fault of the server, of which the caller learns nothing', async () => {
    const lines: string[] = []
    const { brokerLog } = await import('../../src/broker/log.ts')
    const logger = brokerLog('error', { write: (line: string) => void lines.push(line) })
    const { ask, keeper } = await endpoint({ broker: { logger } })
    await ask({ scope: 'grant:billing' })
    vi.spyOn(keeper, 'peekToken').mockReturnValue(undefined)
    const read = vi.spyOn(keeper, 'getToken')
    for (const error of [
      new EvertokenError('store_damaged', 'the file /var/lib/x.db is damaged'),
      new Error('no such table in /var/lib/x.db'),
    ]) {
      read.mockRejectedValueOnce(error)
      const answer = await ask({ scope: 'grant:billing' })
      expect([answer.statusCode, answer.json().error]).toEqual([500, 'server_error'])
      expect(answer.body).not.toContain('/var/lib')
      const { msg, request_id, err } = JSON.parse(lines.shift() ?? '{}')
      expect([msg, err.message]).toEqual(['the token endpoint: server_error', error.message])
      expect(answer.json().error_description).toContain(`(request ${request_id})`)
    }
  })

  test('whose tokens are bound to a key is not handed out, for nobody could use them', async () => {
    const { ask, keeper } = await endpoint()
    const token = new AccessToken('at-canary', {
      ...{
        type: 'DPoP',
        expiresAt: Date.now() + 60_000,
        scope: [],
        generation: 1,
        metadata: {},
        stale: false,
      },
      presentation: { proof: { of: async () => 'proof', heard: () => false } },
    })
    vi.spyOn(keeper, 'getToken').mockResolvedValue(token)
    const answer = await ask({ scope: 'grant:billing' })
    expect([answer.statusCode, answer.json().error]).toEqual([400, 'invalid_request'])
    expect(answer.json().error_description).toContain('bound to a key')
    expect(answer.body).not.toContain('at-canary')
  })
})

describe('token exchange', () => {
  const exchange = { grant_type: tokenExchange, audience: 'billing', subject_token_type: accessTokenType }

  test('gives the kept token for the API key, with and without client authentication', async () => {
    const { post, keeper, readKey } = await endpoint()
    const { value } = await keeper.getToken('billing')
    for (const headers of [{}, { authorization: basic(idOf(readKey), readKey) }]) {
      const answer = await post({ ...exchange, subject_token: readKey }, headers)
      expect([answer.statusCode, answer.json()]).toEqual([
        200,
        {
          access_token: value,
          token_type: 'Bearer',
          expires_in: expect.any(Number),
          scope: 'read write',
          issued_token_type: accessTokenType,
          generation: 1,
        },
      ])
    }
  })

  test.each([
    ['no subject token', { subject_token: '' }, 'the subject_token is no API key of this caller'],
    [
      'a token of somebody else',
      { subject_token: 'ey.ey.x' },
      'the subject_token is no API key of this caller',
    ],
    [
      'another type of subject token',
      { subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' },
      `subject_token_type must be ${accessTokenType}`,
    ],
    [
      'another type of token',
      { requested_token_type: 'urn:ietf:params:oauth:token-type:saml2' },
      `requested_token_type can only be ${accessTokenType}`,
    ],
    ['an actor', { actor_token: 'x' }, 'an actor_token cannot be heeded'],
  ])('with %s is refused', async (_, change, description) => {
    const { post, readKey } = await endpoint()
    const answer = await post({ ...exchange, subject_token: readKey, ...change }, {})
    expect([answer.statusCode, answer.json()]).toEqual([
      400,
      { error: 'invalid_request', error_description: description },
    ])
  })

  test('by a client whose authentication is none is refused, though its subject token is good', async () => {
    const { post, readKey } = await endpoint()
    for (const authorization of ['Basic !', `Bearer ${readKey}`]) {
      const answer = await post({ ...exchange, subject_token: readKey }, { authorization })
      expect([answer.statusCode, answer.json().error]).toEqual([401, 'invalid_client'])
    }
  })

  test('of the key of another than the client is refused', async () => {
    const { post, readKey, adminKey } = await endpoint()
    const headers = { authorization: basic(idOf(readKey), readKey) }
    const answer = await post({ ...exchange, subject_token: adminKey }, headers)
    expect(answer.json().error_description).toBe('the subject_token is no API key of this caller')
  })
})

test('/.well-known/oauth-authorization-server says where the token endpoint is', async () => {
  const { send } = await practisedBroker()
  const answer = await send('GET', '/.well-known/oauth-authorization-server', {
    headers: { host: 'evil.example' },
  })
  expect([answer.statusCode, answer.json()]).toEqual([
    200,
    {
      issuer: publicUrl,
      token_endpoint: `${publicUrl}/oauth/token`,
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
      grant_types_supported: ['client_credentials', tokenExchange],
      response_types_supported: [],
      service_documentation: `${publicUrl}/openapi.json`,
    },
  ])
})

import { inspect } from 'node:util'
import { startPracticeServer } from '@evertoken/testing'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import type { ClientAuthentication, ClientRegistration, ServerMetadata } from '../../src/oauth/client.ts'
import { clientCredentialsGrant } from '../../src/oauth/client-credentials.ts'
import { introspectToken } from '../../src/oauth/introspection.ts'
import { refreshTokenGrant } from '../../src/oauth/refresh-token.ts'
import { revokeToken } from '../../src/oauth/revocation.ts'
import { type Wire, WireError, type WireRequest, type WireResponse } from '../../src/oauth/transport.ts'
import { Secret } from '../../src/secret.ts'
import { wireForTest } from './servers.ts'

const server: ServerMetadata = {
  tokenEndpoint: 'https://provider.example/token',
  revocationEndpoint: 'https://provider.example/revoke',
  introspectionEndpoint: 'https://provider.example/introspect',
}
const refreshToken = new Secret('refresh-token-1')
const invalidClient = { status: 401, headers: {}, body: '{"error":"invalid_client"}' }
const tokens = { status: 200, headers: {}, body: '{"access_token":"at","refresh_token":"rt-2"}' }

let clients = 0
/** A client of which this process remembers nothing yet. */
function rotating(
  secrets = ['secret-old', 'secret-new'],
  clientId = `client-${clients++}`,
): ClientRegistration {
  const [secret, secondSecret] = secrets.map((text) => new Secret(text)) as [Secret, Secret?]
  return {
    provider: { kind: 'endpoints', metadata: server },
    clientId,
    authentication: { method: 'client_secret_post', secret, secondSecret },
    insecureHttp: false,
  }
}

type Answer = WireResponse | WireError | ((request: WireRequest) => WireResponse | Promise<WireResponse>)

/** A provider that gives these answers in turn, and what it was sent. */
function provider(...answers: Answer[]) {
  const requests: WireRequest[] = []
  const transport: Wire['transport'] = async (request) => {
    const answer = answers[requests.length]
    requests.push(request)
    if (answer === undefined) throw new Error('one request too many')
    if (answer instanceof WireError) throw answer
    return typeof answer === 'function' ? answer(request) : answer
  }
  const form = (index: number) => Object.fromEntries(new URLSearchParams(requests[index]?.body))
  return {
    wire: wireForTest({ transport }),
    requests,
    form,
    secrets: () => requests.map((_, at) => form(at).client_secret),
  }
}

const refresh = (client: ClientRegistration, wire: Wire) =>
  refreshTokenGrant(server, client, { refreshToken }, wire)

test('the first secret is used as long as it works, and the second is not sent', async () => {
  const { wire, secrets } = provider(tokens, tokens)
  const client = rotating()
  expect(await refresh(client, wire)).toMatchObject({ kind: 'tokens' })
  expect(await refresh(client, wire)).toMatchObject({ kind: 'tokens' })
  expect(secrets()).toEqual(['secret-old', 'secret-old'])
})

test('a refused client sends the same request once more with its second secret, and then begins with that', async () => {
  const { wire, form, secrets } = provider(invalidClient, tokens, tokens)
  const client = rotating()
  expect(await refresh(client, wire)).toMatchObject({ kind: 'tokens' })
  expect(form(1)).toEqual({ ...form(0), client_secret: 'secret-new' })
  expect(form(1)).toMatchObject({ grant_type: 'refresh_token', refresh_token: 'refresh-token-1' })
  expect(await refresh(client, wire)).toMatchObject({ kind: 'tokens' })
  expect(secrets()).toEqual(['secret-old', 'secret-new', 'secret-new'])
})

test('when the one that worked is refused, the other comes again', async () => {
  const { wire, secrets } = provider(invalidClient, tokens, invalidClient, tokens, tokens)
  const client = rotating()
  for (let round = 0; round < 3; round++)
    expect(await refresh(client, wire)).toMatchObject({ kind: 'tokens' })
  expect(secrets()).toEqual(['secret-old', 'secret-new', 'secret-new', 'secret-old', 'secret-old'])
})

test('a client that both secrets do not let in is told once, and begins with the first again', async () => {
  const { wire, secrets } = provider(invalidClient, invalidClient, tokens)
  const client = rotating()
  expect(await refresh(client, wire)).toEqual({ kind: 'error', status: 401, error: 'invalid_client' })
  expect(await refresh(client, wire)).toMatchObject({ kind: 'tokens' })
  expect(secrets()).toEqual(['secret-old', 'secret-new', 'secret-old'])
})

test('what is remembered is the secret and not its place: the next rotation begins with the newest that worked', async () => {
  const { wire, secrets } = provider(invalidClient, tokens, tokens)
  const client = rotating()
  await refresh(client, wire)
  await refresh(rotating(['secret-new', 'secret-newest'], client.clientId), wire)
  expect(secrets()).toEqual(['secret-old', 'secret-new', 'secret-new'])
})

test('one secret is sent once', async () => {
  const { wire, secrets } = provider(invalidClient)
  expect(await refresh(rotating(['secret-only']), wire)).toMatchObject({ error: 'invalid_client' })
  expect(secrets()).toEqual(['secret-only'])
})

test.each<[string, WireResponse, boolean]>([
  ['invalid_client', invalidClient, true],
  ['invalid_client with status 400', { ...invalidClient, status: 400 }, true],
  ['invalid_client with status 200', { ...invalidClient, status: 200 }, true],
  ['a 401 without a body', { status: 401, headers: {}, body: '' }, true],
  ['a 401 of a gateway', { status: 401, headers: {}, body: '<html>401</html>' }, true],
  ['a 401 in JSON without an error', { status: 401, headers: {}, body: '{"message":"Unauthorized"}' }, true],
  ['a 401 with a refresh token in it', { status: 401, headers: {}, body: '{"refresh_token":"rt-2"}' }, false],
  ['a 401 with another error', { status: 401, headers: {}, body: '{"error":"invalid_grant"}' }, false],
  ['invalid_grant', { status: 400, headers: {}, body: '{"error":"invalid_grant"}' }, false],
  ['unauthorized_client', { status: 400, headers: {}, body: '{"error":"unauthorized_client"}' }, false],
  ['a 403', { status: 403, headers: {}, body: '' }, false],
  ['an outage', { status: 503, headers: {}, body: '' }, false],
  ['a success that nobody can read', { status: 200, headers: {}, body: 'ok' }, false],
])('%s is followed by the second secret: %#', async (_name, answer, again) => {
  const { wire, requests } = provider(answer, tokens)
  await refresh(rotating(), wire)
  expect(requests).toHaveLength(again ? 2 : 1)
})

const dialect: ClientRegistration['dialect'] = {
  id: 'acme',
  variables: {},
  answer: { root: '/data', failure: { pointer: '/ok', equals: false }, error_code: '/reason' },
  errors: [
    { code: 'bad_client_secret', means: 'configuration' },
    { code: 'scope_not_enabled', means: 'configuration' },
    { code: 'token_gone', status: 401, means: 'dead' },
    { status: 401, pointer: '/key', means: 'configuration' },
    { status: 401, description: 'session', means: 'dead' },
  ],
}

test.each<[number, object, boolean]>([
  [200, { ok: false, reason: 'bad_client_secret' }, true],
  [200, { ok: false, reason: 'invalid_client' }, true],
  [401, { ok: false, key: 'wrong' }, true],
  [401, {}, true],
  [401, { code: 401, message: 'Unauthorized' }, true],
  // Somebody else's fault, or one that no secret mends.
  [400, { ok: false, reason: 'scope_not_enabled' }, false],
  [401, { ok: false, reason: 'token_gone' }, false],
  [401, { message: 'The session is over' }, false],
  [401, { ok: false, reason: 'something' }, false],
  [401, { data: { refresh_token: 'rt-2' } }, false],
  [200, { data: { access_token: 'at' } }, false],
])('in a dialect status %i with %j is a refused client: %s', async (status, body, refused) => {
  const { wire, requests } = provider({ status, headers: {}, body: JSON.stringify(body) }, tokens)
  await refresh({ ...rotating(), dialect }, wire)
  expect(requests).toHaveLength(refused ? 2 : 1)
})

test('whatever answers come, no third request follows, and a second one only a refusal', async () => {
  const body = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.json(),
    fc
      .record({ error: fc.oneof(fc.constant('invalid_client'), fc.string(), fc.jsonValue()) })
      .map((value) => JSON.stringify(value)),
  )
  const answer = fc.record({ status: fc.integer({ min: 200, max: 599 }), headers: fc.constant({}), body })
  await fc.assert(
    fc.asyncProperty(answer, answer, async (first, second) => {
      const { wire, requests } = provider(first, second)
      const { kind } = await refresh(rotating(), wire)
      expect(['tokens', 'error', 'unusable']).toContain(kind)
      const refused = first.status === 401 || first.body.includes('invalid_client')
      if (requests.length === 2) expect(refused).toBe(true)
    }),
  )
})

test('an answer that never came is not followed: nobody knows whether the refresh token is spent', async () => {
  const { wire, requests } = provider(new WireError('deadline', 'no answer', { sent: true }))
  expect(await refresh(rotating(), wire)).toMatchObject({ kind: 'silence', sent: true })
  expect(requests).toHaveLength(1)
})

test('a second request that stays without an answer is what counts', async () => {
  const { wire } = provider(invalidClient, new WireError('deadline', 'no answer', { sent: true }))
  expect(await refresh(rotating(), wire)).toMatchObject({ kind: 'silence', sent: true, reason: 'deadline' })
})

test('when no byte of the second request left, the refusal of the first stands, and the other secret is next', async () => {
  const { wire, secrets } = provider(
    invalidClient,
    new WireError('local', 'too late', { sent: false }),
    tokens,
  )
  const client = rotating()
  expect(await refresh(client, wire)).toMatchObject({ kind: 'error', error: 'invalid_client' })
  expect(await refresh(client, wire)).toMatchObject({ kind: 'tokens' })
  expect(secrets()).toEqual(['secret-old', 'secret-new', 'secret-new'])
})

test('both requests share one deadline, and the second is not begun in less than half of it', async () => {
  let now = 1_800_000_000_000
  const after = (ms: number, answer: WireResponse) => () => {
    now += ms
    return answer
  }
  const at = provider(after(900, invalidClient), tokens, after(1100, invalidClient), tokens)
  const wire = { ...at.wire, now: () => now, deadline: 2000 }
  expect(await refresh(rotating(), wire)).toMatchObject({ kind: 'tokens' })
  expect(at.requests.map(({ deadline }) => deadline)).toEqual([2000, 1100])
  const slow = rotating()
  expect(await refresh(slow, wire)).toMatchObject({ error: 'invalid_client' })
  expect(at.requests).toHaveLength(3)
  expect(await refresh(slow, wire)).toMatchObject({ kind: 'tokens' })
  expect(at.secrets().at(-1)).toBe('secret-new')
})

test('a wall clock that is set back makes the second deadline no longer', async () => {
  let now = 1_800_000_000_000
  const at = provider(() => {
    now -= 3_600_000
    return invalidClient
  }, tokens)
  await refresh(rotating(), { ...at.wire, now: () => now, deadline: 2000 })
  expect(at.requests.map(({ deadline }) => deadline)).toEqual([2000, 2000])
})

test('revocation and introspection go on with the second secret as well', async () => {
  const presented = { token: refreshToken, hint: 'refresh_token' } as const
  const revoking = provider(invalidClient, { status: 200, headers: {}, body: '' })
  expect(await revokeToken(server, rotating(), presented, revoking.wire)).toEqual({
    kind: 'revoked',
    status: 200,
  })
  expect(revoking.secrets()).toEqual(['secret-old', 'secret-new'])
  const asking = provider(invalidClient, { status: 200, headers: {}, body: '{"active":true}' })
  expect(await introspectToken(server, rotating(), presented, asking.wire)).toEqual({
    kind: 'introspected',
    active: true,
  })
  expect(asking.secrets()).toEqual(['secret-old', 'secret-new'])
})

test('a provider that quotes either secret shows neither', async () => {
  const quoting = {
    status: 401,
    headers: {},
    body: '{"error":"invalid_client","error_description":"not secret-old nor secret-new"}',
  }
  const { wire } = provider(quoting, quoting)
  const answer = inspect(await refresh(rotating(), wire), { depth: 9 })
  expect(answer).toContain('invalid_client')
  expect(answer).not.toMatch(/secret-(old|new)/)
})

test.each(['client_secret_basic', 'client_secret_post', 'client_secret_jwt'] as const)(
  'a real provider lets a client in by %s before, while and after its secret is rotated',
  async (method) => {
    const [old, fresh] = [
      'the-old-secret-of-32-characters-or-more',
      'the-new-secret-of-32-characters-or-more',
    ]
    const practice = await startPracticeServer({
      clients: [{ clientId: 'service', authentication: { method, secret: old } }],
    })
    onTestFinished(() => practice.stop())
    const metadata = { tokenEndpoint: practice.tokenEndpoint }
    const authentication: ClientAuthentication = {
      method,
      secret: new Secret(old),
      secondSecret: new Secret(fresh),
    }
    const client: ClientRegistration = {
      provider: { kind: 'endpoints', metadata },
      clientId: 'service',
      authentication,
      insecureHttp: false,
    }
    const wire = wireForTest({ now: Date.now })
    const sent = async () => {
      const before = practice.requests.length
      expect(await clientCredentialsGrant(metadata, client, {}, wire)).toMatchObject({ kind: 'tokens' })
      return practice.requests.slice(before).map(({ status }) => status)
    }
    expect(await sent()).toEqual([200])
    practice.setClientSecret('service', [old, fresh])
    expect(await sent()).toEqual([200])
    practice.setClientSecret('service', fresh)
    expect(await sent()).toEqual([401, 200])
    expect(await sent()).toEqual([200])
  },
)

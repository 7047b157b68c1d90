import { inspect } from 'node:util'
import { expect, test, vi } from 'vitest'
import type { ClientRegistration, ServerMetadata } from '../../src/oauth/client.ts'
import { clientCredentialsGrant } from '../../src/oauth/client-credentials.ts'
import { refreshTokenGrant } from '../../src/oauth/refresh-token.ts'
import type { TokenAnswer } from '../../src/oauth/token-answer.ts'
import { type Transport, WireError, type WireRequest } from '../../src/oauth/transport.ts'
import { Secret } from '../../src/secret.ts'
import { httpServer, rawServer, wireForTest } from './servers.ts'

const server: ServerMetadata = { tokenEndpoint: 'https://provider.example/token' }
const client: ClientRegistration = {
  provider: { kind: 'endpoints', metadata: server },
  clientId: 'client-1',
  authentication: { method: 'client_secret_basic', secret: new Secret('client-secret-1') },
  insecureHttp: false,
}
const spent = 'refresh-token/of+the=request'

/** Spends a refresh token against a provider that answers just so. */
async function answerTo(
  body: string | object,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Promise<TokenAnswer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const transport: Transport = async () => ({ status, headers, body: text })
  return refreshTokenGrant(server, client, { refreshToken: new Secret(spent) }, wireForTest({ transport }))
}

/** What a test may say about an answer: secrets revealed. */
function plain(answer: TokenAnswer): Record<string, unknown> {
  const reveal = (value: object): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(value)
        .filter(([name]) => name !== 'whole')
        .map(([name, part]) => [name, part instanceof Secret ? part.reveal() : part]),
    )
  if (answer.kind === 'tokens') return { ...reveal(answer.response), status: answer.status }
  return reveal(answer)
}

const good = { access_token: 'at-1', token_type: 'Bearer', expires_in: 3600, refresh_token: 'rt-2' }
const tokens = {
  accessToken: 'at-1',
  tokenType: 'Bearer',
  expiresIn: 3600,
  refreshToken: 'rt-2',
  status: 200,
}
const without = (name: keyof typeof tokens) =>
  Object.fromEntries(Object.entries(tokens).filter(([key]) => key !== name))

test('a token response is read, and kept whole', async () => {
  const answer = await answerTo({ ...good, id_token: 'garbage', instance_url: 'https://x.example' })
  expect(plain(answer)).toEqual({ ...tokens, idToken: 'garbage' })
  if (answer.kind !== 'tokens') throw new Error(answer.kind)
  expect(JSON.parse(answer.response.whole.reveal()).instance_url).toBe('https://x.example')
  expect(inspect(answer, { depth: 9 }) + JSON.stringify(answer)).not.toMatch(/at-1|rt-2|x\.example/)
})

test.each([
  [200, {}],
  [201, {}],
  [203, {}],
  [299, {}],
  [200, { 'content-type': 'text/plain' }],
  [200, { 'content-type': 'text/html' }],
  [200, { 'content-type': 'application/hal+json' }],
])('status %i with headers %j is a success', async (status, headers) => {
  expect(plain(await answerTo(good, status, headers))).toEqual({ ...tokens, status })
})

test.each([
  ['"3600"', 3600],
  ['" 3600 "', 3600],
  ['3599.9', 3599],
  ['"3599.9"', 3599],
  ['1', 1],
  ['1e99', 3_155_760_000],
  ['0', undefined],
  ['0.5', undefined],
  ['"0"', undefined],
  ['-1', undefined],
  ['"-1"', undefined],
  ['"3600s"', undefined],
  ['"soon"', undefined],
  ['""', undefined],
  ['1e999', undefined],
  ['null', undefined],
  ['true', undefined],
  ['{}', undefined],
  ['[3600]', undefined],
])('expires_in %s is a lifetime of %s', async (written, expected) => {
  const answer = await answerTo(JSON.stringify(good).replace('3600', written))
  expect(plain(answer)).toEqual(
    expected === undefined ? without('expiresIn') : { ...tokens, expiresIn: expected },
  )
})

test.each(['NaN', 'Infinity', '-Infinity'])('expires_in %s is no JSON', async (written) => {
  const answer = await answerTo(JSON.stringify(good).replace('3600', written))
  expect(plain(answer)).toEqual({ kind: 'unusable', status: 200, reason: 'not_json' })
})

test.each([
  ['absent', undefined, undefined],
  ['null', null, undefined],
  ['empty', '', undefined],
  ['a number', 7, undefined],
  ['with a line break', 'rt\r\n2', undefined],
  ['with an umlaut', 'rä', undefined],
  ['longer than 16 KiB', 'r'.repeat(16_385), undefined],
  ['with a space (RFC 6749 A.17)', 'rt 2', 'rt 2'],
  ['the one that was spent', spent, spent],
  ['equal to the access token', 'at-1', 'at-1'],
])('a refresh token that is %s', async (_name, written, expected) => {
  const answer = await answerTo({ ...good, refresh_token: written })
  expect(plain(answer)).toEqual(
    expected === undefined ? without('refreshToken') : { ...tokens, refreshToken: expected },
  )
})

test.each([
  ['bearer', 'Bearer'],
  ['BEARER', 'Bearer'],
  ['MAC', 'MAC'],
  ['DPoP', 'DPoP'],
  [undefined, 'Bearer'],
  [null, 'Bearer'],
  ['', 'Bearer'],
  [7, 'Bearer'],
  ['User Access Token', 'Bearer'],
  ['x\r\nX-Evil: 1', 'Bearer'],
])('token_type %j is %s', async (written, expected) => {
  expect(plain(await answerTo({ ...good, token_type: written })).tokenType).toBe(expected)
})

test.each([
  ['read write', ['read', 'write']],
  ['  read \t write read', ['read', 'write']],
  [
    ['read', 'write'],
    ['read', 'write'],
  ],
  [
    ['read write', 7, null, 'admin'],
    ['read', 'write', 'admin'],
  ],
  ['https://www.googleapis.com/auth/gmail', ['https://www.googleapis.com/auth/gmail']],
  ['', undefined],
  [[], undefined],
  [null, undefined],
  [7, undefined],
  [{}, undefined],
  ['read "quoted" sn\u00f6w', ['read']],
])('scope %j is %j', async (written, expected) => {
  expect(plain(await answerTo({ ...good, scope: written })).scope).toEqual(expected)
})

test.each([
  ['absent', undefined, 'no_access_token'],
  ['null', null, 'no_access_token'],
  ['empty', '', 'no_access_token'],
  ['white', '   ', 'bad_access_token'],
  ['a number', 7, 'bad_access_token'],
  ['an object', { value: 'x' }, 'bad_access_token'],
  ['an array', ['x'], 'bad_access_token'],
  ['true', true, 'bad_access_token'],
  ['with a header in it', 'x\r\nX-Evil: 1', 'bad_access_token'],
  ['with a space', 'x y', 'bad_access_token'],
  ['with an umlaut', 'ä', 'bad_access_token'],
  ['longer than 16 KiB', 'x'.repeat(16_385), 'bad_access_token'],
])(
  'an access token that is %s: unusable, but a refresh token beside it is kept',
  async (_n, written, reason) => {
    const answer = await answerTo({ ...good, access_token: written })
    expect(plain(answer)).toEqual({ kind: 'unusable', status: 200, reason, refreshToken: 'rt-2' })
  },
)

test('an access token of exactly 16 KiB, and the same one as ever, are fine', async () => {
  const long = 'x'.repeat(16_384)
  expect(plain(await answerTo({ ...good, access_token: long })).accessToken).toBe(long)
  expect(plain(await answerTo(good))).toEqual(plain(await answerTo(good)))
})

test.each([
  ['empty', '', 'empty'],
  ['white', ' \n', 'empty'],
  ['a lone byte order mark', '\ufeff', 'empty'],
  ['null', 'null', 'no_access_token'],
  ['an array', '[]', 'no_access_token'],
  ['an array of answers', JSON.stringify([good]), 'no_access_token'],
  ['a string', '"x"', 'no_access_token'],
  ['zero', '0', 'no_access_token'],
  ['a login page', '<!doctype html><title>Sign in</title>', 'not_json'],
  ['form-encoded without a token', 'expires_in=3600&scope=a', 'not_json'],
  ['two objects', `${JSON.stringify(good)}${JSON.stringify(good)}`, 'not_json'],
  ['JSON with a comment', '{/* hi */"access_token":"x"}', 'not_json'],
  ['nested 100,000 deep', '['.repeat(100_000), 'not_json'],
  [
    'nested 30,000 deep in a member',
    `{"access_token":"x","y":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
    'not_json',
  ],
  ['an envelope', JSON.stringify({ data: good }), 'no_access_token'],
  ['inherited', '{"__proto__":{"access_token":"evil"}}', 'no_access_token'],
  ['Slack without a code', '{"ok":false}', 'no_access_token'],
])('a 200 that is %s is unusable', async (_name, body, reason) => {
  const answer = await answerTo(body)
  expect(plain(answer)).toEqual({ kind: 'unusable', status: 200, reason })
  expect(({} as Record<string, unknown>).access_token).toBeUndefined()
})

const form = 'access_token=at-1&expires_in=3600&refresh_token=rt-2&token_type=bearer'
test.each([
  ['without a content type', form, {}],
  ['as text', form, { 'content-type': 'text/plain; charset=UTF-8' }],
  ['called JSON', form, { 'content-type': 'application/json' }],
  ['with a line break behind it', `${form}\n`, { 'content-type': 'application/x-www-form-urlencoded' }],
])('an answer that is a form is read, %s', async (_name, body, headers) => {
  const answer = await answerTo(body, 200, headers)
  expect(plain(answer)).toEqual(tokens)
  expect(answer.kind === 'tokens' && answer.response.whole.reveal()).toBe(body)
  expect(inspect(answer, { depth: 9 }) + JSON.stringify(answer)).not.toMatch(/at-1|rt-2/)
})

test.each([
  ['an error', `error=invalid_grant&error_description=it+is+spent%3A+${encodeURIComponent(spent)}`, 'error'],
  ['nothing that is known, by its content type', 'token=x&life=5', 'no_access_token'],
  ['a sentence with an equals sign', 'the access_token=x is here', 'not_json'],
  ['a page', '<a href="?access_token=x&error=y">', 'not_json'],
  ['a script that does more', 'if(1){callback({"access_token":"x"})}', 'not_json'],
  ['a script of two calls', 'a({"access_token":"x"});b({})', 'not_json'],
])('a form that holds %s is that', async (_name, body, expected) => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const answer = await answerTo(body, 200, headers)
  if (expected === 'error')
    expect(plain(answer)).toMatchObject({ error: 'invalid_grant', description: 'it is spent: [secret]' })
  else expect(plain(answer)).toEqual({ kind: 'unusable', status: 200, reason: expected })
})

test.each([
  ['as QQ sends it', 'callback( BODY );\n'],
  ['bare', 'callback(BODY)'],
  ['of a member of an object', 'window.jQuery1$.done(BODY);'],
])('JSON in a call of a script is read, %s', async (_name, call) => {
  const answer = await answerTo(call.replace('BODY', JSON.stringify(good)), 200, {
    'content-type': 'text/html',
  })
  expect(plain(answer)).toEqual(tokens)
  const error = '{"error":100022,"error_description":"refresh token check failed"}'
  expect(plain(await answerTo(call.replace('BODY', error)))).toEqual({
    kind: 'error',
    status: 200,
    error: '100022',
    description: 'refresh token check failed',
  })
})

test('truncated at every byte it is unusable, never half a token', async () => {
  const body = JSON.stringify({ ...good, scope: 'a b', nested: { deep: ['\\"', 1] } })
  for (let length = 1; length < body.length; length++)
    expect(plain(await answerTo(body.slice(0, length)))).toEqual({
      kind: 'unusable',
      status: 200,
      reason: 'not_json',
    })
  expect(plain(await answerTo(body)).accessToken).toBe('at-1')
})

test('a byte order mark, duplicate keys and __proto__ do no harm', async () => {
  expect(plain(await answerTo(`\ufeff${JSON.stringify(good)}`))).toEqual(tokens)
  const double = JSON.stringify(good).replace('{', '{"access_token":"other","__proto__":{"scope":"evil"},')
  expect(plain(await answerTo(double))).toEqual(tokens)
  expect(plain(await answerTo('{"constructor":1,"toString":2,"access_token":"at-1"}')).accessToken).toBe(
    'at-1',
  )
})

test.each([301, 302, 303, 307, 308])('a %i is a redirect, whatever its body', async (status) => {
  expect(plain(await answerTo(good, status, { location: 'http://evil.example' }))).toEqual({
    kind: 'unusable',
    status,
    reason: 'redirect',
  })
})

test.each([
  [400, { error: 'invalid_grant' }, 'invalid_grant', undefined],
  [403, { error: 'invalid_grant', error_description: 'revoked' }, 'invalid_grant', 'revoked'],
  [200, { error: 'bad_refresh_token', ok: false }, 'bad_refresh_token', undefined],
  [200, { ...good, error: 'invalid_grant' }, 'invalid_grant', undefined],
  [500, { error: 'server_error' }, 'server_error', undefined],
  [401, { error: { code: 401, status: 'UNAUTHENTICATED', message: 'no' } }, 'UNAUTHENTICATED', 'no'],
  [400, { error: { type: 'OAuthException', code: 190 } }, 'OAuthException', undefined],
  [400, { error: 12 }, '12', undefined],
  [400, { error: {} }, 'unspecified', undefined],
  [400, { error: true }, 'unspecified', undefined],
  [400, { error: ['x'] }, 'unspecified', undefined],
  [400, { error: 'x'.repeat(1000) }, `${'x'.repeat(99)}…`, undefined],
  [400, { error: '\u001b[31mred', error_description: 7 }, '[31mred', undefined],
  [400, { error: 'e', error_description: '<script>alert(1)</script>' }, 'e', '<script>alert(1)</script>'],
  [400, { error: 'e', error_description: 'a\u001b[2J\u0007b\r\nc\u202ed' }, 'e', 'a [2J b c d'],
])('status %i with %j is the error %s', async (status, body, error, description) => {
  expect(plain(await answerTo(body, status))).toEqual({
    kind: 'error',
    status,
    error,
    ...(description === undefined ? {} : { description }),
  })
})

test.each([null, '', false, 0])('error %j beside a token is none', async (error) => {
  expect(plain(await answerTo({ ...good, error }))).toEqual(tokens)
})

test.each([
  [400, good, 'bad_access_token'],
  [500, good, 'bad_access_token'],
  [400, { message: 'no' }, 'no_access_token'],
  [400, '<html>', 'not_json'],
  [502, '<html>', 'not_json'],
  [401, '', 'empty'],
  [403, 'denied', 'not_json'],
])('status %i with %j and no error code is unusable', async (status, body, reason) => {
  const answer = await answerTo(body, status, { 'www-authenticate': 'Basic realm="x"' })
  expect(answer).toMatchObject({ kind: 'unusable', status, reason })
})

test('a description of 64 KiB is bounded to 500 characters', async () => {
  const answer = await answerTo({ error: 'e', error_description: 'd'.repeat(60_000) }, 400)
  expect(plain(answer).description).toBe(`${'d'.repeat(499)}…`)
})

test.each([
  ['the refresh token', `token ${spent} is used`, 'token [secret] is used'],
  ['the refresh token, URL-encoded', `token=${encodeURIComponent(spent)}`, 'token=[secret]'],
  ['half of the refresh token', `token ${spent.slice(0, 17)}…`, 'token [secret]…'],
  ['the client secret', 'bad secret client-secret-1!', 'bad secret [secret]!'],
  ['the authorization header', `Basic ${btoa('client-1:client-secret-1')}`, 'Basic [secret]'],
  ['a refresh token broken up by control characters', 'refresh-token/\u0000of+the=request', undefined],
])('a description that quotes %s does not', async (_name, said, expected) => {
  for (const body of [{ error: 'e', error_description: said }, { error: said }]) {
    const answer = await answerTo(body, 400)
    if (answer.kind !== 'error') throw new Error(answer.kind)
    if (expected !== undefined) expect(answer.description ?? answer.error).toBe(expected)
    expect(inspect(answer) + JSON.stringify(answer)).not.toMatch(/refresh-token\/|client-secret|Y2xpZW50/)
  }
})

test.each([
  ['-5', undefined],
  ['0', 0],
  ['120', 120],
  ['1000000000000', 2 ** 31],
  ['soon', undefined],
  ['1.5', undefined],
  ['', undefined],
  ['Fri, 15 Jan 2027 08:01:30 GMT', 90],
  ['Friday, 15-Jan-27 08:01:30 GMT', 90],
  ['Fri Jan 15 08:01:30 2027', 90],
  ['Wed, 21 Oct 2015 07:28:00 GMT', 0],
  ['Fri, 99 Foo 2027 08:01:30 GMT', undefined],
  ['2027-01-15', undefined],
])('Retry-After %j is %s seconds', async (written, expected) => {
  // wireForTest says it is 2027-01-15 08:00:00
  const refused = await answerTo({ error: 'slow_down' }, 429, { 'retry-after': written })
  expect(refused.kind === 'error' && refused.retryAfter).toBe(expected)
  const broken = await answerTo('<html>', 503, { 'retry-after': written })
  expect(broken.kind === 'unusable' && broken.retryAfter).toBe(expected)
})

test('Retry-After as a date is read against the answer’s own Date, however wrong that is', async () => {
  const headers = { 'retry-after': 'Tue, 15 Jan 1977 08:01:30 GMT', date: 'Tue, 15 Jan 1977 08:00:00 GMT' }
  const answer = await answerTo({ error: 'e' }, 503, headers)
  expect(answer.kind === 'error' && answer.retryAfter).toBe(90)
  const badDate = await answerTo({ error: 'e' }, 503, {
    'retry-after': 'Fri, 15 Jan 2027 08:01:30 GMT',
    date: 'yesterday',
  })
  expect(badDate.kind === 'error' && badDate.retryAfter).toBe(90)
})

const jwt = (claims: object | string): string => {
  const part = (value: object | string) =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part(claims)}.sig`
}
test.each([
  [{ iat: 1000, exp: 4600 }, 4600],
  [{ iat: 1000, exp: 4600, name: 'snö‚÷' }, 4600],
  [{ iat: 1000, exp: 1000 }, undefined],
  [{ iat: 1000, exp: 999 }, undefined],
  [{ iat: 1000, exp: 1000 + 11 * 365 * 86_400 }, undefined],
  [{ exp: 4600 }, undefined],
  [{ iat: '1000', exp: '4600' }, undefined],
  ['null', undefined],
  ['not json', undefined],
  ['['.repeat(1000), undefined],
])('an access token with the claims %j hints at %s', async (claims, expected) => {
  const answer = await answerTo({ access_token: jwt(claims) })
  expect(plain(answer).jwtExpiresAt).toBe(expected)
})

test.each(['..', 'a.b.c', 'a.!.c', 'a.b.c.d.e'])(
  'the access token %s hints at nothing',
  async (accessToken) => {
    expect(plain(await answerTo({ access_token: accessToken })).jwtExpiresAt).toBeUndefined()
  },
)

test.each([
  ['refused', false, undefined, { kind: 'silence', sent: false, reason: 'refused' }],
  ['reset', true, undefined, { kind: 'silence', sent: true, reason: 'reset' }],
  ['deadline', true, 200, { kind: 'silence', sent: true, reason: 'deadline' }],
  ['cut', true, 200, { kind: 'unusable', status: 200, reason: 'cut' }],
  ['too_large', true, 200, { kind: 'unusable', status: 200, reason: 'too_large' }],
  ['bad_encoding', true, 200, { kind: 'unusable', status: 200, reason: 'bad_encoding' }],
  ['too_large', true, undefined, { kind: 'silence', sent: true, reason: 'reset' }],
] as const)('a wire that fails with %s (sent %s, status %s)', async (reason, sent, status, expected) => {
  const transport: Transport = async () => {
    throw new WireError(reason, 'what happened', { sent, ...(status === undefined ? {} : { status }) })
  }
  const answer = await clientCredentialsGrant(server, client, {}, wireForTest({ transport }))
  expect(answer).toEqual(expected.kind === 'silence' ? { ...expected, detail: 'what happened' } : expected)
})

test('a transport that throws something else may have sent it, and its words are not repeated', async () => {
  const transport: Transport = async () => {
    throw new Error('hunter2')
  }
  const answer = await clientCredentialsGrant(server, client, {}, wireForTest({ transport }))
  expect(answer).toMatchObject({ kind: 'silence', sent: true, reason: 'local' })
  expect(inspect(answer)).not.toMatch(/hunter2/)
})

test('plain http is refused before anything is sent, unless it is loopback or allowed', async () => {
  const transport = vi.fn<Transport>(async () => ({ status: 200, headers: {}, body: JSON.stringify(good) }))
  const wire = wireForTest({ transport })
  const plainHttp = { tokenEndpoint: 'http://provider.example/token' }
  expect(await clientCredentialsGrant(plainHttp, client, {}, wire)).toEqual({
    kind: 'silence',
    sent: false,
    reason: 'insecure_http',
    detail: 'plain http to provider.example refused',
  })
  expect(transport).not.toHaveBeenCalled()
  const allowed = await clientCredentialsGrant(plainHttp, { ...client, insecureHttp: true }, {}, wire)
  expect(allowed.kind).toBe('tokens')
  const loopback = await clientCredentialsGrant({ tokenEndpoint: 'http://127.0.0.1:9/' }, client, {}, wire)
  expect(loopback.kind).toBe('tokens')
})

test.each(['not a url', 'https://good@evil.example/token', ''])(
  'the token endpoint %j is misuse',
  async (url) => {
    const wire = wireForTest()
    await expect(clientCredentialsGrant({ tokenEndpoint: url }, client, {}, wire)).rejects.toThrow(TypeError)
  },
)

test('the request is a form post with scope, every resource and extra parameters', async () => {
  const seen: WireRequest[] = []
  const transport: Transport = async (request) => {
    seen.push(request)
    return { status: 200, headers: {}, body: JSON.stringify(good) }
  }
  const message = {
    refreshToken: new Secret('rt 1'),
    scope: ['read', 'write'],
    resource: ['https://one.example', 'https://two.example'],
    parameters: { audience: 'api', grant_type: 'evil', refresh_token: 'evil' },
  }
  const wire = wireForTest({ transport, deadline: 1234 })
  await refreshTokenGrant({ tokenEndpoint: 'https://provider.example/token?tenant=1' }, client, message, wire)
  expect(seen).toHaveLength(1)
  const [request] = seen
  expect(request).toMatchObject({
    method: 'POST',
    url: 'https://provider.example/token?tenant=1',
    deadline: 1234,
    insecureHttp: false,
  })
  expect(request!.headers).toEqual({
    accept: 'application/json',
    authorization: `Basic ${btoa('client-1:client-secret-1')}`,
    'content-type': 'application/x-www-form-urlencoded',
    'user-agent': 'evertoken',
  })
  expect([...new URLSearchParams(request!.body)].sort()).toEqual([
    ['audience', 'api'],
    ['grant_type', 'refresh_token'],
    ['refresh_token', 'rt 1'],
    ['resource', 'https://one.example'],
    ['resource', 'https://two.example'],
    ['scope', 'read write'],
  ])
})

test('over a real socket: an answer, a cut one, an endless one and a slow one', async () => {
  const grant = (origin: string, deadline = 2000) =>
    clientCredentialsGrant({ tokenEndpoint: `${origin}/token` }, client, {}, wireForTest({ deadline }))
  const whole = await httpServer((_request, response) => response.end(JSON.stringify(good)))
  expect(plain(await grant(whole))).toEqual(tokens)
  const cut = await rawServer((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"acc'))
  expect(await grant(cut)).toEqual({ kind: 'unusable', status: 200, reason: 'cut' })
  const endless = await httpServer((_request, response) => {
    const push = () => {
      // From Node 26 on the callback comes from within the flush, which would then never end.
      if (!response.destroyed) response.write('{"a":"'.repeat(4096), () => setImmediate(push))
    }
    push()
  })
  expect(await grant(endless)).toEqual({ kind: 'unusable', status: 200, reason: 'too_large' })
  const slow = await rawServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n')
    const timer = setInterval(() => socket.write(' '), 10)
    socket.on('close', () => clearInterval(timer))
  })
  expect(await grant(slow, 60)).toMatchObject({ kind: 'silence', sent: true, reason: 'deadline' })
})

test('an answer that is cut behind its refresh token gives that token, whether the connection ends or the deadline comes', async () => {
  const begun = 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"refresh_token":"kept","acc'
  const answers = [
    await rawServer((socket) => socket.end(begun)),
    await rawServer((socket) => socket.write(begun)),
    await rawServer((socket) => socket.end(begun.replace('200 OK', '400 Bad Request'))),
  ].map((origin) =>
    clientCredentialsGrant({ tokenEndpoint: `${origin}/token` }, client, {}, wireForTest({ deadline: 200 })),
  )
  const [cut, slow, refused] = await Promise.all(answers)
  for (const answer of [cut, slow]) {
    expect(answer).toMatchObject({ kind: 'unusable', status: 200, reason: 'cut' })
    expect(answer?.kind === 'unusable' && answer.refreshToken?.reveal()).toBe('kept')
  }
  expect(refused).toEqual({ kind: 'unusable', status: 400, reason: 'cut' })
})

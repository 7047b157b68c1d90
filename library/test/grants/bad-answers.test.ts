import fs from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import type { ScriptedResponse } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { practised } from './practised.ts'

/*
 * Every bad answer of a token endpoint that is on the list of bad inputs, by the name it has there, through a keeper and its store: what is
 * served, what is stored of the failure, and which refresh token is sent next.
 */

const good = { access_token: 'access-token-1', token_type: 'Bearer', expires_in: 3600, refresh_token: 'r1' }

type Body = string | Uint8Array | object

const answer = (body: Body, status = 200, headers: Record<string, string> = {}): ScriptedResponse => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
})

/** A login whose first refresh is answered so. */
async function met(response: ScriptedResponse) {
  const at = await practised()
  const presented: string[] = []
  at.answerWith(({ path, parameters }) => {
    if (path !== '/token' || parameters.grant_type !== 'refresh_token') return undefined
    presented.push(parameters.refresh_token ?? '')
    return response
  })
  await at.keeper.add('work', await at.imported({ refreshToken: 'r0' }))
  await at.run(at.keeper.tend('work'))
  return { ...at, presented, shown: await at.keeper.show('work') }
}

/** What is stored of a failure: the state, the stable code, and whether the refresh token may be spent. */
async function trouble(response: ScriptedResponse) {
  const { shown, keeper } = await met(response)
  expect(shown.generation).toBe(0)
  expect((await keeper.store.read('work'))?.tokens).toEqual([])
  expect(JSON.stringify(shown)).not.toMatch(/access-token-1|"r0"|"r1"/)
  return [shown.state, shown.lastError?.code, shown.unresolved]
}

const ambiguous = ['active', 'provider_answer_unusable', true]
const refused = ['active', 'provider_answer_unusable', false]

describe('a token endpoint that answers', () => {
  test.each<[string, ScriptedResponse, unknown[]]>([
    ['empty body 200', answer(''), ambiguous],
    ['null', answer('null'), ambiguous],
    ['[]', answer('[]'), ambiguous],
    ['"x"', answer('"x"'), ambiguous],
    ['0', answer('0'), ambiguous],
    ['HTML 200 login page', answer('<!doctype html>', 200, { 'content-type': 'text/html' }), ambiguous],
    ['invalid UTF-8 in the token', answer(Buffer.from('{"access_token":"\xff\xfe"}', 'latin1')), ambiguous],
    ['nesting', answer(`{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`), ambiguous],
    [
      'gzip bomb 1:1000',
      answer(gzipSync(Buffer.alloc(10_000_000)), 200, { 'content-encoding': 'gzip' }),
      ambiguous,
    ],
    ...[301, 302, 307, 308].map((status): [string, ScriptedResponse, unknown[]] => [
      `${status} to another host`,
      answer(good, status, { location: 'https://elsewhere.example/token' }),
      ['active', 'provider_redirect', false],
    ]),
    ['access_token empty', answer({ access_token: '' }), ambiguous],
    ['access_token whitespace', answer({ access_token: '  ' }), ambiguous],
    ['access_token number', answer({ access_token: 7 }), ambiguous],
    ['access_token object', answer({ access_token: { value: 'x' } }), ambiguous],
    ['access_token array', answer({ access_token: ['x'] }), ambiguous],
    ['token with CR LF', answer({ access_token: 'x\r\nX-Evil: 1' }), ambiguous],
    ['200 with error', answer({ ...good, error: 'invalid_grant' }), ['suspect', 'invalid_grant', false]],
    ['400 with access_token and no error', answer(good, 400), refused],
    ['ok:false (Slack)', answer({ ok: false, error: 'token_expired' }), ['active', 'provider_error', false]],
    ['401 with WWW-Authenticate only', answer('', 401, { 'www-authenticate': 'Basic realm="x"' }), refused],
    [
      '403 invalid_grant (Atlassian)',
      answer({ error: 'invalid_grant' }, 403),
      ['suspect', 'invalid_grant', false],
    ],
    ['502 after RT consumed', answer('<html>', 502), ambiguous],
    ['a connection that is closed', 'close', ['active', 'provider_unreachable', true]],
  ])('%s', async (_row, response, expected) => {
    expect(await trouble(response)).toEqual(expected)
  })

  test.each<[string, ScriptedResponse]>([
    ['text/plain with JSON', answer(good, 200, { 'content-type': 'text/plain' })],
    [
      'form-encoded reply',
      answer('access_token=access-token-1&expires_in=3600&refresh_token=r1', 200, {
        'content-type': 'application/x-www-form-urlencoded',
      }),
    ],
    ['BOM first', answer(`\ufeff${JSON.stringify(good)}`)],
    ['Date header 50 years off', answer(good, 200, { date: 'Fri, 15 Jan 1977 08:00:00 GMT' })],
    ['same AT forever', answer(good)],
  ])('%s, and its tokens are served and spent', async (_row, response) => {
    const at = await met(response)
    const token = await at.run(at.keeper.getToken('work'))
    expect(token).toMatchObject({ value: 'access-token-1', type: 'Bearer', generation: 1 })
    expect(token.expiresAt - at.clock.now()).toBeGreaterThan(3_590_000)
    expect(token.expiresAt - at.clock.now()).toBeLessThanOrEqual(3_600_000)
    await at.run(at.keeper.refresh('work'))
    expect(at.presented).toEqual(['r0', 'r1'])
    expect((await at.run(at.keeper.getToken('work'))).generation).toBe(2)
  })
})

describe('expires_in', () => {
  const assumed = 3300
  test.each([
    ['-1', assumed],
    ['0', assumed],
    ['"3600"', 3600],
    ['"3600s"', assumed],
    ['3599.9', 3599],
    ['null', assumed],
    ['true', assumed],
    ['{}', assumed],
    ['1e400', assumed],
  ])('%s is %i seconds', async (written, seconds) => {
    const at = await met(answer(JSON.stringify(good).replace('3600', written)))
    const left = ((at.shown.expiresAt ?? 0) - (at.shown.lastAttemptAt ?? 0)) / 1000
    expect(left).toBeCloseTo(seconds, -1)
    expect(at.shown.lifetimeFrom).toBe(seconds === assumed ? 'assumed' : 'stated')
  })

  test.each(['NaN', 'Infinity'])('%s is no JSON', async (written) => {
    expect(await trouble(answer(JSON.stringify(good).replace('3600', written)))).toEqual(ambiguous)
  })
})

test.each([
  ['MAC', 'MAC'],
  [undefined, 'Bearer'],
  ['bearer', 'Bearer'],
  ['BEARER', 'Bearer'],
  ['DPoP', 'DPoP'],
])('token_type %s is served as %s', async (written, type) => {
  const at = await met(answer({ ...good, token_type: written }))
  expect((await at.run(at.keeper.getToken('work'))).type).toBe(type)
})

test.each([
  ['absent', undefined, 'r0'],
  ['empty', '', 'r0'],
  ['null', null, 'r0'],
  ['equal to old', 'r0', 'r0'],
  ['equal to the access token', 'access-token-1', 'access-token-1'],
])('refresh_token %s: %j, and the next one sent is %s', async (_row, written, next) => {
  const at = await met(answer({ ...good, refresh_token: written }))
  await at.run(at.keeper.refresh('work'))
  expect(at.presented).toEqual(['r0', next])
})

describe('error_description', () => {
  test.each<[string, string, string | RegExp]>([
    ['with HTML', '<b>no</b>', 'the provider refused the grant (invalid_grant: <b>no</b>)'],
    ['with ANSI escapes', '\u001b[31mred\u0007', 'the provider refused the grant (invalid_grant: [31mred)'],
    ['of 60 KiB', 'd'.repeat(60_000), /^the provider refused the grant \(invalid_grant: d{499}…\)$/],
    [
      'containing our RT',
      'the token refresh-token-zero is used',
      'the provider refused the grant (invalid_grant: the token [secret] is used)',
    ],
  ])('%s', async (_row, description, expected) => {
    const at = await practised()
    await at.keeper.add('work', await at.imported({ refreshToken: 'refresh-token-zero' }))
    at.answerWith(answer({ error: 'invalid_grant', error_description: description }, 400))
    await at.run(at.keeper.tend('work'))
    const { lastError } = await at.keeper.show('work')
    if (typeof expected === 'string') expect(lastError?.message).toBe(expected)
    else expect(lastError?.message).toMatch(expected)
  })

  test('of 1 MiB is more than is read', async () => {
    expect(await trouble(answer({ error: 'e', error_description: 'd'.repeat(1 << 20) }, 400))).toEqual(
      refused,
    )
  })
})

test.each([
  ['-5', 50, 90],
  ['0', 0, 10],
  ['1000000000000', 1_000, 5_400],
  ['soon', 50, 90],
  ['Wed, 21 Oct 2015 07:28:00 GMT', 0, 10],
])(
  '429 with Retry-After: %s is no failure of the login, and the next try is after %i to %i seconds',
  async (written, least, longest) => {
    const { shown, clock } = await met(answer({ error: 'slow_down' }, 429, { 'retry-after': written }))
    expect([shown.state, shown.lastError?.code, shown.unresolved]).toEqual([
      'active',
      'provider_error',
      false,
    ])
    const wait = ((shown.nextAttemptAt ?? 0) - clock.now()) / 1000
    expect(wait).toBeGreaterThanOrEqual(least)
    expect(wait).toBeLessThanOrEqual(longest)
  },
)

test.each([
  ['as array', ['read', 'write'], ['read', 'write']],
  ['empty', '', []],
  ['superset', 'read write admin', ['read', 'write', 'admin']],
])('scope %s: %j', async (_row, written, expected) => {
  const at = await met(answer({ ...good, scope: written }))
  expect(at.shown.scope).toEqual(expected)
})

describe('what only a connection can do is tried where connections are made:', () => {
  const transport = 'oauth/node-transport.test.ts'
  const tls = 'oauth/node-transport-tls.test.ts'
  test.each([
    [
      'truncated JSON at every byte',
      'oauth/token-endpoint.test.ts',
      'truncated at every byte it is unusable',
    ],
    ['1 GiB body', transport, 'a Content-Length of 1 GiB is given up at once'],
    ['endless chunked body', transport, 'an endless body is given up after 64 KiB'],
    ['Content-Length larger than body', transport, 'a body shorter than Content-Length, are cut'],
    ['Content-Length smaller than body', transport, 'a body longer than Content-Length is read up to it'],
    ['one byte per second for an hour', transport, 'one byte every 10 ms is cut off at the deadline'],
    [
      '100-continue only, 103 flood',
      transport,
      'a 100 Continue alone, or a flood of 103, ends at the deadline',
    ],
    ['RST after headers', transport, 'a reset after the head'],
    ['HTTP/2 GOAWAY', transport, 'what is no HTTP is a cut answer'],
    [
      'response for another pipelined request',
      transport,
      'an answer nobody asked for is not taken for the next request',
    ],
    ['TLS cert change, expired, wrong name mid-run', tls, 'gets not one byte of the request'],
    ['TLS that ends', tls, 'a server that closes during the handshake: tls, not sent'],
  ])('%s', (_row, file, name) => {
    expect(fs.readFileSync(path.join(import.meta.dirname, '..', file), 'utf8')).toContain(name)
  })
})

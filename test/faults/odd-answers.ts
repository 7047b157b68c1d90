import { gzipSync } from 'node:zlib'
import type { Saying } from './answering-proxy.ts'

/*
 * What token endpoints have said, or might: answers that are none, in every way we know of.
 */

/** Secrets of the answers: none of them is ever told. */
export const access = 'canary-access-7d1f0c3b5a'
export const refresh = 'canary-refresh-2e8a64f19c'

const answer = (
  status: number,
  body: string | Buffer,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Buffer => {
  const all = { 'content-length': String(Buffer.byteLength(body)), ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} Said\r\n${lines.join('')}\r\n`), Buffer.from(body)])
}
const said =
  (...parts: Parameters<typeof answer>): Saying =>
  (socket) =>
    void socket.end(answer(...parts))
const json = (value: unknown, status = 200): Saying => said(status, JSON.stringify(value))
const form = (body: string): Saying =>
  said(200, body, { 'content-type': 'application/x-www-form-urlencoded' })
const tokens = (change: object = {}): Saying =>
  json({
    access_token: access,
    token_type: 'Bearer',
    expires_in: 3600,
    refresh_token: refresh,
    ...change,
  })
const withoutAccess = (token: unknown): Saying => json({ access_token: token, token_type: 'Bearer' })

/**
 * What a strict login makes of an answer.
 *
 * - `taken`: the new access token is served.
 * - `unclear`: the refresh token may be spent; it is not sent again before somebody knows.
 * - `refused`: it is not spent; it is sent again when its time comes.
 * - `doubted`: the provider says it is dead, which is believed when it is said again.
 */
type Outcome = 'taken' | 'unclear' | 'refused' | 'doubted'
type Case = readonly [name: string, outcome: Outcome, code: string, saying: Saying]

const unusable = 'provider_answer_unusable'
const trouble = 'provider_error'

export const unclear: readonly Case[] = [
  ['nothing', 'unclear', unusable, said(200, '')],
  ...['null', '[]', '"x"', '0', 'NaN', '{"access_token":NaN}'].map(
    (text): Case => [`the JSON text ${text}`, 'unclear', unusable, said(200, text)],
  ),
  ['JSON that breaks off', 'unclear', unusable, said(200, '{"access_token":"abc","expires_in":36')],
  ['a login page', 'unclear', unusable, said(200, '<html>log in</html>', { 'content-type': 'text/html' })],
  ['a form without a token', 'unclear', unusable, form('state=done&token_type=Bearer')],
  [
    'bytes that are no UTF-8',
    'unclear',
    unusable,
    said(
      200,
      Buffer.concat([Buffer.from('{"access_token":"a'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
    ),
  ],
  ['arrays 20,000 deep', 'unclear', unusable, said(200, '['.repeat(20_000))],
  ['arrays 100,000 deep', 'unclear', unusable, said(200, '['.repeat(100_000))],
  [
    'the promise of a gibibyte',
    'unclear',
    unusable,
    (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n{"access_token":"'),
  ],
  [
    'chunks without an end',
    'unclear',
    unusable,
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
      const more = (): void => {
        if (!socket.destroyed) socket.write(`1000\r\n${' '.repeat(4096)}\r\n`, () => setImmediate(more))
      }
      more()
    },
  ],
  [
    'a bomb of gzip',
    'unclear',
    unusable,
    said(200, gzipSync(Buffer.alloc(10_000_000)), { 'content-encoding': 'gzip' }),
  ],
  [
    'less than it promised',
    'unclear',
    unusable,
    said(200, '{"access_token":"abc"}', { 'content-length': '1000' }),
  ],
  [
    'more than it promised',
    'unclear',
    unusable,
    said(200, '{"access_token":"abc","expires_in":3600}', { 'content-length': '21' }),
  ],
  ['a reset', 'unclear', 'provider_unreachable', (socket) => void socket.resetAndDestroy()],
  [
    'a head and a reset',
    'unclear',
    unusable,
    (socket) =>
      void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n', () => socket.resetAndDestroy()),
  ],
  [
    'something that is no HTTP',
    'unclear',
    'provider_unreachable',
    (socket) => void socket.end('220 mail ready\r\n'),
  ],
  ['no access token', 'unclear', unusable, json({ token_type: 'Bearer' })],
  ...['', '   ', 17, {}, ['a'], null, 'a b', 'a\r\nX-Evil: 1'].map(
    (token): Case => [`the access token ${JSON.stringify(token)}`, 'unclear', unusable, withoutAccess(token)],
  ),
  ['an error in a success', 'unclear', trouble, json({ error: 'server_error', access_token: access })],
  ['ok: false and no more', 'unclear', unusable, json({ ok: false })],
  ...[408, 500, 502, 504].map(
    (status): Case => [`status ${status}`, 'unclear', unusable, said(status, 'oops')],
  ),
  ['status 503 that says when to come again', 'unclear', unusable, said(503, '', { 'retry-after': '1' })],
]

export const refused: readonly Case[] = [
  ...[301, 302, 303, 307, 308].map(
    (status): Case => [
      `status ${status} to another host`,
      'refused',
      'provider_redirect',
      said(status, '', { location: 'http://127.0.0.2:9/token' }),
    ],
  ),
  ['tokens with status 400', 'refused', unusable, json({ access_token: 'abc' }, 400)],
  [
    'status 401 and a challenge',
    'refused',
    unusable,
    said(401, '', { 'www-authenticate': 'Basic realm="x"' }),
  ],
  ['a page with status 403', 'refused', unusable, said(403, '<h1>no</h1>', { 'content-type': 'text/html' })],
  ['ok: false and why (Slack)', 'refused', trouble, json({ ok: false, error: 'ratelimited' })],
  ['invalid_client', 'refused', 'invalid_client', json({ error: 'invalid_client' }, 401)],
  ['invalid_request', 'refused', trouble, json({ error: 'invalid_request' }, 400)],
  ['invalid_scope', 'refused', 'invalid_scope', json({ error: 'invalid_scope' }, 400)],
  [
    'a description of a mebibyte',
    'refused',
    unusable,
    said(400, JSON.stringify({ error: 'invalid_request', error_description: 'x'.repeat(1 << 20) })),
  ],
  ...['-5', '0', '5', '1000000000000', 'soon', '', 'Wed, 21 Oct 2015 07:28:00 GMT'].map(
    (value): Case => [
      `status 429, to come again ${JSON.stringify(value)}`,
      'refused',
      unusable,
      said(429, '', { 'retry-after': value }),
    ],
  ),
]

export const doubted: readonly Case[] = [
  ['invalid_grant', 'doubted', 'invalid_grant', json({ error: 'invalid_grant' }, 400)],
  [
    'invalid_grant with status 403 (Atlassian)',
    'doubted',
    'invalid_grant',
    json({ error: 'invalid_grant' }, 403),
  ],
  ['invalid_grant with status 200', 'doubted', 'invalid_grant', json({ error: 'invalid_grant' })],
  [
    'invalid_grant in markup and colours',
    'doubted',
    'invalid_grant',
    json({ error: 'invalid_grant', error_description: '<script>alert(1)</script>\u001b[31m\u202e' }, 400),
  ],
  [
    'invalid_grant that quotes our refresh token',
    'doubted',
    'invalid_grant',
    (socket, request) => {
      const sent = new URLSearchParams(request.split('\r\n\r\n')[1]).get('refresh_token')
      json({ error: 'invalid_grant', error_description: `no such token: ${sent}` }, 400)(socket, request)
    },
  ],
]

/** With the refresh token that is held afterwards: the new one, the one before, or what else it said. */
export const taken: readonly (readonly [name: string, held: 'new' | 'same' | 'access', saying: Saying])[] = [
  ['a form', 'new', form(`access_token=${access}&refresh_token=${refresh}&expires_in=3600`)],
  [
    'JSON called text',
    'new',
    said(200, JSON.stringify({ access_token: access, refresh_token: refresh }), {
      'content-type': 'text/plain',
    }),
  ],
  [
    'a byte order mark first',
    'new',
    said(200, `\ufeff${JSON.stringify({ access_token: access, refresh_token: refresh })}`),
  ],
  [
    'a date fifty years ago',
    'new',
    said(200, JSON.stringify({ access_token: access, refresh_token: refresh }), {
      date: 'Wed, 21 Oct 1976 07:28:00 GMT',
    }),
  ],
  [
    'a thousand early hints first',
    'new',
    (socket, request) => {
      for (let hint = 0; hint < 1000; hint += 1) socket.write('HTTP/1.1 103 Early Hints\r\n\r\n')
      tokens()(socket, request)
    },
  ],
  [
    'another answer behind it',
    'new',
    (socket) => {
      const body = JSON.stringify({ access_token: access, refresh_token: refresh })
      socket.end(Buffer.concat([answer(200, body), answer(200, '{"access_token":"of-somebody-else"}')]))
    },
  ],
  ...[-1, 0, '3600', '3600s', 3599.9, null, true, {}, undefined].map(
    (value) => [`expires_in ${JSON.stringify(value)}`, 'new', tokens({ expires_in: value })] as const,
  ),
  ...['MAC', 'bearer', 'BEARER', 'DPoP', undefined, 7].map(
    (value) => [`token_type ${JSON.stringify(value)}`, 'new', tokens({ token_type: value })] as const,
  ),
  ...[['a', 'b'], '', 'read write admin', 5].map(
    (value) => [`scope ${JSON.stringify(value)}`, 'new', tokens({ scope: value })] as const,
  ),
  ...[undefined, '', null, 5].map(
    (value) =>
      [`the refresh token ${JSON.stringify(value)}`, 'same', tokens({ refresh_token: value })] as const,
  ),
  [
    'the refresh token that was sent',
    'same',
    (socket, request) => {
      const sent = new URLSearchParams(request.split('\r\n\r\n')[1]).get('refresh_token')
      tokens({ refresh_token: sent })(socket, request)
    },
  ],
  ['a refresh token that is the access token', 'access', tokens({ refresh_token: access })],
]

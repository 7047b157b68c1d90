import { expect, test } from 'vitest'
import { tokensAt } from '../../src/oauth/answer-tokens.ts'
import type { Transport } from '../../src/oauth/transport.ts'
import { WireError } from '../../src/oauth/transport.ts'
import { loggedTransport } from '../../src/oauth/wire-log.ts'
import { failure, post } from './servers.ts'

const secrets = /hunter2|rt-old|rt-new|at-1|client-1:|Y2xpZW50|person@|deep-secret|state-1|cookie=1/
const answer = {
  status: 200,
  headers: { 'content-type': 'application/json', 'set-cookie': 'cookie=1', 'retry-after': '5' },
  body: JSON.stringify({
    access_token: 'at-1',
    token_type: 'Bearer',
    expires_in: 3600,
    refresh_token: 'rt-new',
    scope: 'read write',
    email: 'person@example.com',
    nested: { refresh_token: 'deep-secret' },
    error: null,
  }),
}
const request = post('https://provider.example/token?tenant=acme&state=state-1&key=hunter2', {
  headers: { authorization: 'Basic Y2xpZW50', 'content-type': 'x' },
  body: 'grant_type=refresh_token&refresh_token=rt-old&scope=read',
})

async function logged(transport: Transport, times = 1): Promise<string> {
  const lines: string[] = []
  const send = loggedTransport(transport, (line) => lines.push(line))
  for (let time = 0; time < times; time++) await send(request).catch(() => {})
  expect(lines.every((line) => !line.includes('\n'))).toBe(true)
  return lines.join('\n')
}

test('shows the exchange, every value that is not known to be harmless as a fingerprint', async () => {
  const text = await logged(async () => answer)
  expect(text).not.toMatch(secrets)
  const print = '‹[0-9a-f]{8}›'
  expect(text).toMatch(
    new RegExp(`POST provider\\.example/token \\?tenant=${print} state=${print} key=${print}`),
  )
  expect(text).toMatch(new RegExp(`authorization=Basic ${print}`))
  expect(text).toMatch(new RegExp(`grant_type=refresh_token refresh_token=${print} scope=read`))
  expect(text).toMatch(new RegExp(`< 200 content-type=application/json set-cookie=${print} retry-after=5`))
  expect(text).toMatch(
    new RegExp(
      `access_token=${print} token_type=Bearer expires_in=3600 refresh_token=${print} scope=read write`,
    ),
  )
})

test('the same secret has the same fingerprint, in this process only', async () => {
  const print = (text: string) => [...text.matchAll(/refresh_token=‹(\w+)›/g)].map((match) => match[1])
  const [sentFirst, newFirst, sentAgain] = print(await logged(async () => answer, 2))
  expect(sentFirst).toBe(sentAgain)
  expect(sentFirst).not.toBe(newFirst)
  const [elsewhere] = print(await logged(async () => answer))
  expect(elsewhere).not.toBe(sentFirst)
})

test.each(['at-1 is no JSON', '["at-1"]', '"at-1"', ''])('the body %j is not shown', async (body) => {
  expect(await logged(async () => ({ ...answer, body }))).not.toMatch(secrets)
})

// A profile had renamed the refresh token to resource, and the client secret to audience: both were shown.
test('a secret is not shown under a name that is harmless elsewhere, nor in a path', async () => {
  const lines: string[] = []
  const send = loggedTransport(
    async () => ({ ...answer, body: '{"scope":"rt-old","issuer":"the token rt/deep-secret"}' }),
    (line) => lines.push(line),
  )
  await send(
    post('https://provider.example/tokens/rt%2Fdeep-secret/rt-old?audience=hunter2', {
      headers: {},
      body: 'resource=rt-old&scope=read+rt-old&grant_type=refresh_token',
      secrets: ['rt-old', 'hunter2', 'rt/deep-secret', 'rt%2Fdeep-secret'],
    }),
  )
  const text = lines.join('\n')
  expect(text).not.toMatch(/rt-old|hunter2|deep-secret/)
  const print = '‹[0-9a-f]{8}›'
  expect(text).toMatch(
    new RegExp(`POST provider\\.example/tokens/\\[secret\\]/\\[secret\\] \\?audience=${print}`),
  )
  expect(text).toMatch(new RegExp(`resource=${print} scope=read \\[secret\\] grant_type=refresh_token`))
  expect(text).toMatch(new RegExp(`scope=${print} issuer=the token \\[secret\\]`))
})

test('a secret that was sent is not shown where the provider quotes it', async () => {
  const body = JSON.stringify({
    error: 'hunter2',
    error_description: 'the token rt-old of Y2xpZW50 is used',
    scope: 'state-1',
    'rt-old': 1,
  })
  const text = await logged(async () => ({ ...answer, status: 400, body }))
  expect(text).not.toMatch(secrets)
  expect(text).toMatch(
    /error=‹\w+› error_description=the token \[secret\] of \[secret\] is used scope=‹\w+› \[secret\]=/,
  )
})

// A member on the list was shown with all that lay in it: `{"scope": {"access_token": "…"}}`.
test('an object under a name on the list shows nothing that would not be shown outside of it', async () => {
  const body = JSON.stringify({
    error: { code: 190, type: 'OAuthException', message: 'it has expired', refresh_token: 'deep-secret' },
    scope: ['read', { access_token: 'at-1', scope: 'write' }],
  })
  const text = await logged(async () => ({ ...answer, status: 400, body }))
  expect(text).not.toMatch(secrets)
  expect(text).toMatch(
    /error={"code":190,"type":"OAuthException","message":"it has expired","refresh_token":"‹\w{8}›"} scope=\["read",{"access_token":"‹\w{8}›","scope":"write"}\]/,
  )
})

// A profile had the access token at /scope: it was shown, and what quoted a token of the answer as well.
test('a token of the answer is not shown under a name that is harmless elsewhere, nor where it is quoted', async () => {
  const dialect = {
    root: ['/issuer', ''],
    access_token: ['/scope', '/resource'],
    refresh_token: '/audience',
    secondary_tokens: { user: { root: '/error' } },
  } as const
  const body = JSON.stringify({
    scope: 'first-access',
    audience: 'first-refresh',
    resource: 12_345_678,
    error_description: 'first-access, second-access and third-refresh',
    error: { scope: 'second-access', audience: ['read', 'first-refresh'], expires_in: 60, interval: null },
    issuer: {
      audience: 'third-refresh',
      other: 'unknown',
      interval: { date: ['unknown'], other: ['unknown'] },
    },
    token_endpoint: 'https://provider.example/first-refresh',
  })
  const lines: string[] = []
  const send = loggedTransport(
    async () => ({ ...answer, headers: { date: 'first-access' }, body }),
    (line) => lines.push(line),
  )
  await send({ ...request, answerSecrets: (document) => tokensAt(document, dialect) })
  const text = lines.join('\n')
  expect(text).not.toMatch(/first-|second-|third-|12345678|"other":"unknown|"other":\["unknown/)
  const print = '‹[0-9a-f]{8}›'
  expect(text).toMatch(new RegExp(`< 200 date=${print}`))
  expect(text).toMatch(new RegExp(`scope=${print} audience=${print} resource=${print}`))
  expect(text).toMatch(/error_description=\[secret\], \[secret\] and \[secret\] error=/)
  expect(text).toMatch(
    new RegExp(
      `error=\\{"scope":"${print}","audience":\\["read","${print}"\\],"expires_in":60,"interval":null\\}`,
    ),
  )
  expect(text).toMatch(/"date":\["unknown"\]/)
  expect(text).toContain('token_endpoint=https://provider.example/[secret]')
})

test('a value on the list cannot break the line or colour the terminal', async () => {
  const body = JSON.stringify({ error: 'x\r\n\u001b[31mforged', 'na\nme': 1 })
  expect(await logged(async () => ({ ...answer, body }))).toContain('error=x [31mforged na me=')
})

test('answers and failures come through unchanged', async () => {
  expect(
    await loggedTransport(
      async () => answer,
      () => {},
    )(request),
  ).toBe(answer)
  const broken: Transport = async () => {
    throw new WireError('reset', 'read ECONNRESET', { sent: true })
  }
  expect(await failure(loggedTransport(broken, () => {})(request))).toMatchObject({
    reason: 'reset',
    sent: true,
  })
  expect(await logged(broken)).toContain('! reset, sent=true: read ECONNRESET')
})

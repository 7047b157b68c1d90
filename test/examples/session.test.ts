import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { startPracticeServer } from '@evertoken/testing'
import { InvalidGrantError, InvalidScopeError } from 'evertoken'
import { expect, onTestFinished, test } from 'vitest'
import { Session } from '../../examples/session/session.ts'
import { practised } from '../../library/test/grants/practised.ts'

const folder = path.resolve(import.meta.dirname, '../../examples/session')
const client = { clientId: 'reports', clientSecret: 'the-secret-of-the-reports' }

async function practice() {
  const server = await startPracticeServer({
    clients: [
      {
        clientId: client.clientId,
        authentication: { method: 'client_secret_basic', secret: client.clientSecret },
        scope: ['read'],
      },
    ],
  })
  onTestFinished(() => server.stop())
  return server
}

async function program(issuer: string, change: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--conditions=evertoken:source', 'main.ts', 'whoami'], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      API_URL: `${issuer}/api/`,
      TOKEN_URL: `${issuer}/token`,
      CLIENT_ID: client.clientId,
      CLIENT_SECRET: client.clientSecret,
      ...change,
    },
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { stdout, stderr, code: child.exitCode }
}

test('the program prints what the API has for this client', async () => {
  const { issuer } = await practice()
  const { stdout, stderr, code } = await program(issuer, { SCOPE: 'read' })
  expect([stderr, code]).toEqual(['', 0])
  expect(JSON.parse(stdout)).toMatchObject({ client_id: 'reports', scope: 'read' })
})

test('requests at once share one token, which is renewed five minutes before its end', async () => {
  const { server, clock, transport, run, pass, tokenRequests } = await practised()
  const session = new Session(
    {
      baseUrl: `${server.issuer}/api/`,
      tokenUrl: server.tokenEndpoint,
      clientId: 'practice-service',
      clientSecret: 'practice-service-secret',
    },
    { clock, transport },
  )
  const answers = await run(Promise.all([1, 2, 3].map(() => session.get('whoami'))))
  expect(answers).toEqual([1, 2, 3].map(() => expect.objectContaining({ client_id: 'practice-service' })))
  expect(tokenRequests()).toHaveLength(1)
  const first = await run(session.tokens.getToken())
  await pass(first.expiresAt - clock.now() - 301_000)
  await run(session.get('whoami'))
  expect(tokenRequests()).toHaveLength(1)
  await pass(2_000)
  await run(session.get('whoami'))
  await pass(1_000)
  expect(tokenRequests()).toHaveLength(2)
  await run(session[Symbol.asyncDispose]())
})

test('a scope that the client may not have is an InvalidScopeError, and the program says so', async () => {
  const { issuer } = await practice()
  await using session = new Session({
    ...client,
    baseUrl: issuer,
    tokenUrl: `${issuer}/token`,
    scope: 'write',
  })
  const refused = await session.get('/api/whoami').catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(InvalidScopeError)
  expect(refused).toMatchObject({ code: 'invalid_scope', error: 'invalid_scope', status: 400 })
  const { stderr, code } = await program(issuer, { SCOPE: 'write' })
  expect(code).toBe(1)
  expect(stderr).toMatch(/^SCOPE is not one that this client may have: /)
})

test('invalid_grant is an InvalidGrantError, with the words of the provider', async () => {
  const server = await practice()
  const body = JSON.stringify({ error: 'invalid_grant', error_description: 'the contract has ended' })
  server.fault({ kind: 'replace_answer', status: 400, contentType: 'application/json', body, count: 'all' })
  await using session = new Session({ ...client, baseUrl: server.issuer, tokenUrl: server.tokenEndpoint })
  const refused = await session.get('/api/whoami').catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(InvalidGrantError)
  expect(refused).toMatchObject({ code: 'invalid_grant', errorDescription: 'the contract has ended' })
  const { stderr } = await program(server.issuer)
  expect(stderr).toMatch(/^this client gets no token: .*the contract has ended/)
})

test('JSON is sent to the API, and what is no success is an error', async () => {
  const server = await practice()
  const seen: unknown[] = []
  const api = createServer(async (request, response) => {
    const { method, url, headers } = request
    seen.push([method, url, headers['content-type'], await text(request)])
    response
      .writeHead(url === '/v2/users' ? 201 : 404, { 'content-type': 'application/json' })
      .end('{"id":23}')
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void api.close())
  await once(api, 'listening')
  const baseUrl = `http://127.0.0.1:${(api.address() as AddressInfo).port}/v2/`
  await using session = new Session({ ...client, baseUrl, tokenUrl: server.tokenEndpoint })
  expect(await session.post('users', { name: 'ann' })).toEqual({ id: 23 })
  expect(seen).toEqual([['POST', '/v2/users', 'application/json', '{"name":"ann"}']])
  await expect(session.get('groups')).rejects.toThrow('/v2/groups: the API answers 404')
  const { stdout, stderr, code } = await program(server.issuer, { API_URL: baseUrl })
  expect([stdout, stderr, code]).toEqual(['', '/v2/whoami: the API answers 404\n', 1])
})

test('a wrong secret is told, and not shown', async () => {
  const { issuer } = await practice()
  const { stdout, stderr, code } = await program(issuer, { CLIENT_SECRET: 'another-secret' })
  expect([stdout, code]).toEqual(['', 1])
  expect(stderr).toMatch(/^.*the provider refused the client.*\. .*client.*\n$/)
  expect(stderr).not.toContain('another-secret')
})

test('the token goes to the origin of the API alone', async () => {
  const { issuer } = await practice()
  await using session = new Session({ ...client, baseUrl: issuer, tokenUrl: `${issuer}/token` })
  await expect(session.get('https://elsewhere.example/users')).rejects.toMatchObject({
    code: 'invalid_request',
  })
})

test.each(['API_URL', 'TOKEN_URL', 'CLIENT_ID', 'CLIENT_SECRET'])(
  'without %s the program says what it wants',
  async (name) => {
    const { stderr, code } = await program('https://auth.example', { [name]: '' })
    expect([stderr, code]).toEqual([
      'usage: node main.ts PATH, with API_URL, TOKEN_URL, CLIENT_ID, CLIENT_SECRET and maybe SCOPE set\n',
      2,
    ])
  },
)

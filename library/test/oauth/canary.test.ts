import { login, startPracticeServer } from '@evertoken/testing'
import { expect, onTestFinished, test } from 'vitest'
import { askCanary } from '../../src/oauth/canary.ts'
import type { WireRequest } from '../../src/oauth/transport.ts'
import { Secret } from '../../src/secret.ts'
import { httpServer, rawServer, wireForTest } from './servers.ts'

const token = { accessToken: new Secret('access-token-1') }
const safe = {
  insecureHttp: false,
  clientId: 'client-1',
  provider: { kind: 'issuer', issuer: 'https://provider.example' },
} as const
const ask = (url: string, overrides = {}) => askCanary(url, token, safe, wireForTest(overrides))
const answering = (status: number) =>
  ask('https://api.example/me', { transport: async () => ({ status, headers: {}, body: '' }) })

test('a real API takes the access token until a refresh has killed it', async () => {
  const practice = await startPracticeServer({ oldTokenDies: true })
  onTestFinished(() => practice.stop())
  const issued = await login(practice.issuer, { subject: 'ann' })
  const wire = wireForTest({ now: Date.now })
  const still = () =>
    askCanary(`${practice.issuer}/api/whoami`, { accessToken: new Secret(issued.accessToken) }, safe, wire)
  expect(await still()).toBe('accepted')
  const refresh = {
    grant_type: 'refresh_token',
    client_id: 'practice-app',
    refresh_token: issued.refreshToken,
  }
  const body = new URLSearchParams(refresh)
  expect(await fetch(practice.tokenEndpoint, { method: 'POST', body })).toMatchObject({ status: 200 })
  expect(await still()).toBe('rejected')
})

test('the request is a GET with the token in a header, and nowhere else', async () => {
  const requests: WireRequest[] = []
  await askCanary(
    'https://api.example/me?fields=id',
    { ...token, tokenType: 'bearer' },
    safe,
    wireForTest({
      transport: async (request) => {
        requests.push(request)
        return { status: 200, headers: {}, body: '' }
      },
    }),
  )
  expect(requests).toMatchObject([{ method: 'GET', url: 'https://api.example/me?fields=id' }])
  expect(requests[0]?.headers.authorization).toBe('bearer access-token-1')
  expect(requests[0]?.body).toBeUndefined()
})

test.each([
  [200, 'accepted'],
  [204, 'accepted'],
  [401, 'rejected'],
  [302, 'unclear'],
  [400, 'unclear'],
  [403, 'unclear'],
  [404, 'unclear'],
  [429, 'unclear'],
  [500, 'unclear'],
])('status %i means %s', async (status, meaning) => {
  expect(await answering(status)).toBe(meaning)
})

test('the length of the answer does not matter', async () => {
  const long = await httpServer((request, response) => {
    response.writeHead(request.url === '/me' ? 200 : 401)
    response.end('x'.repeat(100_000))
  })
  expect(await ask(`${long}/me`)).toBe('accepted')
  expect(await ask(`${long}/other`)).toBe('rejected')
})

test('no answer is unclear', async () => {
  expect(await ask(await rawServer((socket) => socket.destroy()))).toBe('unclear')
  expect(await ask('http://127.0.0.1:1/me')).toBe('unclear')
  expect(await ask('https://api.example/me', { transport: async () => Promise.reject(new Error('x')) })).toBe(
    'unclear',
  )
})

test('the token never travels over plain http to another host', async () => {
  let sent = 0
  const transport = async () => {
    sent++
    return { status: 200, headers: {}, body: '' }
  }
  expect(await ask('http://api.example/me', { transport })).toBe('unclear')
  expect(sent).toBe(0)
})

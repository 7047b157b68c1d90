import { afterEach, expect, test } from 'vitest'
import { type PracticeServer, startPracticeServer } from '../src/practice-server.ts'
import { basic, login, post, refresh } from './requests.ts'

let server: PracticeServer
afterEach(() => server.stop())

const service = basic('practice-service', 'practice-service-secret')
const grant = { grant_type: 'client_credentials' }

test('a script answers in place of the server, byte for byte', async () => {
  server = await startPracticeServer({
    respond: ({ path }) =>
      path === '/token'
        ? { status: 503, headers: { 'content-type': 'text/html', 'retry-after': '7' }, body: '<h1>busy</h1>' }
        : undefined,
  })
  const answer = await fetch(server.tokenEndpoint, { method: 'POST', body: new URLSearchParams(grant) })
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toBe('7')
  expect(await answer.text()).toBe('<h1>busy</h1>')
  expect((await fetch(`${server.url}/.well-known/oauth-authorization-server`)).status).toBe(200)
  expect(server.requests[0]).toMatchObject({ path: '/token', status: 503, outcome: 'scripted' })
})

test('a scripted answer spends nothing: the same refresh token works afterwards', async () => {
  let fail = true
  server = await startPracticeServer({
    respond: ({ parameters }) =>
      fail && parameters.grant_type === 'refresh_token' ? { status: 502 } : undefined,
  })
  const first = await login(server)
  expect((await refresh(server, first.refresh)).status).toBe(502)
  fail = false
  expect((await refresh(server, first.refresh)).status).toBe(200)
})

test('a redirect, an empty and a huge answer go out as they are scripted', async () => {
  const huge = 'x'.repeat(1_000_000)
  server = await startPracticeServer({
    respond: ({ number }) =>
      [
        { status: 302, headers: { location: 'https://elsewhere.example/' } },
        { status: 200 },
        { status: 200, body: new TextEncoder().encode(huge) },
      ][number - 1],
  })
  const ask = () => fetch(server.tokenEndpoint, { method: 'POST', redirect: 'manual' })
  expect((await ask()).headers.get('location')).toBe('https://elsewhere.example/')
  expect(await (await ask()).text()).toBe('')
  expect(await (await ask()).text()).toBe(huge)
})

test('close ends the connection without an answer', async () => {
  server = await startPracticeServer({ respond: () => 'close' })
  await expect(post(server, grant, service)).rejects.toThrow('fetch failed')
  expect(server.requests[0]).toMatchObject({ outcome: 'close' })
  expect(server.requests[0]).not.toHaveProperty('status')
})

test('hang gives no answer until the server stops', async () => {
  server = await startPracticeServer({ respond: () => 'hang' })
  const answer = post(server, grant, service).then(
    () => 'answered',
    () => 'broken',
  )
  await expect.poll(() => server.requests[0]?.outcome).toBe('hang')
  await server.stop()
  expect(await answer).toBe('broken')
})

test('latency delays each request by what it says of that request', async () => {
  const asked: string[] = []
  server = await startPracticeServer({
    latency: ({ path }) => {
      asked.push(path)
      return path === '/token' ? 40 : 0
    },
  })
  const before = performance.now()
  expect((await post(server, grant, service)).status).toBe(200)
  expect(performance.now() - before).toBeGreaterThanOrEqual(39)
  expect(asked).toEqual(['/token'])
})

test('stopping does not wait for a delayed request', async () => {
  server = await startPracticeServer({ latency: 3_600_000 })
  const broken = expect(post(server, grant, service)).rejects.toThrow('fetch failed')
  await expect.poll(() => server.requests).toHaveLength(1)
  await server.stop()
  await broken
  expect(server.requests[0]?.outcome).toBe('cut')
})

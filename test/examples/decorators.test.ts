// The program of the example, compiled as its page says, in a process of its own.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { type PracticeServerOptions, startPracticeServer } from '@evertoken/testing'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
let out = ''
beforeAll(async () => {
  out = mkdtempSync(path.join(tmpdir(), 'evertoken-decorators-'))
  symlinkSync(path.join(root, 'node_modules'), path.join(out, 'node_modules'))
  writeFileSync(path.join(out, 'package.json'), '{"type":"module"}')
  await build({
    entryPoints: [path.join(root, 'examples/decorators/main.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    target: 'es2022',
    outfile: path.join(out, 'main.js'),
  })
}, 60_000)
afterAll(() => rmSync(out, { recursive: true, force: true }))

async function practice(options: PracticeServerOptions = {}) {
  const server = await startPracticeServer(options)
  onTestFinished(() => server.stop())
  const asked = (where: string) => server.requests.filter((request) => request.path === where)
  return { server, tokens: () => asked('/token').length, calls: () => asked('/api/whoami') }
}

/** An API that takes no token that it refuses. */
async function api(refuses: (authorization: string) => boolean) {
  const seen: string[] = []
  const server = createServer(({ headers: { authorization = '' } }, response) => {
    seen.push(authorization)
    const refused = refuses(authorization)
    response.writeHead(refused ? 401 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ sub: 'reports', expires_in: 9 }))
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

async function program(tokenUrl: string, apiUrl: string, change: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--conditions=evertoken:source', 'main.js'], {
    cwd: out,
    env: {
      PATH: process.env.PATH,
      API_URL: apiUrl,
      TOKEN_URL: tokenUrl,
      CLIENT_ID: 'practice-service',
      CLIENT_SECRET: 'practice-service-secret',
      PAUSE: '0',
      ...change,
    },
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { lines: stdout.split('\n').filter((line) => line !== ''), stderr, code: child.exitCode }
}

test('tokens end in the middle of a run, and no method notices', async () => {
  const { server, tokens, calls } = await practice({ lifetimes: { accessToken: 2 } })
  const ran = await program(server.tokenEndpoint, server.issuer, { COUNT: '30', PAUSE: '150' })
  expect([ran.stderr, ran.code]).toEqual(['', 0])
  const news = ran.lines.filter((line) => line.startsWith('token '))
  expect(news.length).toBeGreaterThanOrEqual(3)
  expect(news).toEqual(news.map((_, index) => `token ${index + 1}`))
  expect(ran.lines.length - news.length).toBe(30)
  expect(new Set(calls().map(({ status }) => status))).toEqual(new Set([200]))
  expect(tokens()).toBe(news.length)
}, 60_000)

test('a token that the API refuses early is replaced once, and the method runs once more', async () => {
  const { server, tokens } = await practice()
  let first: string | undefined
  const { url, seen } = await api((authorization) => {
    first ??= authorization
    return authorization === first
  })
  const ran = await program(server.tokenEndpoint, url, { COUNT: '2' })
  expect([ran.stderr, ran.code]).toEqual(['', 0])
  expect(ran.lines).toEqual(['token 1', 'token 2', 'reports, 9 s left', 'reports, 9 s left'])
  expect(seen.map((authorization) => authorization === first)).toEqual([true, false, false, false, false])
  expect(tokens()).toBe(2)
})

test('an API that refuses every token is told once of it, and has the last word', async () => {
  const { server, tokens } = await practice()
  const { url, seen } = await api(() => true)
  const ran = await program(server.tokenEndpoint, url)
  expect(ran.code).toBe(1)
  expect(ran.stderr).toBe('/api/whoami: the API answers 401\n')
  expect([seen.length, tokens()]).toEqual([2, 2])
  for (const authorization of seen) expect(ran.stderr).not.toContain(authorization.split(' ')[1])
})

test('a client that its provider does not know is told what to look at', async () => {
  const { server } = await practice()
  const ran = await program(server.tokenEndpoint, server.issuer, { CLIENT_SECRET: 'mistyped' })
  expect([ran.lines, ran.code]).toEqual([[], 1])
  expect(ran.stderr).toMatch(
    /^grant practice-service-at-127\.0\.0\.1: the provider refused the client .* Check the client id/,
  )
  expect(ran.stderr).not.toContain('mistyped')
})

test('without its environment the program says what it wants', async () => {
  const ran = await program('https://auth.example/token', 'https://api.example', { CLIENT_ID: '' })
  expect([ran.stderr, ran.code]).toEqual([
    'usage: npm start, with API_URL, TOKEN_URL, CLIENT_ID and CLIENT_SECRET set\n',
    2,
  ])
})

// A page in a real browser that has its tokens from evertoken/fetch.

import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundledByEsbuild } from './bundle.ts'
import { installedChromium, openChromium } from './chromium.ts'

const program = `
  import { authorizedFetch, brokerSource, clientCredentials, fetchTransport, tokenSource } from 'evertoken/fetch'

  const told = (error) => ({ name: error.name, code: error.code, message: error.message })
  globalThis.trial = async () => {
    const { origin } = location
    const client = { tokenUrl: origin + '/token', clientId: 'page', clientSecret: 'page-secret' }
    const source = tokenSource(clientCredentials(client))
    const api = authorizedFetch(source, { origins: [origin] })
    const answer = await api('/api/users', { method: 'POST', body: 'text' })
    const left = await fetchTransport()({ method: 'GET', url: origin + '/moved', headers: {}, deadline: 5000, insecureHttp: false })
    const broker = brokerSource({ url: origin, key: 'evt_page', grant: 'billing' })
    const wrong = tokenSource(clientCredentials({ ...client, clientSecret: 'wrong' }))
    return {
      answer: [answer.status, await answer.text()],
      generation: (await source.getToken()).generation,
      broker: (await broker.getToken()).value,
      redirect: await api('/moved').catch(told),
      left: left.status,
      relative: await api('https://other.example/').catch(told),
      wrong: await wrong.getToken().catch(told),
      printed: JSON.stringify(await source.getToken()).includes('token-2'),
    }
  }
`

const chromium = await installedChromium()
const missing = 'missing' in chromium ? chromium.missing : undefined
if (missing !== undefined) console.warn(`SKIPPED: the tests in Chromium; ${missing}`)

let browser: Browser
let origin: string
const seen: { at: string; authorization: string | undefined; body: string }[] = []

const server = http.createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  const { authorization } = request.headers
  const json = (status: number, value: object) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  const path = request.url ?? ''
  const script = scripts.get(path.slice(1))
  if (script !== undefined) {
    response.writeHead(200, { 'content-type': 'text/javascript' }).end(script)
    return
  }
  if (path === '/') {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>page</title>')
    return
  }
  if (path === '/favicon.ico') {
    response.writeHead(204).end()
    return
  }
  seen.push({ at: `${request.method} ${path}`, authorization, body })
  if (path === '/token') {
    const count = seen.filter(({ at }) => at === 'POST /token').length
    if (authorization === `Basic ${btoa('page:page-secret')}`)
      json(200, { access_token: `token-${count}`, token_type: 'Bearer', expires_in: 3600 })
    else json(401, { error: 'invalid_client' })
  } else if (path === '/v1/grants/billing/token')
    json(200, { access_token: 'kept', expires_in: 60, generation: 3 })
  else if (path === '/moved') response.writeHead(302, { location: 'https://other.example/' }).end()
  else if (authorization === 'Bearer token-2') response.end(`ok ${body}`)
  else json(401, {})
})
const scripts = new Map<string, string>()

beforeAll(async () => {
  if (!('found' in chromium)) return
  for (const { name, code } of await bundledByEsbuild(program)) scripts.set(name, code)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  browser = await openChromium(chromium.found)
}, 120_000)

afterAll(async () => {
  await browser?.close()
  server.closeAllConnections()
  server.close()
})

test.skipIf(missing !== undefined)(
  'a page gets its tokens, replaces a refused one, and is told what a browser cannot do',
  async () => {
    const page = await browser.newPage()
    const complaints: string[] = []
    page.on('pageerror', (error) => complaints.push(error.message))
    await page.goto(origin)
    await page.addScriptTag({ type: 'module', url: `${origin}/entry.js` })
    await page.waitForFunction('globalThis.trial !== undefined')
    const result = await page.evaluate('globalThis.trial()')
    expect(result).toEqual({
      answer: [200, 'ok text'],
      generation: 2,
      broker: 'kept',
      redirect: {
        name: 'TypeError',
        message:
          'the API answered with a redirect, which no browser lets a program follow itself: use the final address',
      },
      left: 302,
      relative: {
        name: 'EvertokenError',
        code: 'invalid_request',
        message: 'the token may not be sent to https://other.example',
      },
      wrong: { name: 'ProviderError', code: 'invalid_client', message: expect.stringContaining('client') },
      printed: false,
    })
    expect(complaints).toEqual([])
    expect(seen.slice(0, 4).map(({ at, authorization }) => [at, authorization?.split(' ')[0]])).toEqual([
      ['POST /token', 'Basic'],
      ['POST /api/users', 'Bearer'],
      ['POST /token', 'Basic'],
      ['POST /api/users', 'Bearer'],
    ])
  },
)

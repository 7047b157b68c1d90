// The program of the example, a certified provider that nobody here wrote, and a real browser. EVERTOKEN_SCREENSHOTS=FOLDER keeps pictures.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SessionStore } from '../../examples/web-application/session-store.ts'
import { installedChromium, openChromium } from '../browser/chromium.ts'
import { consentInBrowser } from '../oidc-provider/browser.ts'
import { type OidcProvider, startOidcProvider } from '../oidc-provider/provider-process.ts'

const folder = path.resolve(import.meta.dirname, '../../examples/web-application')
const client = { client_id: 'web-application', client_secret: 'the-secret-of-the-web-application' }

const chromium = await installedChromium()
const missing = 'missing' in chromium ? chromium.missing : undefined
if (missing !== undefined) console.warn(`SKIPPED: the web application in Chromium; ${missing}`)

let data: string
let provider: OidcProvider
let child: ChildProcess | undefined
let said = ''
let origin = ''

async function start(port = '0'): Promise<void> {
  child = spawn(process.execPath, ['--conditions=evertoken:source', path.join(folder, 'main.ts')], {
    cwd: data,
    env: {
      PATH: process.env.PATH,
      ISSUER: provider.issuer,
      CLIENT_ID: client.client_id,
      CLIENT_SECRET: client.client_secret,
      PORT: port,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    origin = /^open (http:\S+)$/.exec(line)?.[1] ?? ''
    break
  }
  expect(origin, said).not.toBe('')
}

beforeAll(async () => {
  data = mkdtempSync(path.join(tmpdir(), 'evertoken-web-'))
  provider = await startOidcProvider({
    lifetime: 3600,
    more: [
      {
        ...client,
        token_endpoint_auth_method: 'client_secret_basic',
        application_type: 'native',
        redirect_uris: ['http://127.0.0.1/callback'],
        response_types: ['code'],
        grant_types: ['authorization_code', 'refresh_token'],
      },
    ],
  })
  await start()
}, 60_000)
afterAll(async () => {
  child?.kill('SIGKILL')
  await provider?.[Symbol.asyncDispose]()
  rmSync(data, { recursive: true, force: true })
})

const refreshes = () =>
  provider
    .requests()
    .filter(({ grantType, outcome }) => grantType === 'refresh_token' && outcome === 'success')

/** A form as another site would send it, or a program. */
const post = (where: string, headers: Record<string, string> = {}, body = 'form_token=x') =>
  fetch(`${origin}${where}`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body,
  })

describe.skipIf(missing !== undefined)('a person with a browser', () => {
  let browser: Browser
  let context: BrowserContext
  let page: Page

  beforeAll(async () => {
    browser = await openChromium('found' in chromium ? chromium.found : '')
    context = await browser.newContext({ viewport: { width: 800, height: 640 } })
    context.setDefaultTimeout(10_000)
    page = await context.newPage()
  }, 60_000)
  afterAll(() => browser?.close())

  const picture = async (name: string): Promise<void> => {
    const { EVERTOKEN_SCREENSHOTS: place } = process.env
    if (place) await page.screenshot({ path: path.join(place, `${name}.png`) })
  }
  /** Those of the application; the provider's go to another port of the same host. */
  const cookies = async () => (await context.cookies(origin)).filter(({ name }) => name === 'session')
  const heading = (): Promise<string | null> => page.textContent('h1')
  const happenings = () => page.locator('ol li').allTextContents()
  const press = async (name: string): Promise<void> => {
    const loaded = page.waitForEvent('load')
    await page.getByRole('button', { name }).click()
    await loaded
  }

  /** What oidc-provider shows: who signs in, then the consent. */
  async function consentAs(login: string): Promise<void> {
    await page.fill('input[name=login]', login)
    await page.fill('input[name=password]', 'any')
    await page.click('button[type=submit]')
    await page.waitForSelector('text=Authorize')
    await page.click('button[type=submit]')
    await page.waitForURL(`${origin}/menu`)
  }

  test('starts, consents at the provider and is back with a menu, under a session that is another than before', async () => {
    await page.goto(origin)
    expect(await heading()).toBe('Welcome')
    await picture('start')
    const before = await cookies()
    expect(before).toMatchObject([{ name: 'session', httpOnly: true, sameSite: 'Lax' }])
    await press('Log in')
    expect(new URL(page.url()).origin).toBe(provider.issuer)
    await consentAs('ann')
    expect(await heading()).toBe('Your login')
    expect(await page.textContent('dl')).toMatch(/Bearer, ends in \d+ s/)
    expect((await cookies())[0]?.value).not.toBe(before[0]?.value)
    // The session before the log-in is over: whoever planted its cookie is a stranger.
    const old = await fetch(origin, { headers: { cookie: `session=${before[0]?.value}` } })
    expect(old.headers.getSetCookie()).toHaveLength(1)
    await picture('menu')
  }, 60_000)

  test('sees whom the provider knows them as', async () => {
    await page.click('text=Profile')
    expect(await heading()).toBe('Your profile')
    expect(await page.textContent('dl')).toBe('subann')
    await picture('profile')
    await page.click('text=Back')
  })

  test('lets the token expire, and the next call has another by itself', async () => {
    const before = refreshes().length
    await press('Let it expire')
    expect(await page.textContent('dl')).toContain('has ended: the next call renews it')
    expect((await happenings()).at(-1)).toMatch(/made to expire$/)
    expect(refreshes().length).toBe(before)
    await page.click('text=Profile')
    expect(await page.textContent('dl')).toBe('subann')
    await page.click('text=Back')
    expect(await page.textContent('dl')).toMatch(/ends in \d+ s/)
    expect((await happenings()).at(-1)).toMatch(/a new access token came$/)
    expect(refreshes().length).toBe(before + 1)
    await picture('renewed')
  })

  test('refreshes by hand, and has the token validated', async () => {
    const before = refreshes().length
    await press('Refresh now')
    expect(refreshes().length).toBe(before + 1)
    await page.click('text=Validate')
    expect(await page.textContent('.said')).toBe('The access token is good.')
    expect(await page.textContent('dl')).toContain('known byintrospection')
    await picture('validation')
    await page.click('text=Back')
  })

  test('is still logged in after the application was killed and started again, and no token is asked for', async () => {
    const before = provider.requests().length
    const { port } = new URL(origin)
    child?.kill('SIGKILL')
    await start(port)
    await page.goto(`${origin}/profile`)
    expect(await page.textContent('dl')).toBe('subann')
    expect(provider.requests().length).toBe(before)
  }, 30_000)

  test('finishes no log-in that another browser began', async () => {
    const visited = await fetch(origin)
    const cookie = visited.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const formToken = /name="form_token" value="([^"]+)"/.exec(await visited.text())?.[1]
    const begun = await post('/login', { origin, cookie }, `form_token=${formToken}`)
    const link = begun.headers.get('location') ?? ''
    // The link to the callback is given to somebody else.
    const callback = (await consentInBrowser(link, `${origin}/callback`, 'mallory')).href
    await page.goto(callback)
    expect(await heading()).toBe('That did not work')
    expect(await page.textContent('.said')).toContain('belongs to no consent under way')
    await page.goto(`${origin}/profile`)
    expect(await page.textContent('dl')).toBe('subann')
  }, 60_000)

  test('logs out, and the provider has ended the login', async () => {
    await page.goto(`${origin}/menu`)
    const cookie = (await cookies())[0]?.value ?? ''
    await press('Log out')
    expect(await page.textContent('.said')).toBe('The provider has ended your login.')
    await picture('logged-out')
    expect(await cookies()).toEqual([])
    // A cookie that was kept opens nothing.
    const kept = await fetch(`${origin}/menu`, {
      headers: { cookie: `session=${cookie}` },
      redirect: 'manual',
    })
    expect([kept.status, kept.headers.get('location')]).toEqual([303, '/'])
  })
})

test('a form that another site sends is refused, though it holds what the page holds', async () => {
  const visited = await fetch(origin)
  const cookie = visited.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  const body = `form_token=${/name="form_token" value="([^"]+)"/.exec(await visited.text())?.[1]}`
  expect((await post('/login', { origin: 'https://evil.example', cookie }, body)).status).toBe(403)
  expect((await post('/login', { cookie }, body)).status).toBe(403)
  expect((await post('/login', { origin, cookie }, body)).status).toBe(303)
})

test('a session is over after twelve hours without a request, and its row goes', () => {
  const file = path.join(data, 'idle.db')
  using sessions = new SessionStore(file, new Uint8Array(32))
  const hours = 3_600_000
  const { cookie, session } = sessions.begin(0)
  expect(sessions.find(cookie, 12 * hours)).toEqual(session)
  expect(sessions.find(cookie, 24 * hours)).toEqual(session)
  expect(sessions.find(cookie, 36 * hours + 1)).toBeUndefined()
  sessions.begin(36 * hours + 1)
  // With the clock set back it would be found, if it were there.
  expect(sessions.find(cookie, 24 * hours)).toBeUndefined()
  expect(() => new SessionStore(file, new Uint8Array(16))).toThrow('the key of the sessions has 32 bytes')
})

test('a form of another site, and one without what the page holds, is refused', async () => {
  expect((await post('/logout', { origin: 'https://evil.example' })).status).toBe(403)
  expect((await post('/login', { origin })).status).toBe(403)
  expect((await post('/login', { origin }, 'x'.repeat(5000))).status).toBe(403)
})

test('pages allow no script and no frame, and are kept in no cache', async () => {
  const answer = await fetch(origin)
  expect(answer.headers.get('content-security-policy')).toMatch(
    /^default-src 'none'; style-src 'self'; .*frame-ancestors 'none'/,
  )
  expect(answer.headers.get('cache-control')).toBe('no-store')
  expect((await fetch(`${origin}/nowhere`)).status).toBe(404)
})

test('the database holds no token in clear, and only its owner reads it and its key', async () => {
  const everything = readFileSync(path.join(data, 'sessions.db'), 'latin1')
  expect(everything).not.toMatch(/accessToken|refreshToken/)
  for (const name of ['sessions.db', 'sessions.key'])
    expect(statSync(path.join(data, name)).mode & 0o077).toBe(0)
  expect(said).toBe('')
})

test('an issuer that does not answer is said in a line, with what to do', async () => {
  const env = { PATH: process.env.PATH, ISSUER: 'http://127.0.0.1:1', CLIENT_ID: 'a', CLIENT_SECRET: 'b' }
  const main = path.join(folder, 'main.ts')
  const lost = spawn(process.execPath, ['--conditions=evertoken:source', main], { cwd: data, env })
  let stderr = ''
  lost.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code] = await once(lost, 'close')
  expect(code).toBe(1)
  expect(stderr).toMatch(/^no metadata from 127\.0\.0\.1:1: .*\. Check the address and the network\..*\n$/)
})

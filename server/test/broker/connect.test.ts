import { beforeEach, describe, expect, test } from 'vitest'
import { Browser } from './browser.ts'
import {
  type PractisedBroker,
  type PractisedOptions,
  person,
  practisedBroker,
  publicUrl,
  service,
} from './practised-broker.ts'

/** A broker with a grant that waits for consent, and how a person goes through it. */
async function waiting(options: PractisedOptions = {}) {
  const broker = await practisedBroker(options)
  const { keeper, practice, send, adminKey, app } = broker
  await keeper.add('work', person(practice))
  const link = async (): Promise<string> =>
    (await send('POST', '/v1/grants/work/connect', { key: adminKey })).json().connect_url
  /** To the provider and through its page; gives where it sends the browser back to. */
  const consented = async (browser: Browser, decision?: { deny?: boolean; subject?: string }) => {
    const begun = await browser.open(await link())
    expect(begun.statusCode).toBe(302)
    return practice.consent(String(begun.headers.location), decision)
  }
  return { ...broker, link, consented, browser: new Browser(app) }
}

let at: Awaited<ReturnType<typeof waiting>>
beforeEach(async () => {
  at = await waiting()
})

const tokenOf = ({ send, readKey }: PractisedBroker) => send('GET', '/v1/grants/work/token', { key: readKey })

describe('a consent', () => {
  test('goes from a link through the provider to a grant that is alive', async () => {
    const { send, adminKey, browser, practice } = at
    const asked = await send('POST', '/v1/grants/work/connect', { key: adminKey })
    expect(asked.statusCode).toBe(200)
    const { connect_url: connectUrl, expires_at: expiresAt } = asked.json()
    expect(connectUrl).toMatch(/^http:\/\/127\.0\.0\.1:7420\/connect\/[A-Za-z0-9_-]{43}$/)
    expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(600_000)
    expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(590_000)

    const begun = await browser.open(connectUrl)
    expect(begun.statusCode).toBe(302)
    const provider = new URL(String(begun.headers.location))
    expect(provider.origin).toBe(practice.issuer)
    expect(Object.fromEntries(provider.searchParams)).toMatchObject({
      redirect_uri: `${publicUrl}/oauth/callback`,
      code_challenge_method: 'S256',
      scope: 'profile',
    })
    expect(begun.headers['set-cookie']).toMatch(
      /^evertoken-connect-[0-9a-f]{16}=[A-Za-z0-9_-]{43}; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/,
    )

    const done = await browser.open(await practice.consent(provider))
    expect(done.statusCode).toBe(200)
    expect(done.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(done.body).toContain('<h1>work is connected</h1>')
    expect([...browser.cookies]).toEqual([])

    const token = (await tokenOf(at)).json()
    expect(practice.introspect(token.access_token).active).toBe(true)
    expect(done.body).not.toContain(token.access_token)
  })

  test('ends in the browser that began it also where its request must be pushed (RFC 9126)', async () => {
    const { browser, consented, send, readKey, practice } = await waiting({
      practice: { requirePushedAuthorization: true },
    })
    const done = await browser.open(await consented(browser))
    expect(done.statusCode).toBe(200)
    expect([...browser.cookies]).toEqual([])
    const token = (await send('GET', '/v1/grants/work/token', { key: readKey })).json()
    expect(practice.introspect(token.access_token).active).toBe(true)
    const [begun] = practice.requests.filter(({ path }) => path === '/authorize')
    expect(begun).toMatchObject({ method: 'GET', outcome: 'answered' })
    expect(practice.requests.map(({ path }) => path)).toContain('/par')
  })

  test('renews a login that ended, under the same name', async () => {
    const { browser, consented, keeper, practice } = at
    await browser.open(await consented(browser))
    const first = await keeper.getToken('work')
    practice.revokeFamily(first.value)
    await browser.open(await consented(browser))
    const second = (await tokenOf(at)).json()
    expect(second.generation).toBeGreaterThan(first.generation)
    expect(practice.introspect(second.access_token).active).toBe(true)
  })

  test('in two tabs at once does not disturb itself, even when they come back crossed', async () => {
    const { browser, link, keeper, practice } = at
    await keeper.add('home', person(practice))
    const first = String((await browser.open(await link())).headers.location)
    const second = String((await browser.open(await link())).headers.location)
    const third = (await at.send('POST', '/v1/grants/home/connect', { key: at.adminKey })).json().connect_url
    const home = String((await browser.open(third)).headers.location)
    expect(browser.cookies.size).toBe(3)
    const answers = [
      await browser.open(await practice.consent(home)),
      await browser.open(await practice.consent(second)),
      await browser.open(await practice.consent(first)),
    ]
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200])
    expect(answers[0]?.body).toContain('home is connected')
    expect(answers[2]?.body).toContain('work is connected')
  })

  test('is begun anew by a provider that was out of reach only for a moment', async () => {
    let down = true
    const { browser, link } = await waiting({
      practice: { respond: ({ path }) => (down && path.startsWith('/.well-known/') ? 'close' : undefined) },
    })
    const connectUrl = await link()
    const failed = await browser.open(connectUrl)
    expect(failed.statusCode).toBeGreaterThanOrEqual(500)
    expect(failed.headers['content-type']).toBe('text/html; charset=utf-8')
    expect([...browser.cookies]).toEqual([])
    down = false
    expect((await browser.open(connectUrl)).statusCode).toBe(302)
  })
})

describe('a link', () => {
  test('is good once', async () => {
    const { browser, link } = at
    const connectUrl = await link()
    expect((await browser.open(connectUrl)).statusCode).toBe(302)
    const again = await browser.open(connectUrl)
    expect(again.statusCode).toBe(400)
    expect(again.body).toContain('This link was used already, or it has expired.')
    expect(again.body).toContain('state_unknown')
    expect(again.headers).not.toHaveProperty('set-cookie')
  })

  test('is good for one of two browsers that open it together', async () => {
    const { app, link } = at
    const connectUrl = await link()
    const answers = await Promise.all([new Browser(app).open(connectUrl), new Browser(app).open(connectUrl)])
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([302, 400])
  })

  test('that nobody made leads nowhere', async () => {
    const { browser } = at
    for (const ticket of ['x', 'A'.repeat(43), '%00', '%E0', 'x'.repeat(1000)])
      expect((await browser.open(`${publicUrl}/connect/${ticket}`)).statusCode).toBeGreaterThanOrEqual(400)
    expect([...browser.cookies]).toEqual([])
  })

  test('does not stand in the store as it is, and is no state', async () => {
    const { browser, link, keeper } = at
    const ticket = (await link()).split('/').at(-1) ?? ''
    for (const state of [ticket, `connect-ticket ${ticket}`]) {
      const answer = await browser.open(
        `${publicUrl}/oauth/callback?${new URLSearchParams({ state, code: 'x' })}`,
      )
      expect(answer.statusCode).toBe(400)
    }
    expect((await keeper.show('work')).state).toBe('pending')
  })

  test('expires', async () => {
    const { browser, link } = await waiting({ keeper: { timing: { consent: 1 } } })
    const connectUrl = await link()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect((await browser.open(connectUrl)).statusCode).toBe(400)
  })

  test('is not made for a grant that nobody consents to', async () => {
    const { keeper, practice, send, adminKey } = at
    await keeper.add('billing', service(practice))
    const answer = await send('POST', '/v1/grants/billing/connect', { key: adminKey })
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'invalid_request'])
    expect(answer.json().detail).toContain('nobody consents to it')
  })
})

describe('the callback', () => {
  test('refuses another browser, and then the right one too: the answer is used', async () => {
    const { app, browser, consented, keeper } = at
    const back = await consented(browser)
    const stranger = await new Browser(app).open(back)
    expect(stranger.statusCode).toBe(400)
    expect(stranger.body).toContain('finish it in the same browser')
    expect((await keeper.show('work')).state).toBe('pending')
    expect((await browser.open(back)).statusCode).toBe(400)
    expect((await tokenOf(at)).statusCode).toBe(409)
  })

  test('refuses a browser that holds the cookie of another consent', async () => {
    const { app, consented, keeper, browser } = at
    const victim = new Browser(app)
    await consented(victim)
    const back = await consented(browser)
    expect((await victim.open(back)).statusCode).toBe(400)
    expect((await keeper.show('work')).state).toBe('pending')
  })

  test('refuses a cookie that is there twice, of which one is planted', async () => {
    const { app, browser, consented, keeper } = at
    const back = await consented(browser)
    const [[name, value] = []] = browser.cookies
    const { pathname, search } = new URL(back)
    const cookie = `${name}=planted; ${name}=${value}`
    const answer = await app.inject({ url: `${pathname}${search}`, headers: { cookie } })
    expect(answer.statusCode).toBe(400)
    expect((await keeper.show('work')).state).toBe('pending')
  })

  test('refuses what was begun without a browser, whoever brings it', async () => {
    const { keeper, practice, browser } = at
    const { url } = await keeper.beginConsent('work', { redirectUri: `${publicUrl}/oauth/callback` })
    expect((await browser.open(await practice.consent(url))).statusCode).toBe(400)
    expect((await keeper.show('work')).state).toBe('pending')
  })

  test('takes an answer once', async () => {
    const { browser, consented, practice } = at
    const back = await consented(browser)
    expect((await browser.open(back)).statusCode).toBe(200)
    const asked = practice.requests.length
    expect((await browser.open(back)).statusCode).toBe(400)
    expect(practice.requests).toHaveLength(asked)
    expect((await tokenOf(at)).statusCode).toBe(200)
  })

  test.each([
    ['no query', '', 'state_missing'],
    ['no state', '?code=abc', 'state_missing'],
    ['an unknown state', '?code=abc&state=unknown', 'state_unknown'],
    ['two states', '?code=abc&state=a&state=b', 'state_missing'],
    ['a huge state', `?code=abc&state=${'x'.repeat(600)}`, 'state_missing'],
    ['a state with a line end', '?code=abc&state=a%0d%0aSet-Cookie:%20x=y', 'state_unknown'],
  ])('with %s is refused and the grant stays as it was', async (_, query, code) => {
    const { browser, keeper } = at
    const answer = await browser.open(`${publicUrl}/oauth/callback${query}`)
    expect(answer.statusCode).toBe(400)
    expect(answer.body).toContain(code)
    expect(answer.headers).not.toHaveProperty('set-cookie')
    expect((await keeper.show('work')).state).toBe('pending')
  })

  test('says so when the person declines, and can be tried again', async () => {
    const { browser, consented } = at
    const denied = await browser.open(await consented(browser, { deny: true }))
    expect(denied.statusCode).toBe(403)
    expect(denied.body).toContain('consent_denied')
    expect((await browser.open(await consented(browser))).statusCode).toBe(200)
  })

  test('refuses the answer of another server (mix-up)', async () => {
    const { browser, consented, keeper } = at
    const back = new URL(await consented(browser))
    back.searchParams.set('iss', 'https://evil.example')
    const answer = await browser.open(back.href)
    expect(answer.body).toContain('issuer_mismatch')
    expect((await keeper.show('work')).state).toBe('pending')
  })

  test('shows what a provider writes as text, never as markup', async () => {
    const { browser, consented } = at
    const back = new URL(await consented(browser))
    back.searchParams.delete('code')
    back.searchParams.set('error', '<script>alert(1)</script>')
    back.searchParams.set('error_description', '<img src=x onerror=alert(2)>')
    const { body, statusCode } = await browser.open(back.href)
    expect(statusCode).toBe(502)
    expect(body).not.toMatch(/<script|<img/)
    expect(body).toContain('&lt;script&gt;')
  })

  test('says what to do when the code is refused', async () => {
    const { browser, consented } = at
    const back = new URL(await consented(browser))
    back.searchParams.set('code', 'another')
    const answer = await browser.open(back.href)
    expect(answer.statusCode).toBe(502)
    expect(answer.body).toContain('invalid_grant')
  })

  test('of a grant that was removed meanwhile finds nothing', async () => {
    const { browser, consented, keeper } = at
    const back = await consented(browser)
    await keeper.remove('work')
    expect((await browser.open(back)).statusCode).toBeGreaterThanOrEqual(400)
    expect(await keeper.list()).toEqual([])
  })
})

describe('the own origin', () => {
  test.each([
    { host: 'evil.example' },
    { host: 'evil.example:80', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
    { host: '127.0.0.1:7420', forwarded: 'host=evil.example;proto=https' },
  ])('comes from the configuration, whatever a request says: %j', async (headers) => {
    const { send, adminKey, browser } = at
    const asked = await send('POST', '/v1/grants/work/connect', { key: adminKey, headers })
    expect(asked.json().connect_url).toMatch(/^http:\/\/127\.0\.0\.1:7420\/connect\//)
    const begun = await browser.open(asked.json().connect_url, headers)
    expect(new URL(String(begun.headers.location)).searchParams.get('redirect_uri')).toBe(
      `${publicUrl}/oauth/callback`,
    )
    expect(begun.headers['set-cookie']).not.toContain('Secure')
    const { servers } = (await at.app.inject({ url: '/openapi.json', headers })).json()
    expect(servers).toEqual([{ url: publicUrl }])
  })

  test('over https makes the cookie one that only this host can have set', async () => {
    const { browser, link } = await waiting({ broker: { publicUrl: 'https://tokens.example' } })
    const connectUrl = await link()
    expect(connectUrl).toMatch(/^https:\/\/tokens\.example\/connect\//)
    const begun = await browser.open(connectUrl)
    expect(begun.headers['set-cookie']).toMatch(
      /^__Host-evertoken-connect-[0-9a-f]{16}=[^;]+; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax; Secure$/,
    )
    expect(begun.headers['strict-transport-security']).toBe('max-age=31536000')
  })
})

describe('every page', () => {
  test('runs nothing, fetches nothing and stands in no frame', async () => {
    const { browser, consented, link } = at
    const pages = [
      await browser.open(await consented(browser)),
      await browser.open(`${publicUrl}/oauth/callback`),
      await browser.open(`${publicUrl}/connect/x`),
    ]
    for (const page of pages) {
      expect(page.headers).toMatchObject({
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
      })
      const policy = String(page.headers['content-security-policy'])
      expect(policy).toMatch(
        /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'$/,
      )
      expect(page.body).toMatch(/^<!doctype html>/)
      expect(page.body).not.toMatch(/<script|<form|href=|src=|style="/)
    }
    expect(await link()).toBeDefined()
  })
})

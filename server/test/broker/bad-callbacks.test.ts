import { describe, expect, test } from 'vitest'
import { Browser } from './browser.ts'
import { type PractisedOptions, person, practisedBroker, publicUrl } from './practised-broker.ts'

/** A grant that waits for a person, who has been at the provider's page; `callback` is where that sent the browser back to. */
async function returning(options: PractisedOptions = {}) {
  const broker = await practisedBroker(options)
  const { keeper, practice, send, adminKey, app } = broker
  await keeper.add('work', person(practice))
  const browser = new Browser(app)
  const come = async (by = browser): Promise<URL> => {
    const { connect_url: link } = (await send('POST', '/v1/grants/work/connect', { key: adminKey })).json()
    const begun = await by.open(link)
    return new URL(await practice.consent(String(begun.headers.location)))
  }
  const exchanged = (): number => practice.requests.filter(({ path }) => path === '/token').length
  return { ...broker, browser, come, exchanged, callback: await come() }
}

describe('a callback', () => {
  test.each<[string, (callback: URL) => void, string]>([
    ['without a state', ({ searchParams }) => searchParams.delete('state'), 'state_missing'],
    [
      'with an unknown state',
      ({ searchParams }) => searchParams.set('state', 'x'.repeat(43)),
      'state_unknown',
    ],
    ['with a state twice', ({ searchParams }) => searchParams.append('state', 'x'), 'state_missing'],
    [
      'with an error and a code together',
      ({ searchParams }) => searchParams.set('error', 'x'),
      'invalid_request',
    ],
    [
      'with a code of 9 KiB',
      ({ searchParams }) => searchParams.set('code', 'c'.repeat(9216)),
      'invalid_request',
    ],
    [
      'with a line end in the code',
      ({ searchParams }) => searchParams.set('code', 'c\r\nX: y'),
      'invalid_request',
    ],
    [
      'with a zero byte in the code',
      ({ searchParams }) => searchParams.set('code', 'c\u0000'),
      'invalid_request',
    ],
    ['with two codes', ({ searchParams }) => searchParams.append('code', 'c'), 'invalid_request'],
    ['without a code', ({ searchParams }) => searchParams.delete('code'), 'invalid_request'],
    [
      'whose iss is another',
      ({ searchParams }) => searchParams.set('iss', 'https://evil.example'),
      'issuer_mismatch',
    ],
    [
      'whose iss has a slash more',
      ({ searchParams }) => searchParams.set('iss', `${searchParams.get('iss')}/`),
      'issuer_mismatch',
    ],
    ['whose iss is missing', ({ searchParams }) => searchParams.delete('iss'), 'issuer_mismatch'],
    ['whose iss is there twice', ({ searchParams }) => searchParams.append('iss', 'x'), 'invalid_request'],
  ])('%s is refused, nothing is exchanged, and the grant waits as before', async (_, change, code) => {
    const { browser, callback, exchanged, keeper } = await returning()
    const secret = callback.searchParams.get('code') ?? ''
    change(callback)
    const refused = await browser.open(callback.href)
    expect(refused.statusCode).toBe(code === 'issuer_mismatch' ? 502 : 400)
    expect(refused.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(refused.body).toContain(code)
    expect(refused.body).not.toContain(secret)
    expect(exchanged()).toBe(0)
    expect(await keeper.show('work')).toMatchObject({ state: 'pending', generation: 0 })
  })

  test('with a script in error_description runs none, and sets no header', async () => {
    const { browser, callback } = await returning()
    callback.searchParams.delete('code')
    callback.searchParams.set('error', 'server_error')
    callback.searchParams.set('error_description', '<script>alert(1)</script>\r\nSet-Cookie: a=b')
    const refused = await browser.open(callback.href)
    expect(refused.body).not.toContain('<script>alert')
    expect(refused.body).toContain('provider_error')
    expect(JSON.stringify(refused.headers)).not.toContain('a=b')
  })

  test('whose code was used before is refused by the provider, and the grant stays as it was', async () => {
    const { browser, come, callback, keeper } = await returning()
    await browser.open(callback.href)
    const used = callback.searchParams.get('code') ?? ''
    const again = await come()
    again.searchParams.set('code', used)
    const refused = await browser.open(again.href)
    expect(refused.statusCode).toBeGreaterThanOrEqual(400)
    expect(refused.body).toContain('invalid_grant')
    expect(refused.body).not.toContain(used)
    expect(await keeper.show('work')).toMatchObject({ generation: 1 })
  })

  test('of a consent that is over is refused, whoever opens it again', async () => {
    const { browser, callback, exchanged } = await returning()
    expect((await browser.open(callback.href)).statusCode).toBe(200)
    const again = await browser.open(callback.href)
    expect([again.statusCode, exchanged()]).toEqual([400, 1])
    expect(again.body).toContain('state_unknown')
  })

  test('in another browser is refused, and the code is not spent by it', async () => {
    const { app, callback, exchanged, keeper } = await returning()
    const refused = await new Browser(app).open(callback.href)
    expect(refused.body).toContain('state_unknown')
    expect(exchanged()).toBe(0)
    expect((await keeper.show('work')).state).toBe('pending')
  })

  // A login that was under way when its grant was revoked brought it back to life.
  test('of a grant that was revoked meanwhile is refused before its code is spent, and a new login is not', async () => {
    const { browser, come, callback, exchanged, keeper } = await returning()
    await browser.open(callback.href)
    const late = await come()
    await keeper.revoke('work')
    const before = exchanged()
    const refused = await browser.open(late.href)
    expect(refused.statusCode).toBe(400)
    expect(refused.body).toContain('was revoked after this login had begun')
    expect(exchanged()).toBe(before)
    expect((await keeper.show('work')).state).toMatch(/^revok/)
    expect((await browser.open((await come()).href)).statusCode).toBe(200)
    expect(await keeper.show('work')).toMatchObject({ state: 'active', failures: 0 })
  })

  test('in two tabs at one provider that come back crossed ends each as it was begun', async () => {
    const { browser, come, callback, keeper } = await returning()
    const second = await come()
    expect((await browser.open(second.href)).statusCode).toBe(200)
    expect((await browser.open(callback.href)).statusCode).toBe(200)
    expect(await keeper.show('work')).toMatchObject({ state: 'active', generation: 2 })
  })

  test('whose codes were exchanged between two tabs is refused: each belongs to its own PKCE', async () => {
    const { browser, come, callback, keeper } = await returning()
    const second = await come()
    const code = callback.searchParams.get('code') ?? ''
    callback.searchParams.set('code', second.searchParams.get('code') ?? '')
    second.searchParams.set('code', code)
    for (const crossed of [callback, second])
      expect((await browser.open(crossed.href)).body).toContain('invalid_grant')
    expect((await keeper.show('work')).state).toBe('pending')
  })

  test('at another path, or with another method, is none', async () => {
    const { app, callback } = await returning()
    const { search } = callback
    for (const [method, url] of [
      ['GET', `/oauth/callback/${search}`],
      ['GET', `/oauth/Callback${search}`],
      ['POST', `/oauth/callback${search}`],
      ['GET', `//evil.example/oauth/callback${search}`],
    ] as const) {
      const { statusCode } = await app.inject({ method, url, headers: { host: new URL(publicUrl).host } })
      expect([404, 405]).toContain(statusCode)
    }
  })
})

import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { brokerLog } from '../../src/broker/log.ts'
import { Browser } from './browser.ts'
import { person, practisedBroker, service } from './practised-broker.ts'

interface Line {
  level: number
  msg: string
  [member: string]: unknown
}

/** A broker whose log is kept. */
async function logged(level = 'trace') {
  let text = ''
  const destination = new Writable({
    write(chunk, _encoding, done) {
      text += chunk
      done()
    },
  })
  const broker = await practisedBroker({ broker: { logger: brokerLog(level, destination) } })
  const lines = async (): Promise<Line[]> => {
    // onResponse runs after the answer has gone out.
    await sleep(20)
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line)
  }
  return { ...broker, lines, text: () => text }
}

describe('the log', () => {
  test('says who did what to which grant, and how it ended', async () => {
    const { keeper, practice, send, adminKey, readKey, lines } = await logged('info')
    await keeper.add('billing', service(practice))
    await send('GET', '/v1/grants/billing/token', { key: readKey })
    const paused = await send('POST', '/v1/grants/billing/pause', { key: adminKey })
    const refused = await send('GET', '/v1/grants/billing/token', { key: readKey })
    expect(paused.statusCode).toBe(200)
    expect(await lines()).toEqual([
      {
        level: 30,
        time: expect.stringMatching(/^\d{4}-/),
        request_id: expect.any(String),
        method: 'POST',
        route: '/v1/grants/:id/pause',
        grant: 'billing',
        caller: adminKey.slice(4, 20),
        label: 'admin',
        status: 200,
        ms: expect.any(Number),
        msg: 'POST 200',
      },
      expect.objectContaining({
        route: '/v1/grants/:id/token',
        status: 409,
        label: 'reader',
        request_id: refused.json().request_id,
      }),
    ])
  })

  test('says every read too when it is asked to', async () => {
    const { keeper, practice, send, readKey, lines } = await logged('debug')
    await keeper.add('billing', service(practice))
    await send('GET', '/v1/grants/billing/token?min_ttl=5', { key: readKey })
    await send('GET', '/healthz')
    expect((await lines()).map(({ route, status, level }) => [route, status, level])).toEqual([
      ['/v1/grants/:id/token', 200, 20],
      ['/healthz', 200, 20],
    ])
  })

  test('holds the cause of a failure that callers are not told, under the same request id', async () => {
    const { keeper, send, readKey, lines } = await logged('info')
    keeper.store.list = () => Promise.reject(new Error('the insides: /var/lib/evertoken.db'))
    const answer = await send('GET', '/v1/grants', { key: readKey })
    expect(answer.statusCode).toBe(500)
    expect(answer.json()).toMatchObject({ code: 'internal', detail: 'Something went wrong inside' })
    expect(answer.body).not.toContain('insides')
    const error = (await lines()).find(({ level }) => level === 50)
    expect(error).toMatchObject({
      request_id: answer.json().request_id,
      err: { message: 'the insides: /var/lib/evertoken.db' },
    })
  })

  test('and no answer ever holds a key, a token, a code, a ticket, a cookie, a secret or a body', async () => {
    const { keeper, practice, send, app, adminKey, readKey, text } = await logged()
    const answers: string[] = []
    const asked = async (...args: Parameters<typeof send>) => {
      const answer = await send(...args)
      answers.push(`${JSON.stringify(answer.headers)}\n${answer.body}`)
      return answer
    }
    const client = {
      provider: { token_url: practice.tokenEndpoint },
      client_id: 'practice-service',
      client_secret: 'practice-service-secret',
    }
    const grant = { id: 'billing', client, grant_type: 'client_credentials', scope: 'read' }
    await asked('POST', '/v1/grants', { key: adminKey, payload: grant })
    await asked('POST', '/v1/grants', { key: adminKey, payload: grant })
    const wrong = { ...client, client_secret: 'canary-secret-1' }
    await asked('POST', '/v1/grants', { key: adminKey, payload: { ...grant, id: 'wrong', client: wrong } })
    await asked('GET', '/v1/grants/wrong/token', { key: readKey })
    const imported = { ...grant, id: 'moved', grant_type: 'refresh_token', refresh_token: 'canary-refresh-1' }
    await asked('POST', '/v1/grants', { key: adminKey, payload: imported })
    await asked('GET', '/v1/grants/moved/token', { key: readKey })
    await asked('POST', '/v1/grants', {
      key: adminKey,
      payload: { ...grant, id: 'x', canary: 'canary-body-1' },
    })
    await asked('POST', '/v1/grants', {
      key: adminKey,
      payload: '{"client_secret":"canary-json-1"',
      headers: { 'content-type': 'application/json' },
    })
    await asked('GET', '/v1/grants/billing/token?canary=canary-query-1', { key: readKey })
    await asked('GET', '/canary-path-1?x=canary-query-2', { key: readKey })
    await asked('GET', '/v1/grants', { key: 'evt_canary-key-1' })
    await asked('GET', '/v1/grants?limit=2', { key: readKey })
    await asked('GET', '/v1/grants/billing', { key: readKey })
    await asked('POST', '/v1/grants/billing/refresh', { key: adminKey })
    const seen = answers.join('\n')

    const token = (await send('GET', '/v1/grants/billing/token', { key: readKey })).json()
    await keeper.add('work', person(practice))
    const { connect_url: connectUrl } = (
      await send('POST', '/v1/grants/work/connect', { key: adminKey })
    ).json()
    const browser = new Browser(app)
    const begun = await browser.open(connectUrl)
    const [cookie = ''] = [...browser.cookies.values()]
    const back = await practice.consent(String(begun.headers.location))
    const done = await browser.open(back)
    expect(done.statusCode).toBe(200)
    await browser.open(back)
    const { code, state } = Object.fromEntries(new URL(back).searchParams)
    const work = (await send('GET', '/v1/grants/work/token', { key: readKey })).json()
    await sleep(20)

    const secrets = {
      canary: 'canary-',
      adminKey: adminKey.slice(21, 64),
      readKey: readKey.slice(21, 64),
      clientSecret: 'practice-service-secret',
      token: token.access_token,
      personsToken: work.access_token,
      ticket: connectUrl.split('/').at(-1),
      cookie,
      code,
      state,
    }
    for (const [name, secret] of Object.entries(secrets)) {
      expect(secret?.length, name).toBeGreaterThan(6)
      expect(text().includes(String(secret)), `${name} in the log`).toBe(false)
      expect(seen.includes(String(secret)), `${name} in an answer`).toBe(false)
    }
    expect(done.body).not.toContain(code)
    expect(done.body).not.toContain(work.access_token)
    expect(text()).toContain('/oauth/callback')
  })
})

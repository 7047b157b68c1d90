import { expect, test } from 'vitest'
import { Browser } from './browser.ts'
import { person, practisedBroker } from './practised-broker.ts'

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

test('another account than before takes over a grant only by a link that allows it', async () => {
  let subject = 'ada'
  const { practice, keeper, send, adminKey, app } = await practisedBroker({
    practice: {
      respond: ({ path }) =>
        path === '/token'
          ? {
              status: 200,
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify({
                access_token: `access of ${subject}`.replaceAll(' ', '-'),
                refresh_token: `refresh-of-${subject}`,
                id_token: `${encoded({ alg: 'none' })}.${encoded({ sub: subject })}.`,
                expires_in: 3600,
              }),
            }
          : undefined,
    },
  })
  await keeper.add('work', person(practice))
  const connect = (payload?: object) =>
    send('POST', '/v1/grants/work/connect', { key: adminKey, ...(payload && { payload }) })
  const consented = async (payload?: object) => {
    const browser = new Browser(app)
    const begun = await browser.open((await connect(payload)).json().connect_url)
    return browser.open(await practice.consent(String(begun.headers.location)))
  }
  expect((await consented()).statusCode).toBe(200)

  subject = 'bob'
  const refused = await consented()
  expect(refused.statusCode).toBe(409)
  expect(refused.body).toContain('another account than before')
  expect((await keeper.getToken('work')).value).toBe('access-of-ada')
  expect((await consented({ other_account: false })).statusCode).toBe(409)
  expect((await consented({ other_account: true })).statusCode).toBe(200)
  expect((await keeper.getToken('work')).value).toBe('access-of-bob')

  expect((await connect({ other_account: 'yes' })).json()).toMatchObject({
    status: 400,
    code: 'invalid_request',
    detail: expect.stringMatching(/^other_account /),
  })
  expect((await connect({ other: true })).json()).toMatchObject({
    code: 'invalid_request',
    detail: 'the body has no member "other"',
  })
})

import { authorizedFetch, brokerSource, clientCredentials } from 'evertoken'
import { expect, test } from 'vitest'
import { practisedBroker, service } from './practised-broker.ts'

/** A broker on a port of the system's choice, and a source of one of its grants. */
async function listening() {
  const at = await practisedBroker()
  const url = await at.app.listen({ port: 0, host: '127.0.0.1' })
  const source = (grant: string, key = at.readKey) => brokerSource({ url, key, grant })
  return { ...at, url, source }
}

test('a broker source gives the kept token, and a token that an API refuses is replaced by one refresh', async () => {
  const { practice, keeper, source } = await listening()
  await keeper.add('billing', service(practice))
  const tokens = source('billing')
  const api = authorizedFetch(tokens, { origins: [practice.issuer] })
  expect((await api(`${practice.issuer}/api/whoami`)).status).toBe(200)
  const first = await tokens.getToken()
  expect(first.value).toBe((await keeper.getToken('billing')).value)
  practice.revokeFamily(first.value)
  const answers = await Promise.all(Array.from({ length: 20 }, () => api(`${practice.issuer}/api/whoami`)))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  expect(practice.requests.filter(({ path }) => path === '/token')).toHaveLength(2)
  expect((await tokens.getToken()).generation).toBe(2)
})

test('a broker source presents the token as the profile at the broker says', async () => {
  const { practice, keeper, source } = await listening()
  const api = { header: 'X-Shop-Access-Token', scheme: '' }
  const profile = { id: 'shop', name: 'Shop', token_url: practice.tokenEndpoint, api }
  const client = { clientId: 'practice-service', clientSecret: 'practice-service-secret' }
  await keeper.add('shop', clientCredentials({ profile, ...client }))
  const token = await source('shop').getToken()
  const sent: Headers[] = []
  await authorizedFetch(source('shop'), {
    fetch: async (_, init) => {
      sent.push(new Headers(init?.headers))
      return new Response()
    },
  })('https://shop.example/')
  expect(Object.fromEntries(sent[0] ?? [])).toEqual({ 'x-shop-access-token': token.value })
})

test('what is wrong is told by the codes of the broker', async () => {
  const { practice, keeper, source } = await listening()
  await keeper.add('billing', service(practice))
  const failure = (tokens: ReturnType<typeof source>) => tokens.getToken().catch((error: unknown) => error)
  expect(await failure(source('nobody'))).toMatchObject({ code: 'unknown_grant', advice: expect.any(String) })
  expect(await failure(source('billing', 'evt_wrong'))).toMatchObject({
    code: 'unauthorized',
    advice: expect.any(String),
  })
  await keeper.pause('billing')
  expect(await failure(source('billing'))).toMatchObject({ code: 'grant_paused', grant: 'billing' })
})

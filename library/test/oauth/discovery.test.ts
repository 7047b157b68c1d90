import { expect, test } from 'vitest'
import type { EvertokenError } from '../../src/errors.ts'
import { discover } from '../../src/oauth/discovery.ts'
import type { Transport } from '../../src/oauth/transport.ts'
import { httpServer, rawServer, wireForTest } from './servers.ts'

const issuer = 'https://provider.example'
const metadata = { issuer, token_endpoint: `${issuer}/token` }

/** A provider that has documents at some addresses and nothing elsewhere. */
function provider(documents: Readonly<Record<string, unknown>>, status = 404) {
  const asked: string[] = []
  const transport: Transport = async ({ method, url }) => {
    asked.push(`${method} ${url}`)
    const document = documents[url]
    if (document === undefined) return { status, headers: {}, body: 'not found' }
    const body = typeof document === 'string' ? document : JSON.stringify(document)
    return { status: 200, headers: {}, body }
  }
  const find = (name: string, insecureHttp = false) =>
    discover(name, { insecureHttp }, wireForTest({ transport }))
  return { asked, find }
}

const refusal = (promise: Promise<unknown>): Promise<EvertokenError> =>
  promise.then(
    (value) => {
      throw new Error(`found ${JSON.stringify(value)}`)
    },
    (error: EvertokenError) => error,
  )

const oidc = `${issuer}/.well-known/openid-configuration`

test('every endpoint is taken from the OpenID Connect document', async () => {
  const { asked, find } = provider({
    [oidc]: {
      ...metadata,
      authorization_endpoint: `${issuer}/authorize`,
      revocation_endpoint: `${issuer}/revoke`,
      introspection_endpoint: `${issuer}/introspect`,
      device_authorization_endpoint: `${issuer}/device`,
      pushed_authorization_request_endpoint: `${issuer}/par`,
      require_pushed_authorization_requests: true,
      authorization_response_iss_parameter_supported: true,
      id_token_signing_alg_values_supported: ['RS256'],
      jwks_uri: 'http://ignored.example',
    },
  })
  expect(await find(issuer)).toEqual({
    issuer,
    tokenEndpoint: `${issuer}/token`,
    authorizationEndpoint: `${issuer}/authorize`,
    revocationEndpoint: `${issuer}/revoke`,
    introspectionEndpoint: `${issuer}/introspect`,
    deviceAuthorizationEndpoint: `${issuer}/device`,
    pushedAuthorizationRequestEndpoint: `${issuer}/par`,
    requirePushedAuthorizationRequests: true,
    authorizationResponseIssSupported: true,
    openid: true,
  })
  expect(asked).toEqual([`GET ${oidc}`])
})

test.each([
  [issuer, `${issuer}/.well-known/openid-configuration`, `${issuer}/.well-known/oauth-authorization-server`],
  [
    `${issuer}/tenant/1`,
    `${issuer}/tenant/1/.well-known/openid-configuration`,
    `${issuer}/.well-known/oauth-authorization-server/tenant/1`,
  ],
  [
    `${issuer}/tenant/`,
    `${issuer}/tenant/.well-known/openid-configuration`,
    `${issuer}/.well-known/oauth-authorization-server/tenant`,
  ],
])('%s is asked for at both addresses, RFC 8414 section 3.1', async (name, first, second) => {
  const { asked, find } = provider({ [second]: { ...metadata, issuer: name } })
  expect(await find(name)).toMatchObject({ issuer: name, tokenEndpoint: `${issuer}/token` })
  expect(asked).toEqual([`GET ${first}`, `GET ${second}`])
})

test('a first document that is no JSON object lets the second one speak', async () => {
  const { find } = provider({
    [oidc]: '<html>',
    [`${issuer}/.well-known/oauth-authorization-server`]: metadata,
  })
  expect((await find(issuer)).tokenEndpoint).toBe(`${issuer}/token`)
})

test.each([
  ['another one', 'https://evil.example'],
  ['one slash more', `${issuer}/`],
  ['nothing', undefined],
  ['a number', 7],
])('a document that names %s is issuer_mismatch', async (_name, named) => {
  const error = await refusal(provider({ [oidc]: { ...metadata, issuer: named } }).find(issuer))
  expect(error.code).toBe('issuer_mismatch')
  expect(error.advice).toMatch(/last slash/)
})

test.each([404, 500, 302, 401])(
  'an issuer that answers %i is discovery_failed, with advice',
  async (status) => {
    const error = await refusal(provider({}, status).find(issuer))
    expect(error).toMatchObject({ code: 'discovery_failed', advice: expect.stringContaining('endpoints') })
    expect(error.message).toContain(`status ${status}`)
  },
)

test.each(['null', '[]', '"x"', '{"issuer":', `${'['.repeat(60_000)}`])(
  'the document %.20s is discovery_failed',
  async (text) => {
    expect((await refusal(provider({ [oidc]: text }).find(issuer))).code).toBe('discovery_failed')
  },
)

test.each([
  ['missing', undefined, 'discovery_failed'],
  ['null', null, 'discovery_failed'],
  ['relative', '/token', 'discovery_failed'],
  ['a number', 7, 'discovery_failed'],
  ['with user information', 'https://good@evil.example/token', 'discovery_failed'],
  ['a file', 'file:///etc/passwd', 'discovery_failed'],
  ['plain http', 'http://provider.example/token', 'insecure_http'],
  ['plain http on this machine', 'http://127.0.0.1:9/token', 'insecure_http'],
])('a token endpoint that is %s is refused as %s', async (_name, endpoint, code) => {
  const { find } = provider({ [oidc]: { ...metadata, token_endpoint: endpoint } })
  expect((await refusal(find(issuer))).code).toBe(code)
})

test.each([
  ['not a url', 'discovery_failed'],
  ['provider.example', 'discovery_failed'],
  ['ftp://provider.example', 'discovery_failed'],
  ['https://good@evil.example', 'discovery_failed'],
  ['https://:password@evil.example', 'discovery_failed'],
  ['https://provider.example?tenant=1', 'discovery_failed'],
  ['https://provider.example#x', 'discovery_failed'],
  ['http://provider.example', 'insecure_http'],
  ['http://169.254.169.254', 'insecure_http'],
])('the issuer %s is refused as %s before anything is asked', async (name, code) => {
  const { asked, find } = provider({})
  expect((await refusal(find(name))).code).toBe(code)
  expect(asked).toEqual([])
})

test('plain http works where it is allowed', async () => {
  const plain = 'http://provider.example'
  const { find } = provider({
    [`${plain}/.well-known/openid-configuration`]: { issuer: plain, token_endpoint: `${plain}/token` },
  })
  expect((await find(plain, true)).tokenEndpoint).toBe(`${plain}/token`)
})

test('over a real socket on loopback, plain http needs no permission', async () => {
  const origin: string = await httpServer((_request, response) =>
    response.end(JSON.stringify({ issuer: origin, token_endpoint: `${origin}/token` })),
  )
  const found = await discover(origin, { insecureHttp: false }, wireForTest())
  expect(found.tokenEndpoint).toBe(`${origin}/token`)
})

test('a provider that says nothing is given up within the deadline', async () => {
  const origin = await rawServer(() => {})
  const error = await refusal(discover(origin, { insecureHttp: false }, wireForTest({ deadline: 100 })))
  expect(error.code).toBe('discovery_failed')
  expect(error.message).toContain('no whole answer')
})

test('a document of 1 MiB is discovery_failed', async () => {
  const origin = await httpServer((_request, response) => response.end(`{"x":"${'y'.repeat(1 << 20)}"}`))
  const error = await refusal(discover(origin, { insecureHttp: false }, wireForTest()))
  expect(error).toMatchObject({
    code: 'discovery_failed',
    message: expect.stringContaining('bytes of answer'),
  })
})

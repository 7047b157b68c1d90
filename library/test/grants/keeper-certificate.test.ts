import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type ClientOptions, clientCredentials, jwtBearer } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import type { Transport } from '../../src/oauth/transport.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { selfSigned } from '../oauth/certificate.ts'
import { type CertifiedRequest, certifiedServer, sha256Of } from '../oauth/certified-server.ts'
import { transportForTest } from '../oauth/servers.ts'
import { ControlledClock } from './controlled-clock.ts'

// What is loaded when first needed is loaded before: the controlled clock would run on while that lasts.
beforeAll(async () => {
  await Promise.all([
    import('../../src/oauth/client-credentials.ts'),
    import('../../src/oauth/discovery.ts'),
    import('../../src/oauth/introspection.ts'),
    import('../../src/grants/validation.ts'),
  ])
})

const { cert: certificate, key } = selfSigned('client.example')
const clientCertificate = { certificate, key }

const jwt = (claims: object): string =>
  [{ alg: 'ES256' }, claims, {}]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
/** `x5t#S256` of RFC 8705 section 3.1. */
const bound = jwt({
  cnf: { 'x5t#S256': Buffer.from(sha256Of(certificate).replaceAll(':', ''), 'hex').toString('base64url') },
})

/** A keeper, and a provider that gives its clients with certificates other endpoints on the same host. */
async function certified(answer: (request: CertifiedRequest, origin: string) => unknown) {
  let origin = ''
  const server = await certifiedServer((request) => answer(request, origin))
  origin = server.origin
  const clock = new ControlledClock()
  const wire = transportForTest({ ca: server.ca })
  let underWay = 0
  const counted: Transport = async (request) => {
    underWay += 1
    return wire(request).finally(() => {
      underWay -= 1
    })
  }
  const transport = Object.assign(counted, { showsCertificates: true })
  const keeper = await Keeper.open({ store: memoryStore({ clock, ephemeral: true }), clock, transport })
  onTestFinished(() => clock.until(keeper.close()))
  return { ...server, keeper, clock, run: <T>(work: Promise<T>) => clock.until(work, () => underWay > 0) }
}

const provider = ({ path }: CertifiedRequest, origin: string): unknown => {
  if (path.startsWith('/.well-known/'))
    return {
      issuer: origin,
      token_endpoint: `${origin}/token`,
      introspection_endpoint: `${origin}/introspect`,
      mtls_endpoint_aliases: {
        token_endpoint: `${origin}/mtls/token`,
        introspection_endpoint: `${origin}/mtls/introspect`,
      },
    }
  if (path.endsWith('/introspect')) return { active: true }
  return { access_token: bound, token_type: 'Bearer', expires_in: 3600 }
}

const client = (origin: string, change: Partial<ClientOptions> = {}) =>
  clientCredentials({ issuer: origin, clientCertificate, ...change, clientId: 'client-1' })

test('a client with a certificate alone authenticates by it, at the endpoints that are for such clients', async () => {
  const { keeper, run, origin, requests } = await certified(provider)
  await keeper.add('a', client(origin))
  const token = await run(keeper.getToken('a'))
  expect(token.value).toBe(bound)
  expect(await run(keeper.refresh('a'))).toMatchObject({ generation: 2 })
  expect(await run(keeper.validate('a'))).toMatchObject({ valid: true, by: 'introspection' })
  const asked = requests.filter(({ path }) => !path.startsWith('/.well-known/'))
  expect(asked.map(({ path }) => path)).toEqual(['/mtls/token', '/mtls/token', '/mtls/introspect'])
  expect(new Set(asked.map((request) => request.certificate))).toEqual(new Set([sha256Of(certificate)]))
  expect(asked[0]?.form).toEqual({ grant_type: 'client_credentials', client_id: 'client-1' })
})

test('a client without one, at the same provider, goes to the usual endpoints', async () => {
  const { keeper, run, origin, requests } = await certified(provider)
  await keeper.add('a', client(origin))
  const plain = { clientCertificate: undefined, clientSecret: 'secret-1' } as const
  await keeper.add('b', client(origin, plain))
  await run(keeper.getToken('a'))
  await run(keeper.getToken('b'))
  expect(requests.filter(({ path }) => path.endsWith('/token')).map(({ path }) => path)).toEqual([
    '/mtls/token',
    '/token',
  ])
})

test('an endpoint that the client names wins over both', async () => {
  const { keeper, run, origin, requests } = await certified(provider)
  await keeper.add('a', client(origin, { introspectionUrl: `${origin}/own/introspect` }))
  await run(keeper.getToken('a'))
  await run(keeper.validate('a'))
  expect(requests.at(-1)?.path).toBe('/own/introspect')
})

test('a token that says so is bound to the certificate; any other is like every token', async () => {
  const tokens = [bound, jwt({ cnf: { jkt: 'x' } }), jwt({ cnf: 'x5t#S256' }), 'opaque']
  const { keeper, run, origin } = await certified((request, origin) =>
    request.path.endsWith('/token')
      ? { access_token: tokens.shift(), expires_in: 3600 }
      : provider(request, origin),
  )
  await keeper.add('a', client(origin))
  expect((await run(keeper.getToken('a'))).presentation).toEqual({ certificate: true })
  for (let count = 0; count < 3; count++)
    expect((await run(keeper.refresh('a'))).presentation).toBeUndefined()
})

test('a certificate that cannot be shown is said of the grant, and it goes on once it can', async () => {
  const { keeper, run, origin, requests, clock } = await certified(provider)
  const other = selfSigned('other.example')
  await keeper.add('a', client(origin, { clientCertificate: { certificate, key: other.key } }))
  const reason = await run(keeper.getToken('a').then(String, (error: Error) => error))
  expect(reason).toMatchObject({
    code: 'invalid_configuration',
    message: expect.stringContaining('belong together'),
  })
  expect(await keeper.show('a')).toMatchObject({ state: 'active', unresolved: false })
  expect(requests.filter(({ path }) => path.endsWith('/token'))).toEqual([])
  await keeper.ensure('a', client(origin))
  await clock.advance(0)
  expect(await run(keeper.getToken('a'))).toMatchObject({ generation: 1 })
})

describe('what cannot be configured', () => {
  const file = '/var/run/tls.crt'
  test.each<[string, Partial<ClientOptions>, string]>([
    [
      'a method without its certificate',
      { clientCertificate: undefined, clientAuthentication: 'tls_client_auth' },
      'needs a clientCertificate',
    ],
    [
      'a secret beside the method',
      { clientAuthentication: 'self_signed_tls_client_auth', clientSecret: 's' },
      'clientSecret has no effect',
    ],
    ['a certificate twice', { clientCertificateFile: file, clientKeyFile: file }, 'both given'],
    [
      'a file without the other',
      { clientCertificate: undefined, clientCertificateFile: file },
      'given alone',
    ],
    ['a key file alone', { clientCertificate: undefined, clientKeyFile: file }, 'given alone'],
    [
      'a path that is none',
      { clientCertificate: undefined, clientCertificateFile: 'tls.crt', clientKeyFile: file },
      'no whole path',
    ],
    ['an empty key', { clientCertificate: { certificate, key: ' ' } }, 'is empty'],
  ])('%s', (_name, change, words) => {
    expect(() => client('https://provider.example', change)).toThrowError(
      expect.objectContaining({ message: expect.stringContaining(words) }),
    )
  })
})

test('an account that signs assertions needs no client to show a certificate, and no method without one', () => {
  const assertion = { issuer: 'i', key: { algorithm: 'HS256', key: 'k' } } as const
  const account = (change: Partial<ClientOptions>) =>
    jwtBearer({ tokenUrl: 'https://provider.example/token', clientCertificate, assertion, ...change })
  expect(account({}).client.authentication).toEqual({ method: 'none' })
  expect(account({ clientId: 'c' }).client.authentication).toEqual({ method: 'tls_client_auth' })
  expect(() => account({ clientAuthentication: 'tls_client_auth' })).toThrowError('clientId is missing')
})

import { expect, test } from 'vitest'
import { authorizationCode, clientCredentials } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import { nodeTransport } from '../../src/oauth/node-transport.ts'
import type { Transport, WireRequest } from '../../src/oauth/transport.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { ControlledClock } from './controlled-clock.ts'

const issuer = 'https://sso.corp.example'

/** Whatever a grant may send in its life, by path, with what each request says of private networks. */
async function sentBy(privateNetwork: boolean | undefined) {
  const said = new Map<string, WireRequest['privateNetwork']>()
  const answers: Record<string, object> = {
    '/.well-known/openid-configuration': {
      issuer,
      token_endpoint: `${issuer}/token`,
      revocation_endpoint: `${issuer}/revoke`,
      introspection_endpoint: `${issuer}/introspect`,
      userinfo_endpoint: `${issuer}/userinfo`,
      pushed_authorization_request_endpoint: `${issuer}/par`,
      authorization_endpoint: `${issuer}/authorize`,
      device_authorization_endpoint: `${issuer}/device`,
    },
    '/token': { access_token: 'at-1', token_type: 'Bearer', expires_in: 3600, scope: 'openid' },
    '/par': { request_uri: 'urn:x', expires_in: 60 },
  }
  const transport: Transport = async ({ url, privateNetwork: allowed }) => {
    const { pathname } = new URL(url)
    said.set(pathname, allowed)
    const body = answers[pathname]
    return { status: body === undefined ? 500 : 200, headers: {}, body: JSON.stringify(body ?? {}) }
  }
  const clock = new ControlledClock()
  const keeper = await Keeper.open({
    store: memoryStore({ clock, ephemeral: true }),
    clock,
    transport,
    timing: { revalidate: 0 },
  })
  const client = { issuer, clientId: 'a', clientSecret: 's', privateNetwork, scope: 'openid' }
  await keeper.add('a', clientCredentials({ ...client, validationUrl: `${issuer}/me` }))
  await keeper.getToken('a')
  await keeper.validate('a')
  await clock.until(keeper.revoke('a'))
  await keeper.add('b', authorizationCode({ ...client, pushedAuthorization: true }))
  await keeper.beginConsent('b', { redirectUri: 'http://127.0.0.1/cb' })
  await clock.until(keeper.beginDeviceConsent('b').catch(() => undefined))
  await clock.until(keeper.close())
  return Object.fromEntries(said)
}

const paths = [
  '/.well-known/openid-configuration',
  '/device',
  '/introspect',
  '/me',
  '/par',
  '/revoke',
  '/token',
  '/userinfo',
]

test.each([
  [true, true],
  [false, undefined],
  [undefined, undefined],
])('with privateNetwork %s every request of the client says %s', async (given, said) => {
  const sent = await sentBy(given)
  expect(Object.keys(sent).sort()).toEqual(paths)
  expect([...new Set(Object.values(sent))]).toEqual([said])
})

test('a provider whose name leads into a private network gets nothing, and the reader is told what to say', async () => {
  const clock = new ControlledClock()
  const transport = nodeTransport({
    lookup: (_name, _options, done) => done(null, [{ address: '10.1.2.3', family: 4 }]),
  })
  const keeper = await Keeper.open({ store: memoryStore({ clock, ephemeral: true }), clock, transport })
  await keeper.add('a', clientCredentials({ tokenUrl: `${issuer}/token`, clientId: 'a', clientSecret: 's' }))
  const error = await keeper.getToken('a').catch((reason: unknown) => reason)
  expect(error).toMatchObject({
    code: 'private_address',
    message: expect.stringContaining('sso.corp.example is at 10.1.2.3, an address of a private network'),
    advice: expect.stringContaining('private_network: true for this client'),
  })
  expect(await keeper.show('a')).toMatchObject({ state: 'active', unresolved: false })
  await clock.until(keeper.close())
  transport.close()
})

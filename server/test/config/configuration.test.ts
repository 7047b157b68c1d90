import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { acme, configured, temporaryFolder } from './configured.ts'

/** Every object that can be reached, with the way to it. */
function* objectsIn(value: unknown, way = 'configuration'): Generator<[string, object]> {
  if (typeof value !== 'object' || value === null) return
  yield [way, value]
  for (const [key, member] of Object.entries(value)) yield* objectsIn(member, `${way}.${key}`)
}

describe('an empty evertoken.yaml', () => {
  test('listens on loopback and keeps its data beside the file', () => {
    const folder = temporaryFolder()
    expect(configured('', {}, folder)).toEqual({
      file: path.join(folder, 'evertoken.yaml'),
      listen: { host: '127.0.0.1', port: 7420 },
      publicUrl: 'http://127.0.0.1:7420',
      store: {
        kind: 'sqlite',
        file: path.join(folder, '.evertoken/evertoken.db'),
        keys: [{ id: 'k1', file: path.join(folder, '.evertoken/master.key') }],
      },
      tls: null,
      behindTlsProxy: false,
      grants: [],
    })
  })

  test('is the same when it holds only comments, or a byte order mark', () => {
    expect(configured('# nothing yet\n').grants).toEqual([])
    expect(configured('\u{feff}listen: 127.0.0.1:1').listen.port).toBe(1)
  })
})

describe('a whole evertoken.yaml', () => {
  const whole = `
listen: "[::1]:8420"
public_url: https://tokens.example/
store: sqlite:data/evertoken.db
encryption: { keys: [{ id: k2, file: keys/second.key }, { id: k1, file: /etc/evertoken/first.key }] }
behind_tls_proxy: true
clients:
  acme:
    provider: https://auth.acme.example
    client_id: abc
    client_secret: \${ACME_SECRET}
    refresh_before: 120
  other:
    provider:
      token_url: https://other.example/token
      authorization_url: https://other.example/authorize
    client_id: def
    client_authentication: none
    replay_class: strict
grants:
  billing:
    client: acme
    grant_type: client_credentials
    scope: [read, write]
    resource: https://api.acme.example
    refresh_before: 300
    assumed_lifetime: 600
    labels: { team: money }
    parameters: { audience: api }
    metadata: [instance_url]
  work:
    client: other
    grant_type: authorization_code
    scope: "read  offline_access"
    authorization_parameters: { prompt: consent }
  moved:
    client: other
    grant_type: refresh_token
    refresh_token: rt-1
  robot:
    client: acme
    grant_type: jwt_bearer
    assertion:
      issuer: robot@acme.example
      subject: someone
      audience: [https://auth.acme.example, other]
      lifetime: 120
      claims: { scp: a, nothing: null, deep: { list: [1, true] } }
      header: { x: y }
      key: { algorithm: HS256, key: a-shared-secret, key_id: "7" }
`
  test('becomes definitions with every option in its place', () => {
    const folder = temporaryFolder()
    const configuration = configured(whole, { ACME_SECRET: 's3cret' }, folder)
    const { listen, publicUrl, store, behindTlsProxy } = configuration
    expect({ listen, publicUrl, store, behindTlsProxy }).toEqual({
      listen: { host: '::1', port: 8420 },
      publicUrl: 'https://tokens.example',
      store: {
        kind: 'sqlite',
        file: path.join(folder, 'data/evertoken.db'),
        keys: [
          { id: 'k2', file: path.join(folder, 'keys/second.key') },
          { id: 'k1', file: '/etc/evertoken/first.key' },
        ],
      },
      behindTlsProxy: true,
    })
    const [billing, work, moved, robot] = configuration.grants
    expect(billing).toMatchObject({
      id: 'billing',
      labels: { team: 'money' },
      definition: {
        grantType: 'client_credentials',
        client: {
          provider: { kind: 'issuer', issuer: 'https://auth.acme.example' },
          clientId: 'abc',
          insecureHttp: false,
        },
        scope: ['read', 'write'],
        resource: ['https://api.acme.example'],
        refreshBefore: 300,
        assumedLifetime: 600,
        parameters: { audience: 'api' },
        metadata: ['instance_url'],
        replayClass: 'non_rotating',
      },
    })
    const { authentication } = billing!.definition.client
    expect(authentication.method).toBe('client_secret_basic')
    expect('secret' in authentication && authentication.secret.reveal()).toBe('s3cret')
    expect(work).toMatchObject({
      id: 'work',
      labels: {},
      definition: {
        grantType: 'authorization_code',
        client: {
          provider: {
            kind: 'endpoints',
            metadata: {
              tokenEndpoint: 'https://other.example/token',
              authorizationEndpoint: 'https://other.example/authorize',
            },
          },
          authentication: { method: 'none' },
        },
        scope: ['read', 'offline_access'],
        authorizationParameters: { prompt: 'consent' },
        replayClass: 'strict',
      },
    })
    expect(moved!.definition.refreshToken!.reveal()).toBe('rt-1')
    expect(robot!.definition).toMatchObject({
      refreshBefore: 120,
      assertion: {
        issuer: 'robot@acme.example',
        subject: 'someone',
        audience: ['https://auth.acme.example', 'other'],
        lifetime: 120,
        claims: { scp: 'a', nothing: null, deep: { list: [1, true] } },
        header: { x: 'y' },
        key: { algorithm: 'HS256', keyId: '7' },
      },
    })
    expect(robot!.definition.assertion!.key.key.reveal()).toBe('a-shared-secret')
  })

  test('cannot be changed any more', () => {
    const configuration = configured(whole, { ACME_SECRET: 's3cret' })
    const soft = [...objectsIn(configuration)].filter(([, object]) => !Object.isFrozen(object))
    expect(soft.map(([way]) => way)).toEqual([])
  })

  test('shows no secret when it is printed', () => {
    const configuration = configured(whole, { ACME_SECRET: 's3cret-canary' })
    const shown = JSON.stringify(configuration) + String(configuration)
    expect(shown).toContain('billing')
    expect(shown).not.toMatch(/s3cret-canary|a-shared-secret|rt-1/)
  })
})

describe('addresses', () => {
  test.each([
    ['127.0.0.1:0', '127.0.0.1', 0, 'http://127.0.0.1:0'],
    ['localhost:8080', 'localhost', 8080, 'http://localhost:8080'],
    ['0.0.0.0:7420', '0.0.0.0', 7420, 'http://127.0.0.1:7420'],
    ['"[::]:7420"', '::', 7420, 'http://[::1]:7420'],
    ['tokens.internal:443', 'tokens.internal', 443, 'http://tokens.internal:443'],
  ])('listen: %s', (text, host, port, publicUrl) => {
    expect(configured(`listen: ${text}`)).toMatchObject({ listen: { host, port }, publicUrl })
  })
})

test('a client named like a member of every object is a client like any other', () => {
  const yaml = acme().replaceAll('acme:', '__proto__:').replace('client: acme', 'client: __proto__')
  expect(configured(yaml).grants[0]!.definition.client.clientId).toBe('abc')
})

test('a grant inherits the timing of its client and may say otherwise', () => {
  const client = '    refresh_before: 60\n    assumed_lifetime: 90\n'
  expect(configured(acme({ client })).grants[0]!.definition).toMatchObject({
    refreshBefore: 60,
    assumedLifetime: 90,
  })
  const grant = '    refresh_before: 0\n'
  expect(configured(acme({ client, grant })).grants[0]!.definition).toMatchObject({
    refreshBefore: 0,
    assumedLifetime: 90,
  })
})

test('an anchor may be used again', () => {
  const yaml = `${acme({ grant: '    scope: &both [read, write]\n' })}  other: { client: acme, grant_type: client_credentials, scope: *both }\n`
  expect(configured(yaml).grants.map(({ definition }) => definition.scope)).toEqual([
    ['read', 'write'],
    ['read', 'write'],
  ])
})

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is what people write into the file
import path from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { locationOf } from '../../src/config/store-address.ts'
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
        folder: path.join(folder, '.evertoken'),
        keys: [{ id: 'k1', file: path.join(folder, '.evertoken/master.key') }],
      },
      tls: null,
      behindTlsProxy: false,
      privateNetwork: false,
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
      device_authorization_url: https://other.example/device
      pushed_authorization_request_url: https://other.example/par
    pushed_authorization: true
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
        folder: path.join(folder, 'data'),
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
        facts: { replayClass: 'non_rotating', refresh: 'ahead' },
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
          deviceAuthorizationEndpoint: 'https://other.example/device',
          pushedAuthorizationRequestEndpoint: 'https://other.example/par',
          pushedAuthorization: true,
        },
        scope: ['read', 'offline_access'],
        authorizationParameters: { prompt: 'consent' },
        facts: { replayClass: 'strict', reuseWindow: 0, oldTokenDies: false, introspection: false },
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

describe('what a client says of the life of its tokens', () => {
  const login = (client: string, grant = '') =>
    acme({ client, grant: `    refresh_token: rt-1\n${grant}` }).replace(
      'client_credentials',
      'refresh_token',
    )
  const factsOf = (client: string, grant?: string) =>
    configured(login(client, grant)).grants[0]!.definition.facts

  test('is read, in seconds', () => {
    const facts = factsOf(`
    replay_class: last_child_wins
    reuse_window: 30
    quiescence: 60
    old_token_dies: true
    canary: https://api.acme.example/me
    introspection: true
    refresh_token_lifetime: 15552000
    refresh_token_idle: 604800
    refresh: on_demand
    refresh_rate: 0.5
    minimum_age: 570
    login_limit: { count: 5, per: user }
`)
    expect(facts).toEqual({
      replayClass: 'last_child_wins',
      reuseWindow: 30_000,
      quiescence: 60_000,
      oldTokenDies: true,
      canary: 'https://api.acme.example/me',
      introspection: true,
      refreshTokenLifetime: 15_552_000_000,
      refreshTokenIdle: 604_800_000,
      refresh: 'on_demand',
      refreshRate: 0.5,
      minimumAge: 570_000,
      loginLimit: { count: 5, per: 'user' },
    })
  })

  test('gives way to a class of the grant, whose window is its own', () => {
    const client = '    replay_class: idempotent\n    reuse_window: 30\n'
    expect(factsOf(client)).toMatchObject({ replayClass: 'idempotent', reuseWindow: 30_000 })
    expect(factsOf(client, '    reuse_window: 10\n')).toMatchObject({
      replayClass: 'idempotent',
      reuseWindow: 10_000,
    })
    expect(factsOf(client, '    replay_class: strict\n')).toMatchObject({
      replayClass: 'strict',
      reuseWindow: 0,
    })
    expect(factsOf(client, '    replay_class: fork\n    reuse_window: 20\n')).toMatchObject({
      replayClass: 'fork',
      reuseWindow: 20_000,
    })
  })

  test('may name endpoints beside an issuer, which is still discovered', () => {
    const provider =
      '{ issuer: https://auth.acme.example, revocation_url: https://auth.acme.example/revoke, introspection_url: https://auth.acme.example/introspect }'
    const [grant] = configured(acme().replace('https://auth.acme.example', provider)).grants
    expect(grant!.definition.client).toMatchObject({
      provider: { kind: 'issuer', issuer: 'https://auth.acme.example' },
      revocationEndpoint: 'https://auth.acme.example/revoke',
      introspectionEndpoint: 'https://auth.acme.example/introspect',
    })
  })
})

describe('a store on PostgreSQL', () => {
  const environment = {
    DATABASE_URL: 'postgresql://ann:s3cret-canary@db.example:6432/tokens?sslmode=require',
  }

  test('is a URL, with a folder of this host beside the file', () => {
    const folder = temporaryFolder()
    const { store } = configured('store: ${DATABASE_URL}', environment, folder)
    expect(store).toMatchObject({
      kind: 'postgres',
      folder: path.join(folder, '.evertoken'),
      keys: [{ id: 'k1', file: path.join(folder, '.evertoken/master.key') }],
    })
    expect('url' in store && store.url.reveal()).toBe(environment.DATABASE_URL)
    expect(locationOf(store)).toBe('postgres://db.example:6432/tokens')
  })

  test('has that folder where data_folder says', () => {
    const { store } = configured('store: ${DATABASE_URL}\ndata_folder: /var/lib/evertoken', environment)
    expect(store).toMatchObject({
      folder: '/var/lib/evertoken',
      keys: [{ id: 'k1', file: '/var/lib/evertoken/master.key' }],
    })
  })

  test('shows no password when it is printed', () => {
    const configuration = configured('store: ${DATABASE_URL}', environment)
    expect(JSON.stringify(configuration) + inspect(configuration, { depth: 9 })).not.toContain('canary')
  })
})

test('an anchor may be used again', () => {
  const yaml = `${acme({ grant: '    scope: &both [read, write]\n' })}  other: { client: acme, grant_type: client_credentials, scope: *both }\n`
  expect(configured(yaml).grants.map(({ definition }) => definition.scope)).toEqual([
    ['read', 'write'],
    ['read', 'write'],
  ])
})

describe('private_network', () => {
  const reachOf = (top: string, client: string) => {
    const { privateNetwork, grants } = configured(`${top}\n${acme({ client })}`)
    return [privateNetwork, grants[0]?.definition.client.privateNetwork]
  }

  test('is false, and a client may say otherwise', () => {
    expect(reachOf('', '')).toEqual([false, undefined])
    expect(reachOf('', '    private_network: true\n')).toEqual([false, true])
  })

  test('at the top is for every client that does not say it itself, and for grants that are added', () => {
    expect(reachOf('private_network: true', '')).toEqual([true, true])
    expect(reachOf('private_network: true', '    private_network: false\n')).toEqual([true, undefined])
  })
})

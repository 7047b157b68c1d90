import { describe, expect, test } from 'vitest'
import { clientCredentials } from '../../src/grants/definition.ts'
import { otherHosts } from '../../src/grants/endpoint-hosts.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import type { Transport } from '../../src/oauth/transport.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { ControlledClock } from './controlled-clock.ts'

const issuer = 'https://accounts.provider.example'
const hour = 3_600_000

/** An issuer whose metadata the test changes; `sent` are the hosts that a secret went to. */
function provider() {
  const sent: string[] = []
  const endpoints: Record<string, string> = { token_endpoint: 'https://oauth2.other.example/token' }
  const transport: Transport = async ({ method, url }) => {
    const json = (body: object) => ({ status: 200, headers: {}, body: JSON.stringify(body) })
    if (method === 'GET') return json({ issuer, ...endpoints })
    sent.push(new URL(url).host)
    return json({ access_token: `at-${sent.length}`, token_type: 'Bearer', expires_in: 60 })
  }
  return { transport, endpoints, sent }
}

const definition = (more: object = {}) =>
  clientCredentials({ issuer, clientId: 'client-1', clientSecret: 'secret-1', ...more })

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: { code: string; message: string; advice?: string }) => error,
  )

describe('where an issuer may send the secrets of a client', () => {
  test('is where it did when it was first asked, be that another domain', async () => {
    const { transport, endpoints, sent } = provider()
    const clock = new ControlledClock()
    const keeper = await Keeper.open({ store: memoryStore({ clock, ephemeral: true }), clock, transport })
    await keeper.add('a', definition())
    await keeper.getToken('a')
    endpoints.token_endpoint = 'https://evil.example/token'
    await clock.advance(2 * hour)
    const refused = await failure(keeper.refresh('a'))
    expect(refused).toMatchObject({
      code: 'endpoint_moved',
      message: expect.stringContaining(`${issuer} has its token_endpoint at evil.example now`),
      advice: expect.stringContaining('endpoint_hosts'),
    })
    expect(new Set(sent)).toEqual(new Set(['oauth2.other.example']))
    endpoints.token_endpoint = 'https://oauth2.other.example/token'
    await keeper.refresh('a')
    await keeper.close()
  })

  test('is remembered for the client by every process, and another client begins anew', async () => {
    const { transport, endpoints, sent } = provider()
    const file = newStoreFile()
    const clock = new ControlledClock()
    const open = () => Keeper.open({ store: sqliteStore(file, { clock }), clock, transport })
    const keeper = await open()
    await keeper.add('a', definition())
    await keeper.getToken('a')
    await keeper.close()
    endpoints.token_endpoint = 'https://moved.example/token'
    const other = await open()
    expect(await failure(other.refresh('a'))).toMatchObject({ code: 'endpoint_moved' })
    await other.add('b', clientCredentials({ issuer, clientId: 'client-2', clientSecret: 'secret-2' }))
    await other.getToken('b')
    expect(sent.at(-1)).toBe('moved.example')
    // Somebody has looked.
    await other.ensure('a', definition({ endpointHosts: ['moved.example'] }))
    await other.refresh('a')
    await other.close()
  })

  // Nothing but the own host was named at first: that is a fact too.
  test('does not move away from the issuer by itself', async () => {
    const { transport, endpoints } = provider()
    endpoints.token_endpoint = `${issuer}/token`
    const clock = new ControlledClock()
    const keeper = await Keeper.open({ store: memoryStore({ clock, ephemeral: true }), clock, transport })
    await keeper.add('a', definition())
    await keeper.getToken('a')
    await clock.advance(2 * hour)
    endpoints.token_endpoint = 'https://token.accounts.provider.example/token'
    await keeper.refresh('a')
    await clock.advance(2 * hour)
    endpoints.revocation_endpoint = 'https://evil.example/revoke'
    expect(await failure(keeper.refresh('a'))).toMatchObject({
      code: 'endpoint_moved',
      message: expect.stringContaining('revocation_endpoint at evil.example'),
    })
    await keeper.close()
  })

  test.each([
    ['https://a.example', { tokenEndpoint: 'https://a.example/t' }, []],
    ['https://a.example', { tokenEndpoint: 'https://x.a.example/t' }, []],
    ['https://a.example', { tokenEndpoint: 'https://xa.example/t' }, ['xa.example']],
    ['https://x.a.example', { tokenEndpoint: 'https://a.example/t' }, ['a.example']],
    ['https://a.example', { tokenEndpoint: 'https://a.example:444/t' }, ['a.example:444']],
    [
      'https://a.example',
      {
        tokenEndpoint: 'https://a.example/t',
        authorizationEndpoint: 'https://b.example/',
        userinfoEndpoint: 'https://c.example',
      },
      ['c.example'],
    ],
  ])('%s that names %o has others: %j', (own, server, hosts) => {
    expect([...otherHosts(own, server).keys()]).toEqual(hosts)
  })

  test.each(['https://a.example', 'a.example/x', 'a@b.example', '', 'a b'])('cannot be %j', (host) => {
    expect(() => definition({ endpointHosts: [host] })).toThrow(/endpointHosts: .* is no host/)
  })
})

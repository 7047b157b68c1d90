import { once } from 'node:events'
import https from 'node:https'
import net, { type AddressInfo } from 'node:net'
import { Keeper, memoryStore, Secret } from 'evertoken'
import { describe, expect, onTestFinished, test } from 'vitest'
import { selfSigned } from '../../../library/test/oauth/certificate.ts'
import { createApiKey } from '../../src/broker/api-key.ts'
import { type RunningBrokerOptions, startBroker } from '../../src/broker/broker.ts'
import { grantDescription } from '../../src/config/grant-description.ts'

async function options(more: Partial<RunningBrokerOptions> = {}): Promise<RunningBrokerOptions> {
  const keeper = await Keeper.open({ store: memoryStore({ ephemeral: true }) })
  onTestFinished(() => keeper.close())
  return { keeper, grantDescription, host: '127.0.0.1', port: 0, ...more }
}

async function started(more: Partial<RunningBrokerOptions> = {}) {
  const given = await options(more)
  const broker = await startBroker(given)
  onTestFinished(() => broker.close())
  return { broker, keeper: given.keeper }
}

const originOf = async (url: string) =>
  ((await (await fetch(`${url}/openapi.json`)).json()) as { servers: { url: string }[] }).servers[0]?.url

describe('starting', () => {
  test('on port 0 takes a free one, which the own address then has', async () => {
    const { broker } = await started()
    expect(broker.port).toBeGreaterThan(0)
    expect(broker.url).toBe(`http://127.0.0.1:${broker.port}`)
    expect(await originOf(broker.url)).toBe(broker.url)
    const other = await started({ publicUrl: 'http://localhost:0' })
    expect(await originOf(other.broker.url)).toBe(`http://localhost:${other.broker.port}`)
  })

  test('with a public address goes by that', async () => {
    const { broker } = await started({ publicUrl: 'https://tokens.example' })
    expect(await originOf(broker.url)).toBe('https://tokens.example')
  })

  test.each(['0.0.0.0', '::', '192.0.2.1', 'tokens.example', '127.0.0.1.example', ''])(
    'on %j without TLS is refused',
    async (host) => {
      await expect(startBroker(await options({ host }))).rejects.toMatchObject({
        code: 'listen_not_loopback',
        advice: expect.stringContaining('behind_tls_proxy: true'),
      })
    },
  )

  test('on every address is possible behind a proxy that ends TLS', async () => {
    const { broker } = await started({ host: '0.0.0.0', behindTlsProxy: true })
    expect(broker.url).toBe(`http://127.0.0.1:${broker.port}`)
    expect((await fetch(`${broker.url}/healthz`)).status).toBe(200)
  })

  test.each(['127.0.0.1', '127.8.9.10', 'localhost', 'LOCALHOST'])('on %s is fine', async (host) => {
    await expect(started({ host })).resolves.toBeDefined()
  })

  test('on a port that is taken says which and how to take another', async () => {
    const other = net.createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    onTestFinished(() => void other.close())
    const { port } = other.address() as AddressInfo
    const error = await startBroker(await options({ port })).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'port_taken',
      message: `port ${port} on 127.0.0.1 is taken by another program`,
      advice: expect.stringContaining(`--listen 127.0.0.1:${port + 1}`),
    })
  })

  test('on an address of another machine says so', async () => {
    const given = await options({ host: '192.0.2.1', behindTlsProxy: true })
    await expect(startBroker(given)).rejects.toMatchObject({ code: 'invalid_configuration' })
  })

  test('with a certificate speaks https, from TLS 1.2 on', async () => {
    const { cert, key } = selfSigned('127.0.0.1')
    const { broker, keeper } = await started({ tls: { cert, key: new Secret(key) } })
    expect(broker.url).toBe(`https://127.0.0.1:${broker.port}`)
    const authorization = `Bearer ${(await createApiKey(keeper.store, { label: 'a', rights: 'read' })).reveal()}`
    const status = (options: https.RequestOptions): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        https
          .get(
            `${broker.url}/v1/grants`,
            { ca: cert, headers: { authorization }, agent: false, ...options },
            (answer) => {
              answer.resume()
              resolve(answer.statusCode)
            },
          )
          .on('error', reject)
      })
    expect(await status({})).toBe(200)
    await expect(status({ maxVersion: 'TLSv1.1', minVersion: 'TLSv1' })).rejects.toThrow()
    await expect(fetch(`http://127.0.0.1:${broker.port}/healthz`)).rejects.toThrow()
  })
})

test.each([
  ['no certificate', { cert: 'nothing', key: selfSigned('127.0.0.1').key }],
  ['no key', { cert: selfSigned('127.0.0.1').cert, key: 'canary' }],
  ['the key of another', { cert: selfSigned('127.0.0.1').cert, key: selfSigned('127.0.0.1').key }],
])('a certificate that is %s is refused before anything listens', async (_, tls) => {
  const error = await startBroker(await options({ tls })).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({
    code: 'invalid_configuration',
    message: 'the certificate and key for TLS cannot be used',
  })
  expect(String((error as Error).cause)).not.toContain('canary')
})

describe('closing', () => {
  test('lets go of idle connections and of the port, and may be asked for twice', async () => {
    const { broker } = await started()
    const idle = net.connect(broker.port, '127.0.0.1')
    idle.on('error', () => undefined)
    await once(idle, 'connect')
    await fetch(`${broker.url}/healthz`)
    const began = performance.now()
    idle.destroy()
    await Promise.all([broker.close(), broker.close(), broker[Symbol.asyncDispose]()])
    expect(performance.now() - began).toBeLessThan(2_000)
    await expect(fetch(`${broker.url}/healthz`)).rejects.toThrow()
  })

  test('leaves the keeper open', async () => {
    const { broker, keeper } = await started()
    await broker.close()
    expect(await keeper.list()).toEqual([])
  })
})

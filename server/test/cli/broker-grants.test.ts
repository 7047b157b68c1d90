import http from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  brokerSource,
  clientCredentials,
  EvertokenError,
  InvalidGrantError,
  InvalidScopeError,
  ProviderError,
  systemClock,
} from 'evertoken'
import { expect, onTestFinished, test } from 'vitest'
import { openBroker } from '../../src/cli/broker-grants.ts'
import type { Environment } from '../../src/cli/environment.ts'
import { practisedBroker, service } from '../broker/practised-broker.ts'

/** A broker on a port of the system's choice, whose provider answers as it is told to, and the command's way to it. */
async function refusing(status: number, body: object) {
  const at = await practisedBroker({
    practice: {
      respond: ({ path }) => (path === '/token' ? { status, body: JSON.stringify(body) } : undefined),
    },
  })
  const url = await at.app.listen({ port: 0, host: '127.0.0.1' })
  const grants = (key: string) => {
    const { signal } = new AbortController()
    const environment = { env: { EVERTOKEN_KEY: key }, cwd: '/', clock: systemClock, signal }
    return openBroker(url, {}, environment as unknown as Environment)
  }
  await at.keeper.add('billing', service(at.practice))
  const failure = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => undefined,
      (error) => error,
    )
  return { ...at, url, grants, failure }
}

// The command told them as plain errors, without the provider's words.
test.each([
  [400, 'invalid_scope', InvalidScopeError],
  [400, 'invalid_grant', InvalidGrantError],
  [403, 'invalid_grant', InvalidGrantError],
  [401, 'invalid_client', ProviderError],
])(
  'what a provider refuses with %i %s is of the same class with the same words by every way',
  async (status, error, type) => {
    const at = await refusing(status, { error, error_description: 'not for you' })
    const words = { code: error, grant: 'billing', status, error, errorDescription: 'not for you' }
    const near = await at.failure(at.keeper.refresh('billing'))
    const far = await at.failure(at.grants(at.adminKey).refresh('billing', AbortSignal.timeout(30_000)))
    const source = brokerSource({ url: at.url, key: at.readKey, grant: 'billing' })
    const read = await at.failure(source.getToken())
    for (const thrown of [near, far, read]) {
      expect(thrown).toBeInstanceOf(type)
      expect(thrown).toMatchObject(words)
    }
    expect((await at.grants(at.adminKey).show('billing')).lastError).toMatchObject({
      code: error,
      error,
      errorDescription: 'not for you',
      status,
    })
  },
)

test('a provider that does not answer has said nothing', async () => {
  const at = await refusing(200, {})
  await at.keeper.add(
    'away',
    clientCredentials({ tokenUrl: 'http://127.0.0.1:9/token', clientId: 'a', clientSecret: 's' }),
  )
  const thrown = await at.failure(at.grants(at.adminKey).refresh('away', AbortSignal.timeout(30_000)))
  expect(thrown).toBeInstanceOf(ProviderError)
  expect(thrown).toMatchObject({ code: 'provider_unreachable', status: undefined, error: undefined })
})

test('whoever gives a wrong key is told of the flag, and not of a header', async () => {
  const at = await refusing(200, {})
  const thrown = await at.failure(at.grants('evt_wrong').list())
  expect(thrown).toBeInstanceOf(EvertokenError)
  expect(thrown).toMatchObject({ code: 'unauthorized', advice: expect.stringContaining('--key-file') })
})

test('an answer without an end is read no further than a broker would write', async () => {
  let written = 0
  const endless = http.createServer((_, response) => {
    const chunk = Buffer.alloc(1_048_576, ' ')
    const more = (): void => {
      while (!response.destroyed) {
        written += chunk.length
        if (!response.write(chunk)) return void response.once('drain', more)
      }
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    more()
  })
  await new Promise<void>((resolve) => endless.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void endless.close())
  const url = `http://127.0.0.1:${(endless.address() as AddressInfo).port}`
  const { signal } = new AbortController()
  const environment = { env: { EVERTOKEN_KEY: 'evt_a_b' }, cwd: '/', clock: systemClock, signal }
  await expect(
    openBroker(url, {}, environment as unknown as Environment).show('billing'),
  ).rejects.toMatchObject({
    code: 'broker_unreachable',
    message: expect.stringContaining('its answer is larger than 33554432 bytes'),
  })
  expect(written).toBeLessThan(64 * 1_048_576)
})

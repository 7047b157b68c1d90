import { expect, test } from 'vitest'
import { practised } from './practised.ts'

const minute = 60_000
const clientSecret = ['practice-web-secret', 'practice-web-secret-2']

/** A login of a client whose secret is being rotated. */
async function rotating(options: Parameters<typeof practised>[0] = {}) {
  const at = await practised(options)
  const definition = at.app({
    clientId: 'practice-web',
    clientSecret,
    clientAuthentication: 'client_secret_post',
  })
  await at.keeper.add('work', definition)
  await at.login('work')
  const before = at.tokenRequests().length
  return {
    ...at,
    statuses: () =>
      at
        .tokenRequests()
        .slice(before)
        .map(({ status }) => status),
  }
}

// A used refresh token ends the login here: it was not used when the client was not let in.
test('a strict login outlives the end of its first secret, without a failure, and the next refresh begins with the second', async () => {
  const { keeper, server, clock, run, told, statuses } = await rotating()
  server.setClientSecret('practice-web', 'practice-web-secret-2')
  expect(await run(keeper.refresh('work'))).toMatchObject({ generation: 2 })
  expect(statuses()).toEqual([401, 200])
  expect(await keeper.show('work')).toMatchObject({ state: 'active', failures: 0, lastError: undefined })
  // The first is the login's.
  expect(told.map(([event]) => event)).toEqual(['refreshed', 'refreshed'])
  await clock.advance(minute)
  expect(await run(keeper.refresh('work'))).toMatchObject({ generation: 3 })
  expect(statuses()).toEqual([401, 200, 200])
})

test('of refusals that a success followed the circuit hears nothing, however many', async () => {
  const { keeper, server, run, service } = await practised()
  // Both are unknown to the process, so that each grant begins with a refusal.
  const names = Array.from({ length: 30 }, (_, index) => `service-${index}`)
  server.setClientSecret('practice-service', 'right')
  for (const name of names) await keeper.add(name, service({ clientSecret: [`wrong-${name}`, 'right'] }))
  for (const name of names) expect(await run(keeper.getToken(name))).toMatchObject({ generation: 1 })
  const [{ circuit }] = [await keeper.store.read('service-0')] as [{ circuit: string }]
  expect(await keeper.store.readCircuit(circuit)).toBeUndefined()
})

test('two secrets that are both wrong are one failure, which leaves the login as it was', async () => {
  const { keeper, server, failure, run, clock, statuses } = await rotating()
  server.setClientSecret('practice-web', 'another')
  expect(await failure(keeper.refresh('work'))).toMatchObject({ code: 'invalid_client' })
  expect(statuses()).toEqual([401, 401])
  expect(await keeper.show('work')).toMatchObject({ state: 'active', failures: 1 })
  server.setClientSecret('practice-web', 'practice-web-secret')
  await clock.advance(10 * minute)
  expect(await run(keeper.refresh('work'))).toMatchObject({ generation: 2 })
})

test('a second request without an answer leaves the refresh token in doubt, as a first one would', async () => {
  const { keeper, server, failure, statuses, answerWith } = await rotating({ timing: { patience: 100 } })
  server.setClientSecret('practice-web', 'practice-web-secret-2')
  answerWith(({ parameters }) => (parameters.client_secret === 'practice-web-secret-2' ? 'close' : undefined))
  expect(await failure(keeper.refresh('work'))).toMatchObject({ code: 'provider_unreachable' })
  expect(statuses()[0]).toBe(401)
  const record = await keeper.store.read('work')
  expect(record?.attempts).toHaveLength(1)
  expect(record?.attempts[0]?.sentAt).toEqual(expect.any(Number))
})

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { SignJWT } from 'jose'
import { expect, onTestFinished, test } from 'vitest'
import { testKeys } from '../oauth/keys.ts'
import { practised, redirectUri } from './practised.ts'

const minute = 60_000
const platform = { issuer: 'https://platform.example', subject: 'repo:acme/billing' }

/** A login of a client for which a platform signs, its access token about to expire. */
async function login(lifetimes: { introspection?: boolean } = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'evertoken-assertion-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'token')
  const at = await practised({
    practice: {
      clients: [
        {
          clientId: 'billing',
          authentication: {
            method: 'private_key_jwt',
            algorithm: 'ES256',
            key: testKeys.ES256.publicKey.export({ format: 'jwk' }),
            platform,
          },
          redirectUris: [redirectUri],
          grantTypes: ['authorization_code', 'refresh_token'],
        },
      ],
    },
  })
  /** What the platform does again and again. */
  const renew = async () =>
    fs.writeFileSync(
      file,
      await new SignJWT({ iss: platform.issuer, sub: platform.subject, aud: at.server.issuer })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuedAt(at.clock.now() / 1000)
        .setExpirationTime(at.clock.now() / 1000 + 86_400)
        .sign(testKeys.ES256.privateKey),
    )
  await renew()
  const change = { clientId: 'billing', clientAssertionFile: file, ...lifetimes }
  await at.keeper.add('work', at.app(change))
  await at.login('work')
  await at.clock.advance(50 * minute)
  return { ...at, file, renew, tend: () => at.run(at.keeper.tend('work')) }
}

test('while the file is gone nothing is sent and no refresh token is in doubt; when it is back the grant goes on', async () => {
  const { keeper, clock, run, failure, file, renew, tokenRequests, tend } = await login()
  const before = tokenRequests().length
  fs.rmSync(file)
  expect(await tend()).toMatchObject({
    kind: 'failed',
    outcome: { verdict: 'not_sent', failure: { code: 'key_file_unreadable' } },
  })
  expect(tokenRequests()).toHaveLength(before)
  expect(await keeper.show('work')).toMatchObject({ state: 'active', unresolved: false, generation: 1 })
  expect((await keeper.store.read('work'))?.attempts).toEqual([])
  const error = await failure(keeper.refresh('work'))
  expect(error).toMatchObject({ code: 'key_file_unreadable', advice: expect.stringContaining('renews') })
  expect(error.message).toContain(file)
  expect(error.name).toBe('EvertokenError')
  await renew()
  await clock.advance(9 * minute)
  await tend()
  expect(await run(keeper.getToken('work'))).toMatchObject({ generation: 2 })
  expect(tokenRequests()).toHaveLength(before + 1)
})

test('the circuit hears nothing of a file that is gone: the provider has done nothing', async () => {
  const { keeper, file, tend } = await login()
  fs.rmSync(file)
  await tend()
  const circuit = (await keeper.store.read('work'))?.circuit ?? ''
  // Of the provider nothing is known but where its endpoints are.
  expect(await keeper.store.readCircuit(circuit)).toMatchObject({
    straight: 0,
    window: { total: 0 },
    hosts: [],
  })
})

test('a revocation waits for the file', async () => {
  const { keeper, clock, file, renew, run, tend } = await login()
  fs.rmSync(file)
  await run(keeper.revoke('work'))
  expect(await keeper.show('work')).toMatchObject({
    state: 'revoking',
    lastError: { message: expect.stringContaining(`the client assertion file ${file} cannot be read`) },
  })
  await renew()
  await clock.advance(60 * minute)
  await tend()
  expect(await keeper.show('work')).toMatchObject({ state: 'revoked' })
})

// What was thrown in the probe came out of the refresh, and nothing was stored of it.
test('a probe that cannot prove itself knows nothing, and the grant waits until it can', async () => {
  const { keeper, file, renew, pass, answerWith, tokenRequests, tend } = await login({ introspection: true })
  answerWith('close')
  expect(await tend()).toMatchObject({ kind: 'failed', outcome: { verdict: 'ambiguous' } })
  answerWith(undefined)
  await pass(2.5 * minute, minute / 2)
  const before = tokenRequests().length
  fs.rmSync(file)
  expect(await tend()).toMatchObject({ kind: 'backoff' })
  expect(await keeper.show('work')).toMatchObject({ state: 'active', unresolved: true, generation: 1 })
  expect(tokenRequests()).toHaveLength(before)
  await renew()
  await pass(minute, minute / 2)
  await tend()
  expect(await keeper.show('work')).toMatchObject({ state: 'active', unresolved: false, generation: 2 })
})

// A login on another device (RFC 8628) at oidc-provider, a certified server that nobody here wrote.

import { systemClock } from 'evertoken'
import { expect, onTestFinished, test } from 'vitest'
import { consentForDevice } from './browser.ts'
import { clientKey, clientKeyId, secrets } from './clients.ts'
import { login, testKeeper } from './login.ts'
import { startOidcProvider } from './provider-process.ts'

/** The provider names no interval and counts none; five seconds would only be waited for. */
const hasty = {
  ...systemClock,
  sleep: (ms: number, options?: Parameters<typeof systemClock.sleep>[1]) =>
    systemClock.sleep(Math.min(ms, 100), options),
}

async function started() {
  const provider = await startOidcProvider({ lifetime: 60 })
  onTestFinished(() => provider[Symbol.asyncDispose]())
  const keeper = await testKeeper({ clock: hasty })
  return { provider, keeper }
}

test.each([
  ['a client with a secret', { clientId: 'basic', clientSecret: secrets.basic }],
  [
    'a client that signs',
    {
      clientId: 'signs',
      clientSecret: undefined,
      signingKey: { algorithm: 'ES256', key: clientKey, keyId: clientKeyId } as const,
    },
  ],
  ['a public client', { clientId: 'public', clientSecret: undefined }],
])('%s gets a login that goes on', async (_name, client) => {
  const { provider, keeper } = await started()
  await keeper.add('work', login(provider.issuer, client))
  const shown = await keeper.beginDeviceConsent('work')
  expect(shown).toMatchObject({
    userCode: expect.stringMatching(/^[A-Z]{4}-[A-Z]{4}$/),
    verificationUri: `${provider.issuer}/device`,
    verificationUriComplete: `${provider.issuer}/device?user_code=${shown.userCode}`,
    interval: 5_000,
  })
  await expect
    .poll(() => provider.requests().map(({ error }) => error), { timeout: 10_000 })
    .toContain('authorization_pending')
  await consentForDevice(shown.verificationUriComplete ?? '')
  expect(await shown.finished).toMatchObject({ state: 'active', generation: 1 })
  const token = await keeper.getToken('work')
  expect(await provider.introspect(token.value)).toMatchObject({ active: true, sub: 'alice' })
  expect(await keeper.refresh('work')).toMatchObject({ generation: 2 })
  const [issued, spent] = provider.requests().filter(({ outcome }) => outcome === 'success')
  expect(issued?.grantType).toBe('urn:ietf:params:oauth:grant-type:device_code')
  expect(spent).toMatchObject({ grantType: 'refresh_token', spent: issued?.issued })
})

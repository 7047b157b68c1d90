import path from 'node:path'
import type { ScriptedResponse } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { newMasterKey, sqliteStore, writeKeyFile } from '../../src/stores/sqlite/store.ts'
import { newStoreFile, temporaryFolder } from '../stores/sqlite-files.ts'
import { practised, redirectUri } from './practised.ts'

const json = (body: object): ScriptedResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})
const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

describe.each(['memory', 'sqlite'])('who logged in, on %s', (kind) => {
  /** An OpenID provider whose every id_token the test writes. */
  async function provider(promises = true) {
    const file = newStoreFile()
    const at = await practised(kind === 'sqlite' ? { store: (clock) => sqliteStore(file, { clock }) } : {})
    let claims: object | undefined = {}
    let nonce: string | null = null
    let count = 0
    at.answerWith(({ path: place, parameters }) => {
      if (place === '/.well-known/openid-configuration')
        return json({
          issuer: at.server.issuer,
          token_endpoint: at.server.tokenEndpoint,
          authorization_endpoint: `${at.server.issuer}/authorize`,
          device_authorization_endpoint: `${at.server.issuer}/device`,
          ...(promises ? { id_token_signing_alg_values_supported: ['RS256'] } : {}),
        })
      if (place === '/device')
        return json({
          device_code: 'device-code-1',
          user_code: 'AB-CD',
          verification_uri: 'https://a.example',
          expires_in: 600,
        })
      if (place !== '/token') return undefined
      count += 1
      const said = {
        iss: at.server.issuer,
        sub: 'ada',
        aud: 'practice-app',
        exp: at.clock.now() / 1000 + 3600,
        ...(parameters.grant_type === 'authorization_code' ? { nonce } : {}),
        ...claims,
      }
      return json({
        access_token: `access-${count}`,
        refresh_token: `refresh-${count}`,
        expires_in: 3600,
        ...(claims === undefined ? {} : { id_token: `${encoded({ alg: 'RS256' })}.${encoded(said)}.x` }),
      })
    })
    const begin = async (otherAccount?: boolean) => {
      const request = await at.run(at.keeper.beginConsent('work', { redirectUri, otherAccount }))
      nonce = new URL(request.url).searchParams.get('nonce')
      return () =>
        at.run(at.keeper.finishConsent(new URL(`${redirectUri}?code=code-1&state=${request.state}`)))
    }
    return {
      ...at,
      begin,
      login: async (otherAccount?: boolean) => (await begin(otherAccount))(),
      says: (next: object | undefined) => {
        claims = next
      },
    }
  }

  test('is believed of an id_token that answers this request', async () => {
    const at = await provider()
    await at.keeper.add('work', at.app({ scope: 'openid' }))
    expect(await at.login()).toMatchObject({ state: 'active', generation: 1 })
    expect(await at.login()).toMatchObject({ state: 'active', generation: 2 })
  })

  test.each<[string, object]>([
    ['of another login', { nonce: 'another' }],
    ['of another issuer', { iss: 'https://evil.example' }],
    ['for another client', { aud: 'practice-service' }],
    ['that is over', { exp: 1 }],
  ])('is not believed of an id_token %s: the grant stays as it was', async (_, claims) => {
    const at = await provider()
    await at.keeper.add('work', at.app({ scope: 'openid' }))
    at.says(claims)
    expect(await at.failure(at.login())).toMatchObject({ code: 'id_token_invalid' })
    expect(await at.keeper.show('work')).toMatchObject({ state: 'pending', generation: 0 })
  })

  test('must be said where the metadata promises it, and need not be elsewhere', async () => {
    const at = await provider()
    await at.keeper.add('work', at.app({ scope: 'openid' }))
    at.says(undefined)
    expect(await at.failure(at.login())).toMatchObject({
      code: 'id_token_invalid',
      message: expect.stringContaining('its metadata promises one'),
    })
    const silent = await provider(false)
    await silent.keeper.add('work', silent.app({ scope: 'openid' }))
    silent.says(undefined)
    expect(await silent.login()).toMatchObject({ state: 'active' })
    const unasked = await provider()
    await unasked.keeper.add('work', unasked.app({ scope: 'read' }))
    unasked.says(undefined)
    expect(await unasked.login()).toMatchObject({ state: 'active' })
  })

  test('must be the account of before, unless somebody says otherwise', async () => {
    const at = await provider()
    await at.keeper.add('work', at.app({ scope: 'openid' }))
    await at.login()
    at.says({ sub: 'bob' })
    const error = await at.failure(at.login())
    expect(error).toMatchObject({
      code: 'other_account',
      advice: expect.stringContaining('evertoken login work --other-account'),
    })
    expect(JSON.stringify([error.message, error])).not.toMatch(/bob|ada|access-/)
    expect(await at.run(at.keeper.getToken('work'))).toMatchObject({ value: 'access-1', generation: 1 })
    expect(await at.login(true)).toMatchObject({ state: 'active', generation: 2 })
    at.says({ sub: 'ada' })
    expect(await at.failure(at.login())).toMatchObject({ code: 'other_account' })
  })

  test('is looked at on another device as well', async () => {
    const at = await provider()
    await at.keeper.add('work', at.app({ scope: 'openid' }))
    await at.login()
    const device = async (otherAccount?: boolean) =>
      at.run((await at.run(at.keeper.beginDeviceConsent('work', { otherAccount }))).finished)
    expect(await device()).toMatchObject({ state: 'active', generation: 2 })
    at.says({ sub: 'bob' })
    expect(await at.failure(device())).toMatchObject({ code: 'other_account' })
    at.says({ aud: 'another' })
    expect(await at.failure(device())).toMatchObject({ code: 'id_token_invalid' })
    at.says({ sub: 'bob' })
    expect(await device(true)).toMatchObject({ state: 'active', generation: 3 })
  })
})

// Its keyed hash was another one under the new key, so the next answer looked like another person's.
test('the account stays the same when another master key takes the place of the first', async () => {
  const folder = temporaryFolder()
  const places = ['k1', 'k2'].map((id) => ({ id, file: path.join(folder, `${id}.key`) }))
  for (const { file } of places) writeKeyFile(file, newMasterKey())
  let keys = places.slice(0, 1)
  const at = await practised({ store: (clock) => sqliteStore(path.join(folder, 'a.db'), { clock, keys }) })
  let count = 0
  at.answerWith(({ path: place }) => {
    if (place !== '/token') return undefined
    count += 1
    const idToken = `${encoded({ alg: 'none' })}.${encoded({ sub: 'ada' })}.`
    return json({
      access_token: `access-${count}`,
      refresh_token: `refresh-${count}`,
      id_token: idToken,
      expires_in: 3600,
    })
  })
  await at.keeper.add('work', await at.imported({ refreshToken: 'refresh-0' }))
  await at.run(at.keeper.getToken('work'))
  await at.run(at.keeper.close())
  keys = places.toReversed()
  const after = await at.another()
  expect(await at.run(after.refresh('work'))).toMatchObject({ generation: 2 })
  expect(await after.show('work')).toMatchObject({ state: 'active' })
})

describe('an id_token that comes with a refresh', () => {
  /** A login as ada; what a refresh says of her is `claims`, over what was said then. */
  async function refreshed(claims: object, scope = 'openid') {
    const at = await practised()
    const usual = { iss: at.server.issuer, sub: 'ada', aud: 'practice-app' }
    let said: object = usual
    let nonce: string | null = null
    let count = 0
    at.answerWith(({ path: place }) => {
      if (place === '/.well-known/openid-configuration')
        return json({
          issuer: at.server.issuer,
          token_endpoint: at.server.tokenEndpoint,
          authorization_endpoint: `${at.server.issuer}/authorize`,
        })
      if (place !== '/token') return undefined
      count += 1
      const body = { exp: at.clock.now() / 1000 + 3600, ...(count === 1 ? { nonce } : {}), ...said }
      return json({
        access_token: `access-${count}`,
        refresh_token: `refresh-${count}`,
        expires_in: 3600,
        id_token: `${encoded({ alg: 'RS256' })}.${encoded(body)}.x`,
      })
    })
    await at.keeper.add('work', at.app({ scope }))
    const { url, state } = await at.run(at.keeper.beginConsent('work', { redirectUri }))
    nonce = new URL(url).searchParams.get('nonce')
    await at.run(at.keeper.finishConsent(new URL(`${redirectUri}?code=code-1&state=${state}`)))
    said = { ...usual, ...claims }
    await at.pass(55 * 60_000)
    await at.run(at.keeper.tend('work'))
    return at
  }

  test.each<[string, object]>([
    ['says the same as at the login', {}],
    ['leaves out iss and aud', { iss: undefined, aud: undefined }],
    ['names this client among others', { aud: ['another', 'practice-app'] }],
    ['has no nonce and has expired, neither of which it must', { exp: 1 }],
  ])('and %s changes nothing', async (_, claims) => {
    const { keeper } = await refreshed(claims)
    expect(await keeper.show('work')).toMatchObject({ state: 'active', generation: 2 })
  })

  test.each<[string, object, string]>([
    ['another issuer', { iss: 'https://evil.example' }, 'another issuer than before (iss)'],
    ['an issuer that is no text', { iss: ['https://evil.example'] }, 'another issuer than before (iss)'],
    ['another client', { aud: 'another' }, 'another client than before (aud)'],
    ['other clients', { aud: ['another', 'one more'] }, 'another client than before (aud)'],
    ['another account', { sub: 'bob' }, 'another subject than before'],
  ])('and names %s sets the grant aside, with the refresh token kept', async (_, claims, why) => {
    const { keeper, failure } = await refreshed(claims)
    const shown = await keeper.show('work')
    expect(shown).toMatchObject({ state: 'quarantined', generation: 1, candidates: 1 })
    expect(shown.reason).toMatch(new RegExp(`${why.replaceAll(/[()]/g, '.')}$`))
    expect(JSON.stringify(shown)).not.toContain('evil.example')
    expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'grant_quarantined' })
  })

  test('and was accepted by resume is not compared any more', async () => {
    const { keeper, run } = await refreshed({ iss: 'https://moved.example' })
    await keeper.resume('work')
    await run(keeper.refresh('work'))
    await run(keeper.refresh('work'))
    expect(await keeper.show('work')).toMatchObject({ state: 'active' })
  })

  test('of a login that was never one of OpenID Connect is compared with what that brought', async () => {
    const { keeper } = await refreshed({ aud: 'another' }, 'read')
    expect(await keeper.show('work')).toMatchObject({ state: 'quarantined' })
  })
})

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { SignJWT } from 'jose'
import { describe, expect, onTestFinished, test } from 'vitest'
import { clientCredentials } from '../../src/grants/definition.ts'
import { type TokenExchangeOptions, tokenExchange } from '../../src/grants/token-exchange.ts'
import { practised } from './practised.ts'

const minute = 60_000
const type = 'urn:ietf:params:oauth:token-type:'

function subjectFile(): string {
  const folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'evertoken-subject-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }))
  return path.join(folder, 'token')
}

async function platform() {
  const world = await practised()
  const { server, clock } = world
  const sign = (sub: string): Promise<string> =>
    new SignJWT({
      iss: 'practice-issuer',
      sub,
      aud: server.issuer,
      exp: Math.floor(clock.now() / 1000) + 600,
    })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode('practice-issuer-secret-of-32-bytes-or-more'))
  const service = {
    tokenUrl: server.tokenEndpoint,
    clientId: 'practice-service',
    clientSecret: 'practice-service-secret',
  }
  return { ...world, sign, service }
}

describe('a token that is exchanged for another (RFC 8693)', () => {
  test('is minted anew before each expiry from the file as it is then, and spends no refresh token', async () => {
    const { keeper, clock, run, server, sign, service, tokenRequests } = await platform()
    const file = subjectFile()
    fs.writeFileSync(file, `${await sign('robot-1')}\n`)
    const definition = tokenExchange({
      ...service,
      subjectTokenFile: file,
      subjectTokenType: 'jwt',
      scope: 'read',
      audience: ['api', 'files'],
      requestedTokenType: 'access_token',
    })
    expect(await keeper.add('api', definition)).toMatchObject({
      state: 'active',
      grantType: 'token_exchange',
    })
    const first = await run(keeper.getToken('api'))
    expect(server.introspect(first.value)).toMatchObject({ sub: 'robot-1', aud: ['api', 'files'] })
    fs.writeFileSync(file, await sign('robot-2'))
    await clock.advance(61 * minute)
    fs.writeFileSync(file, await sign('robot-3'))
    const second = await run(keeper.getToken('api'))
    expect(second).toMatchObject({ generation: 2, scope: ['read'] })
    expect(server.introspect(second.value)).toMatchObject({ sub: 'robot-3' })
    expect((await keeper.store.read('api'))?.refreshToken).toBeUndefined()
    const narrow = await run(keeper.getToken('api', { scope: 'write', resource: 'https://api.example' }))
    expect(server.introspect(narrow.value)).toMatchObject({
      scope: 'write',
      aud: ['https://api.example', 'api', 'files'],
    })
    expect(tokenRequests().map(({ grantType }) => grantType)).toEqual([
      ...Array(3).fill('urn:ietf:params:oauth:grant-type:token-exchange'),
    ])
  })

  test('a subject with an actor, both given as they are', async () => {
    const { keeper, run, server, sign, service } = await platform()
    await keeper.add('source', clientCredentials(service))
    const own = await run(keeper.getToken('source'))
    const definition = tokenExchange({
      ...service,
      subjectToken: own.value,
      subjectTokenType: `${type}access_token`,
      actorToken: await sign('bob'),
      actorTokenType: 'jwt',
    })
    await keeper.add('api', definition)
    const token = await run(keeper.getToken('api'))
    expect(server.introspect(token.value)).toMatchObject({ active: true, sub: 'practice-service' })
  })

  test('while the file is missing, or holds something else, nothing is sent, and the grant goes on by itself afterwards', async () => {
    const { keeper, pass, run, failure, sign, service, tokenRequests } = await platform()
    const file = subjectFile()
    await keeper.add('api', tokenExchange({ ...service, subjectTokenFile: file, subjectTokenType: 'jwt' }))
    expect(await failure(keeper.getToken('api'))).toMatchObject({
      code: 'key_file_unreadable',
      message: expect.stringContaining(`the subject token file ${file} cannot be read (ENOENT)`),
    })
    fs.writeFileSync(file, 'two words, secret-7')
    await pass(minute)
    const odd = await failure(keeper.refresh('api'))
    expect(odd.message).toContain('holds something else than one token')
    expect(odd.message).not.toContain('secret-7')
    expect(tokenRequests()).toEqual([])
    fs.writeFileSync(file, await sign('robot'))
    await pass(minute)
    await run(keeper.tend('api'))
    expect(await keeper.show('api')).toMatchObject({ state: 'active', generation: 1 })
  })

  test('a subject that is refused is told in the provider’s words, without the token', async () => {
    const { keeper, failure, sign, service, answerWith } = await platform()
    const subjectToken = await sign('robot')
    await keeper.add('api', tokenExchange({ ...service, subjectToken, subjectTokenType: 'jwt' }))
    const error_description = `no ${subjectToken} here`
    answerWith({ status: 400, body: JSON.stringify({ error: 'invalid_request', error_description }) })
    const refused = await failure(keeper.getToken('api'))
    expect(refused).toMatchObject({ code: 'provider_error', error: 'invalid_request' })
    expect(refused.message).toContain('here')
    expect(refused.message).not.toContain(subjectToken)
  })

  test('another subject is another token; a new secret of the client is not', async () => {
    const { keeper, run, sign, service } = await platform()
    const of = async (options: Partial<TokenExchangeOptions>) =>
      tokenExchange({ ...service, subjectToken, subjectTokenType: 'jwt', ...options })
    const subjectToken = await sign('ann')
    await keeper.add('api', await of({}))
    await run(keeper.getToken('api'))
    expect(await keeper.ensure('api', await of({ refreshBefore: 60 }))).toMatchObject({ freshness: 'fresh' })
    const bob = await of({ subjectToken: await sign('bob') })
    expect(await keeper.ensure('api', bob)).toMatchObject({ freshness: 'none' })
  })
})

test.each<[string, Partial<TokenExchangeOptions>, string]>([
  ['without a subject', { subjectToken: undefined }, 'neither subjectToken nor subjectTokenFile is given'],
  ['with two', { subjectTokenFile: '/run/token' }, 'subjectToken and subjectTokenFile are both given'],
  ['without a type', { subjectTokenType: undefined as never }, 'subjectTokenType is missing'],
  ['with a type that is none', { subjectTokenType: 'JWT' }, 'subjectTokenType is no type of token'],
  ['with half an actor', { actorToken: 'x' }, 'actorTokenType is missing'],
  ['with the other half', { actorTokenType: 'jwt' }, 'actorTokenType has no effect without actorToken'],
  ['with a path that is half', { subjectToken: undefined, subjectTokenFile: 'token' }, 'no whole path'],
  ['for nobody', { audience: '' }, 'audience is empty'],
  ['with an empty token', { subjectToken: ' ' }, 'subjectToken is empty'],
])('an exchange %s is refused at once', (_, changed, message) => {
  const options = { tokenUrl: 'https://sts.example/token', subjectToken: 't', subjectTokenType: 'jwt' }
  expect(() => tokenExchange({ ...options, ...changed })).toThrow(message)
})

test('a client need not be named: the subject says who asks', async () => {
  const { keeper, failure, server, sign } = await platform()
  const options = { tokenUrl: server.tokenEndpoint, subjectToken: await sign('ann'), subjectTokenType: 'jwt' }
  await keeper.add('api', tokenExchange(options))
  await failure(keeper.getToken('api'))
  // This server wants one all the same, and was told of nobody.
  expect(server.requests.at(-1)).toMatchObject({ outcome: 'invalid_client' })
  expect(server.requests.at(-1)).not.toHaveProperty('clientId')
})

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import { startPracticeServer } from '@evertoken/testing'
import fc from 'fast-check'
import { SignJWT } from 'jose'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ClientRegistration, ServerMetadata } from '../../src/oauth/client.ts'
import { readClientAssertion } from '../../src/oauth/client-assertion-file.ts'
import { clientCredentialsGrant } from '../../src/oauth/client-credentials.ts'
import type { WireRequest } from '../../src/oauth/transport.ts'
import { testKeys } from './keys.ts'
import { wireForTest } from './servers.ts'

const jwt = 'aGVhZGVy.cGF5bG9hZA.c2lnbmF0dXJl'

function newFile(content?: string | Uint8Array): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'evertoken-assertion-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'token')
  if (content !== undefined) fs.writeFileSync(file, content)
  return file
}

const provider: ServerMetadata = { tokenEndpoint: 'https://provider.example/token' }
const clientOf = (assertionFile: string, server = provider, clientId = 'client-1'): ClientRegistration => ({
  provider: { kind: 'endpoints', metadata: server },
  clientId,
  authentication: { method: 'private_key_jwt', assertionFile },
  insecureHttp: false,
})

test('the file is sent as the client assertion, trimmed, and read anew for every request', async () => {
  const requests: WireRequest[] = []
  const wire = wireForTest({
    transport: async (request) => {
      requests.push(request)
      return { status: 200, headers: {}, body: '{"access_token":"at"}' }
    },
  })
  const file = newFile(`\n ${jwt}\r\n`)
  await clientCredentialsGrant(provider, clientOf(file), {}, wire)
  fs.writeFileSync(file, 'bmV3.bmV3.bmV3')
  await clientCredentialsGrant(provider, clientOf(file), {}, wire)
  await clientCredentialsGrant(provider, clientOf(file, provider, ''), {}, wire)
  const common = {
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  }
  expect(requests.map(({ body }) => Object.fromEntries(new URLSearchParams(body)))).toEqual([
    { ...common, client_id: 'client-1', client_assertion: jwt },
    { ...common, client_id: 'client-1', client_assertion: 'bmV3.bmV3.bmV3' },
    { ...common, client_assertion: 'bmV3.bmV3.bmV3' },
  ])
  expect(requests.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined, undefined])
})

test('a file of 64 KiB is read, and one of a byte more is not', async () => {
  const long = `${'a'.repeat(65_536 - 4)}.b.c`
  expect((await readClientAssertion(newFile(long))).reveal()).toBe(long)
  await expect(readClientAssertion(newFile(`${long}\n`))).rejects.toMatchObject({
    code: 'key_file_unreadable',
    message: expect.stringMatching(/\/token is larger than 64 KiB$/),
  })
})

test('a link is followed: that is how Kubernetes renews', async () => {
  const file = newFile(jwt)
  const link = `${file}-link`
  fs.symlinkSync(file, link)
  expect((await readClientAssertion(link)).reveal()).toBe(jwt)
})

describe('nothing is sent, and the file is named, when it', () => {
  const folder = () => path.dirname(newFile())
  // Its end never comes.
  const device: [string, () => string, RegExp] = ['is a device', () => '/dev/zero', /is no file$/]
  const bad: [string, () => string, RegExp][] = [
    ['is not there', () => newFile(), /cannot be read \(ENOENT\)$/],
    ['is a folder', folder, /is no file$/],
    ['is empty', () => newFile(''), /is empty$/],
    ['is blank', () => newFile(' \n\t'), /is empty$/],
    ['holds two tokens', () => newFile(`${jwt}\n${jwt}`), /something else than one signed JWT$/],
    ['holds a secret', () => newFile('no-jwt-but-a-secret'), /something else than one signed JWT$/],
    ['holds an encrypted JWT', () => newFile('a.b.c.d.e'), /something else than one signed JWT$/],
    ['holds an unsigned JWT', () => newFile('aGVhZGVy.cGF5bG9hZA.'), /something else than one signed JWT$/],
    ['holds bytes that are no text', () => newFile(new Uint8Array([0xff, 0xfe, 0])), /something else than/],
    ...(process.platform === 'win32' ? [] : [device]),
  ]
  test.each(bad)('%s', async (_name, make, problem) => {
    const file = make()
    const wire = wireForTest({ transport: () => Promise.reject(new Error('something was sent')) })
    const error = await clientCredentialsGrant(provider, clientOf(file), {}, wire).then(
      () => undefined,
      (thrown: Error) => thrown,
    )
    expect(error).toMatchObject({
      code: 'key_file_unreadable',
      file,
      advice: expect.stringContaining('renews'),
    })
    expect(error?.message).toMatch(problem)
    expect(error?.message).toContain(`the client assertion file ${file} `)
    expect(inspect(error)).not.toContain('no-jwt-but-a-secret')
  })

  test('holds anything at all that is no signed JWT, and none of it is shown', async () => {
    const file = newFile()
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 12, maxLength: 200, unit: 'binary' }), async (text) => {
        fs.writeFileSync(file, text)
        const read = await readClientAssertion(file).catch((error: Error) => error)
        if (!(read instanceof Error)) expect(read.reveal()).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
        else expect(inspect(read).includes(text)).toBe(false)
      }),
      { numRuns: 50 },
    )
  })
})

test('a real provider lets in the workload that a platform vouches for, as often as its token is sent, until it expires', async () => {
  let now = 1_800_000_000_000
  const platform = { issuer: 'https://platform.example', subject: 'system:serviceaccount:money:billing' }
  const practice = await startPracticeServer({
    now: () => now,
    clients: [
      {
        clientId: 'billing',
        authentication: {
          method: 'private_key_jwt',
          algorithm: 'RS256',
          key: testKeys.RS256.publicKey.export({ format: 'jwk' }),
          platform,
        },
      },
    ],
  })
  onTestFinished(() => practice.stop())
  const signed = (subject = platform.subject, issuer = platform.issuer) =>
    new SignJWT({ aud: practice.issuer })
      .setProtectedHeader({ alg: 'RS256' })
      .setIssuer(issuer)
      .setSubject(subject)
      .setIssuedAt(now / 1000)
      .setExpirationTime(now / 1000 + 3600)
      .sign(testKeys.RS256.privateKey)
  const file = newFile(await signed())
  const server = { tokenEndpoint: practice.tokenEndpoint }
  const ask = () =>
    clientCredentialsGrant(server, clientOf(file, server, 'billing'), {}, wireForTest({ now: () => now }))
  const refused = { kind: 'error', status: 401, error: 'invalid_client' }
  expect(await ask()).toMatchObject({ kind: 'tokens' })
  expect(await ask()).toMatchObject({ kind: 'tokens' })
  now += 3_700_000
  expect(await ask()).toMatchObject(refused)
  fs.writeFileSync(file, await signed())
  expect(await ask()).toMatchObject({ kind: 'tokens' })
  fs.writeFileSync(file, await signed('system:serviceaccount:other:thief'))
  expect(await ask()).toMatchObject(refused)
  fs.writeFileSync(file, await signed(platform.subject, 'https://another.example'))
  expect(await ask()).toMatchObject(refused)
})

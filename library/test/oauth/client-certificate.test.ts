import { createPrivateKey } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { EvertokenError } from '../../src/errors.ts'
import type { ClientCertificate, ClientRegistration, ServerMetadata } from '../../src/oauth/client.ts'
import { clientCredentialsGrant } from '../../src/oauth/client-credentials.ts'
import { discover } from '../../src/oauth/discovery.ts'
import type { Transport, Wire } from '../../src/oauth/transport.ts'
import { loggedTransport } from '../../src/oauth/wire-log.ts'
import { Secret } from '../../src/secret.ts'
import { selfSigned } from './certificate.ts'
import { certifiedServer, sha256Of } from './certified-server.ts'
import { failure, post, transportForTest } from './servers.ts'

const now = Date.UTC(2026, 10, 26)
const pair = (name = 'client.example', notAfter?: string) => {
  const { cert, key } = selfSigned(name, notAfter)
  return { certificate: cert, key: new Secret(key) }
}
const certified = (certificate: ClientCertificate, clientId = 'client-1'): ClientRegistration => ({
  provider: { kind: 'issuer', issuer: 'https://provider.example' },
  clientId,
  authentication: { method: 'tls_client_auth' },
  insecureHttp: false,
  certificate,
})
const mint = (origin: string, client: ClientRegistration, transport: Transport, change: Partial<Wire> = {}) =>
  clientCredentialsGrant(
    { tokenEndpoint: `${origin}/token` } satisfies ServerMetadata,
    client,
    {},
    { transport, now: () => now, deadline: 5000, ...change },
  )

/** Files that are gone after the test. */
function files(texts: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(path.join(tmpdir(), 'evertoken-certificate-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const write = (name: string, text: string): string => {
    const file = path.join(folder, name)
    writeFileSync(file, text)
    return file
  }
  for (const [name, text] of Object.entries(texts)) write(name, text)
  const certificateFile = path.join(folder, 'tls.crt')
  const keyFile = path.join(folder, 'tls.key')
  return { write, given: { certificateFile, keyFile } }
}

describe('a client that the connection authenticates', () => {
  test('shows its certificate, names itself in the form, and sends no secret', async () => {
    const { origin, ca, requests } = await certifiedServer()
    const mine = pair()
    expect(await mint(origin, certified(mine), transportForTest({ ca }))).toMatchObject({ kind: 'tokens' })
    expect(requests).toEqual([
      {
        path: '/token',
        form: { grant_type: 'client_credentials', client_id: 'client-1' },
        certificate: sha256Of(mine.certificate),
        connection: 1,
      },
    ])
  })

  test('keeps its connection, and shares it with no other client, whatever that shows', async () => {
    const { origin, ca, requests } = await certifiedServer()
    const transport = transportForTest({ ca })
    const [mine, other] = [pair(), pair()]
    const plain: ClientRegistration = { ...certified(mine), authentication: { method: 'none' } }
    const { certificate: _, ...uncertified } = plain
    for (const client of [
      certified(mine),
      certified(mine),
      certified(other, 'client-2'),
      certified(mine, 'client-3'),
      uncertified,
      certified(mine),
    ])
      expect(await mint(origin, client, transport)).toMatchObject({ kind: 'tokens' })
    const [a, b] = [sha256Of(mine.certificate), sha256Of(other.certificate)]
    expect(requests.map(({ certificate, connection }) => [certificate, connection])).toEqual([
      [a, 1],
      [a, 1],
      [b, 2],
      [a, 3],
      [undefined, 4],
      [a, 1],
    ])
  })

  test('shows what is in its files now, on a connection of its own', async () => {
    const { origin, ca, requests } = await certifiedServer()
    const transport = transportForTest({ ca })
    const [old, renewed] = [pair(), pair()]
    const { write, given } = files({ 'tls.crt': old.certificate, 'tls.key': old.key.reveal() })
    await mint(origin, certified(given), transport)
    write('tls.crt', renewed.certificate)
    write('tls.key', renewed.key.reveal())
    await mint(origin, certified(given), transport)
    expect(requests.map(({ certificate, connection }) => [certificate, connection])).toEqual([
      [sha256Of(old.certificate), 1],
      [sha256Of(renewed.certificate), 2],
    ])
  })

  test('shows it also where a secret authenticates', async () => {
    const { origin, ca, requests } = await certifiedServer()
    const mine = pair()
    const secret = new Secret('secret-1')
    const client: ClientRegistration = {
      ...certified(mine),
      authentication: { method: 'client_secret_post', secret },
    }
    await mint(origin, client, transportForTest({ ca }))
    expect(requests).toMatchObject([
      { certificate: sha256Of(mine.certificate), form: { client_secret: 'secret-1' } },
    ])
  })

  test('with files that hold both is one with one file', async () => {
    const { origin, ca, requests } = await certifiedServer()
    const mine = pair()
    const { given } = files({ 'tls.crt': `${mine.key.reveal()}\n${mine.certificate}` })
    const both = { certificateFile: given.certificateFile, keyFile: given.certificateFile }
    await mint(origin, certified(both), transportForTest({ ca }))
    expect(requests).toMatchObject([{ certificate: sha256Of(mine.certificate) }])
  })
})

describe('nothing is sent', () => {
  const refusal = async (client: ClientRegistration, transport?: Transport, origin = 'https://p.example') => {
    let sent = 0
    const counting: Transport = Object.assign(
      async () => {
        sent += 1
        return { status: 200, headers: {}, body: '{}' }
      },
      { showsCertificates: true },
    )
    const error = await mint(origin, client, transport ?? counting).then(
      (answer) => Promise.reject(new Error(`it was sent: ${answer.kind}`)),
      (reason: EvertokenError) => reason,
    )
    expect(sent).toBe(0)
    return error
  }

  test('by a transport that does not say that it shows certificates', async () => {
    let sent = 0
    const transport: Transport = async () => {
      sent += 1
      return { status: 200, headers: {}, body: '{}' }
    }
    const error = await refusal(certified(pair()), transport)
    expect([error.code, sent]).toEqual(['invalid_configuration', 0])
    expect(error.advice).toContain('showsCertificates')
  })

  test('over plain http, which shows none', async () => {
    const error = await refusal(certified(pair()), undefined, 'http://127.0.0.1:1')
    expect(error).toMatchObject({
      code: 'invalid_configuration',
      message: expect.stringContaining('plain http'),
    })
  })

  const mine = pair()
  const encrypted = (): string =>
    createPrivateKey(mine.key.reveal())
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
      .toString()
  test.each<[string, { readonly certificate: string; readonly key: Secret }, string]>([
    ['no certificate', { ...mine, certificate: 'nonsense' }, 'no certificate'],
    ['no key', { ...mine, key: new Secret(mine.certificate) }, 'no private key'],
    ['the key of another', { ...mine, key: pair().key }, 'do not belong together'],
    ['a certificate that expired', pair('x.example', '20250101'), 'expired on'],
  ])('with %s, and the message holds none of it', async (_name, given, words) => {
    const inline = await refusal(certified(given))
    expect(inline).toMatchObject({ code: 'invalid_configuration', message: expect.stringContaining(words) })
    const { given: named } = files({ 'tls.crt': given.certificate, 'tls.key': given.key.reveal() })
    const inFiles = await refusal(certified(named))
    expect(inFiles).toMatchObject({ code: 'key_file_unreadable', message: expect.stringContaining(words) })
    expect(inFiles.message).toContain(named.certificateFile)
    for (const error of [inline, inFiles])
      for (const line of given.key
        .reveal()
        .split('\n')
        .filter((text) => text.length > 20))
        expect(inspect(error)).not.toContain(line)
  })

  test('with an encrypted key', async () => {
    const error = await refusal(certified({ certificate: mine.certificate, key: new Secret(encrypted()) }))
    expect(error).toMatchObject({
      code: 'invalid_configuration',
      message: expect.stringContaining('encrypted'),
    })
  })

  test('with files that are missing, are folders, or are larger than such files are', async () => {
    const { write, given } = files({ 'tls.crt': mine.certificate })
    const missing = await refusal(certified(given))
    expect(missing).toMatchObject({ code: 'key_file_unreadable', file: given.keyFile })
    expect(missing.message).toContain('ENOENT')
    write('tls.key', 'x'.repeat(70_000))
    expect((await refusal(certified(given))).message).toContain('larger than 64 KiB')
    const folder = { ...given, keyFile: path.dirname(given.keyFile) }
    expect((await refusal(certified(folder))).message).toContain('is no file')
  })
})

// Under TLS 1.3 the refusal comes after the request may have been written: taken for a lost answer, every refresh of a
// client whose certificate has expired would put its refresh token in doubt.
test('a server that wants a certificate and sees none has read nothing', async () => {
  const { origin, ca, requests } = await certifiedServer(undefined, true)
  const refused = await failure(transportForTest({ ca })(post(`${origin}/token`)))
  expect(refused).toMatchObject({ reason: 'tls', sent: false })
  expect(refused.message).toContain("client's certificate")
  expect(requests).toEqual([])
})

test('the log of the wire shows nothing of a certificate or its key, and keeps what the transport can', async () => {
  const { origin, ca } = await certifiedServer()
  const mine = pair()
  const lines: string[] = []
  const transport = loggedTransport(transportForTest({ ca }), (line) => lines.push(line))
  expect(await mint(origin, certified(mine), transport)).toMatchObject({ kind: 'tokens' })
  expect(lines.length).toBeGreaterThan(2)
  for (const line of mine.key
    .reveal()
    .split('\n')
    .filter((text) => text.length > 20))
    expect(lines.join('\n')).not.toContain(line)
  expect(lines.join('\n')).not.toContain('PRIVATE')
})

test('a plain transport refuses a certificate over plain http by itself', async () => {
  const certificate = { client: 'c', ...pair() }
  const refused = await failure(transportForTest()(post('http://127.0.0.1:1/', { certificate })))
  expect(refused).toMatchObject({ reason: 'local', sent: false })
})

describe('other endpoints for clients with certificates', () => {
  const document = (aliases: unknown) => ({
    issuer: 'https://provider.example',
    token_endpoint: 'https://provider.example/token',
    mtls_endpoint_aliases: aliases,
  })
  const discovered = (aliases: unknown) => {
    const body = JSON.stringify(document(aliases))
    const transport: Transport = async () => ({ status: 200, headers: {}, body })
    const wire = { transport, now: () => now, deadline: 5000 }
    return discover('https://provider.example', { insecureHttp: false }, wire)
  }

  test('are read from the metadata', async () => {
    const mtls = 'https://mtls.provider.example'
    const aliases = {
      token_endpoint: `${mtls}/token`,
      revocation_endpoint: `${mtls}/revoke`,
      authorization_endpoint: `${mtls}/authorize`,
      introspection_endpoint: null,
    }
    expect((await discovered(aliases)).mtlsEndpointAliases).toEqual({
      tokenEndpoint: `${mtls}/token`,
      revocationEndpoint: `${mtls}/revoke`,
    })
    expect((await discovered(undefined)).mtlsEndpointAliases).toBeUndefined()
    expect((await discovered('nonsense')).mtlsEndpointAliases).toBeUndefined()
  })

  test.each([{ token_endpoint: 7 }, { token_endpoint: 'http://provider.example/' }, { token_endpoint: 'x' }])(
    'that cannot be (%j) are refused',
    async (aliases) => {
      await expect(discovered(aliases)).rejects.toMatchObject({
        message: expect.stringContaining('mtls_endpoint_aliases.token_endpoint'),
      })
    },
  )
})

import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, type Server } from 'node:net'
import { connect, createServer as createTlsServer } from 'node:tls'
import { expect, test } from 'vitest'
import { selfSigned } from './certificate.ts'
import { failure, listening, post, transportForTest } from './servers.ts'

/** Counts the plain bytes that a TLS server was sent. */
async function countingServer(certificate: ReturnType<typeof selfSigned>, versions: object) {
  const seen = { bytes: 0 }
  const server = createTlsServer({ ...certificate, ...versions }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      seen.bytes += chunk.length
    })
  })
  server.on('tlsClientError', () => {})
  return { origin: await listening(server as Server, 'https'), seen }
}

const versions = [
  ['TLS 1.2', { maxVersion: 'TLSv1.2' }],
  ['TLS 1.3', { minVersion: 'TLSv1.3' }],
] as const

test.each(versions)('over %s a trusted certificate is accepted', async (_name, version) => {
  const certificate = selfSigned('127.0.0.1')
  const server = createHttpsServer({ ...certificate, ...version }, (_request, response) =>
    response.end('safe'),
  )
  const origin = await listening(server as Server, 'https')
  const transport = transportForTest({ ca: certificate.cert })
  expect((await transport(post(origin))).body).toBe('safe')
  expect((await transport(post(origin))).body).toBe('safe')
})

const untrusted = [
  ['an unknown authority', () => selfSigned('127.0.0.1'), false, 'does not trust (NODE_EXTRA_CA_CERTS'],
  ['an expired certificate', () => selfSigned('127.0.0.1', '20210101'), true, 'out of its time'],
  ['a certificate for another name', () => selfSigned('other.example'), true, 'for another name'],
] as const

for (const [version, options] of versions)
  test.each(untrusted)(
    `over ${version} %s gets not one byte of the request, and the failure says it in words`,
    async (_name, make, trusted, words) => {
      const certificate = make()
      const { origin, seen } = await countingServer(certificate, options)
      const transport = transportForTest(trusted ? { ca: certificate.cert } : {})
      for (let round = 0; round < 20; round++) {
        const failed = await failure(transport(post(`${origin}/token?secret=hunter2`)))
        expect(failed).toMatchObject({ reason: 'tls', sent: false, status: undefined })
        expect(failed.message).toContain(words)
        expect(failed.message).not.toMatch(/hunter2/)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(seen.bytes).toBe(0)
    },
  )

test('a plain server on a TLS port: tls, not sent', async () => {
  const server = createServer((socket) => socket.on('data', () => socket.end('HTTP/1.1 400 Bad\r\n\r\n')))
  const origin = await listening(server, 'https')
  const failed = await failure(transportForTest()(post(origin)))
  expect(failed).toMatchObject({ reason: 'tls', sent: false })
  expect(failed.message).toContain('does not speak TLS')
})

test('a server that closes during the handshake: tls, not sent', async () => {
  const server = createServer((socket) => socket.on('data', () => socket.destroy()))
  const origin = await listening(server, 'https')
  expect(await failure(transportForTest()(post(origin)))).toMatchObject({ reason: 'tls', sent: false })
})

test('a handshake that never ends meets the deadline, not sent', async () => {
  const origin = await listening(
    createServer(() => {}),
    'https',
  )
  expect(await failure(transportForTest()(post(origin, { deadline: 60 })))).toMatchObject({
    reason: 'deadline',
    sent: false,
  })
})

test('a reset after the handshake is ambiguous', async () => {
  const certificate = selfSigned('127.0.0.1')
  const server = createTlsServer({ ...certificate }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', () => socket.destroy())
  })
  const origin = await listening(server as Server, 'https')
  expect(await failure(transportForTest({ ca: certificate.cert })(post(origin)))).toMatchObject({
    reason: 'reset',
    sent: true,
  })
})

test('the counting server does count', async () => {
  const { origin, seen } = await countingServer(selfSigned('127.0.0.1'), {})
  const socket = connect({ port: Number(new URL(origin).port), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  socket.end('12345')
  await expect.poll(() => seen.bytes).toBe(5)
})

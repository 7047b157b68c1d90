import type { LookupFunction } from 'node:net'
import { expect, test } from 'vitest'
import { AddressCheck } from '../../src/oauth/address-check.ts'
import { failure, httpServer, post, transportForTest } from './servers.ts'

const hosts = (...names: string[]) =>
  names.map((name) => [name, new URL(`https://${name}/`).hostname] as const)

const never = hosts(
  '169.254.169.254',
  '169.254.1.1',
  '0xa9fea9fe',
  '2852039166',
  '0251.0376.0251.0376',
  '169.16689662',
  '0.0.0.0',
  '0',
  '224.0.0.1',
  '255.255.255.255',
  '[::]',
  '[fe80::1]',
  '[fd00:ec2::254]',
  '[ff02::1]',
  '[::ffff:169.254.169.254]',
  '[::ffff:a9fe:a9fe]',
  '[64:ff9b::169.254.169.254]',
  '[64:ff9b::]',
  '169.254.169.254.',
  '0xA9.254.43518.',
  '100.100.100.200',
  '192.0.0.192',
  '168.63.129.16',
  '[::ffff:168.63.129.16]',
  '[fd20:ce::254]',
)
const inside = hosts(
  '10.0.0.1',
  '10.255.255.255',
  '012.0.0.1',
  '0x0a.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '100.127.255.255',
  '192.0.2.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '[::ffff:10.0.0.1]',
  '[::ffff:127.0.0.1]',
  '[::127.0.0.1]',
  '[::10.0.0.1]',
  '10.0.0.1.',
  '167772161',
  '192.88.99.1',
  '[64:ff9b::10.0.0.1]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b::c0a8:101]',
  '[3fff::1]',
  '[64:ff9b:1::1]',
  '[2002:a00:1::]',
  '[2001:0:1::1]',
  '[2001:db8::1]',
  '[fc00::1]',
  '[fd12:3456::1]',
  '[fec0::1]',
)
const outside = hosts(
  '1.1.1.1',
  '172.32.0.1',
  '100.128.0.1',
  '192.169.0.1',
  '9.9.9.9',
  '[2606:4700::1111]',
  '[64:ff9b::1.1.1.1]',
  '[::ffff:1.1.1.1]',
)
const loopback = hosts(
  '127.0.0.1',
  '127.1',
  '127.255.255.254',
  '0x7f000001',
  '127.0.0.1.',
  '2130706433',
  '0177.0.0.1',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  'localhost',
)

const nobody = 'an address where no provider can be, whatever is set'
const ours = 'an address of a private network'
const refused = (privateNetwork: boolean, hostname: string) =>
  new AddressCheck(privateNetwork).refusalOfHost(hostname)

test.each(never)('%s is refused whatever is set', (_name, hostname) => {
  expect(refused(true, hostname)).toBe(nobody)
  expect(refused(false, hostname)).toBe(nobody)
})

test.each(inside)('%s is refused unless private networks are allowed', (_name, hostname) => {
  expect(refused(true, hostname)).toBe(undefined)
  expect(refused(false, hostname)).toBe(ours)
})

test.each([...outside, ...loopback])('%s is public, or loopback written literally', (_name, hostname) => {
  expect(refused(false, hostname)).toBe(undefined)
})

test('a zone is no part of a link-local address', () => {
  expect(new AddressCheck(true).refusalOf('fe80::1%eth0')).toBe(nobody)
})

/** Gives the answers one after the other, as a rebinding name server does. */
const resolving = (...answers: readonly string[][]): LookupFunction & { readonly asked: string[] } => {
  const asked: string[] = []
  const lookup: LookupFunction = (hostname, _options, callback) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)] ?? []
    asked.push(hostname)
    callback(
      null,
      answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }
  return Object.assign(lookup, { asked })
}

test.each([
  ['169.254.169.254', nobody],
  ['fe80::1', nobody],
  ['::ffff:169.254.169.254', nobody],
  ['10.1.2.3', ours],
  ['127.0.0.1', ours],
  ['::1', ours],
  ['fd12:3456::1', ours],
])('a name that resolves to %s is not connected to, and nothing is sent', async (address, why) => {
  const transport = transportForTest({ lookup: resolving([address]) })
  expect(await failure(transport(post('https://innocent.example/token')))).toEqual({
    reason: 'private_address',
    sent: false,
    status: undefined,
    message: `innocent.example is at ${address}, ${why}`,
  })
})

test.each([
  ['the request', {}, { privateNetwork: true }],
  ['the transport', { privateNetwork: true }, {}],
])('a private address is connected to where %s allows it', async (_who, options, overrides) => {
  const origin = await httpServer((_request, response) => response.end('here'))
  const url = origin.replace('127.0.0.1', 'inside.example')
  const transport = transportForTest({ lookup: resolving(['127.0.0.1']), ...options })
  expect((await transport(post(url, { insecureHttp: true, ...overrides }))).body).toBe('here')
})

test('a connection into a private network is not lent to a request that may not go there', async () => {
  const origin = await httpServer((_request, response) => response.end('here'))
  const url = origin.replace('127.0.0.1', 'inside.example')
  const transport = transportForTest({ lookup: resolving(['127.0.0.1']) })
  expect((await transport(post(url, { insecureHttp: true, privateNetwork: true }))).body).toBe('here')
  expect(await failure(transport(post(url, { insecureHttp: true })))).toMatchObject({
    reason: 'private_address',
    sent: false,
  })
})

test('localhost that the name service gives to somebody else is nobody', async () => {
  const transport = transportForTest({ lookup: resolving(['93.184.215.14']) })
  expect(await failure(transport(post('http://localhost:1/token')))).toMatchObject({
    reason: 'private_address',
    sent: false,
    message: 'localhost is at 93.184.215.14, which is not this machine',
  })
})

test('of several addresses only the harmless ones are tried', async () => {
  const origin = await httpServer((_request, response) => response.end('here'))
  const lookup = resolving(['169.254.169.254', '127.0.0.1'])
  const url = origin.replace('127.0.0.1', 'both.example')
  const answer = await transportForTest({ lookup })(post(url, { insecureHttp: true, privateNetwork: true }))
  expect(answer.body).toBe('here')
})

test('a name that is rebound after its check gains nothing: it is resolved once for each connection', async () => {
  let requests = 0
  const origin = await httpServer((_request, response) => {
    requests++
    response.writeHead(200, { connection: 'close' }).end('here')
  })
  const lookup = resolving(['127.0.0.1'], ['169.254.169.254'])
  const transport = transportForTest({ lookup })
  const request = post(origin.replace('127.0.0.1', 'rebound.example'), {
    insecureHttp: true,
    privateNetwork: true,
  })
  expect((await transport(request)).body).toBe('here')
  expect(lookup.asked).toEqual(['rebound.example'])
  expect(await failure(transport(request))).toMatchObject({ reason: 'private_address', sent: false })
  expect(lookup.asked).toEqual(['rebound.example', 'rebound.example'])
  expect(requests).toBe(1)
})

test.each([
  ['https://169.254.169.254/latest', `169.254.169.254 is ${nobody}`],
  ['https://0x0a.1/token', `10.0.0.1 is ${ours}`],
])('the literal address %s is refused before connecting', async (url, message) => {
  expect(await failure(transportForTest()(post(url)))).toEqual({
    reason: 'private_address',
    sent: false,
    status: undefined,
    message,
  })
})

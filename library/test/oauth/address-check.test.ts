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
  '[64:ff9b::10.0.0.1]',
  '[64:ff9b:1::1]',
  '[2002:a00:1::]',
  '[2001:0:1::1]',
  '[2001:db8::1]',
  '[fc00::1]',
  '[fd12:3456::1]',
  '[fec0::1]',
)
const outside = hosts('1.1.1.1', '172.32.0.1', '100.128.0.1', '192.169.0.1', '9.9.9.9', '[2606:4700::1111]')
const loopback = hosts('127.0.0.1', '127.1', '127.255.255.254', '0x7f000001', '[::1]', 'localhost')

test.each(never)('%s is refused always', (_name, hostname) => {
  expect(new AddressCheck(false).refusesHost(hostname)).toBe(true)
  expect(new AddressCheck(true).refusesHost(hostname)).toBe(true)
})

test.each(inside)('%s is refused where only public addresses are wanted', (_name, hostname) => {
  expect(new AddressCheck(false).refusesHost(hostname)).toBe(false)
  expect(new AddressCheck(true).refusesHost(hostname)).toBe(true)
})

test.each([...outside, ...loopback])('%s is public, or loopback written literally', (_name, hostname) => {
  expect(new AddressCheck(true).refusesHost(hostname)).toBe(false)
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

test('a name that resolves to a refused address is not connected to, and nothing is sent', async () => {
  const names = [['169.254.169.254'], ['fe80::1'], ['::ffff:169.254.169.254']]
  for (const answer of names) {
    const transport = transportForTest({ lookup: resolving(answer) })
    expect(await failure(transport(post('https://innocent.example/token')))).toMatchObject({
      reason: 'local',
      sent: false,
      message: expect.stringContaining('ADDRESS_REFUSED innocent.example'),
    })
  }
})

test('loopback through a name is refused where only public addresses are wanted', async () => {
  const transport = transportForTest({ lookup: resolving(['127.0.0.1']), publicOnly: true })
  expect(await failure(transport(post('https://innocent.example/token')))).toMatchObject({
    reason: 'local',
    sent: false,
  })
})

test('of several addresses only the harmless ones are tried', async () => {
  const origin = await httpServer((_request, response) => response.end('here'))
  const lookup = resolving(['169.254.169.254', '127.0.0.1'])
  const url = origin.replace('127.0.0.1', 'both.example')
  const answer = await transportForTest({ lookup })(post(url, { insecureHttp: true }))
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
  const request = post(origin.replace('127.0.0.1', 'rebound.example'), { insecureHttp: true })
  expect((await transport(request)).body).toBe('here')
  expect(lookup.asked).toEqual(['rebound.example'])
  expect(await failure(transport(request))).toMatchObject({ reason: 'local', sent: false })
  expect(lookup.asked).toEqual(['rebound.example', 'rebound.example'])
  expect(requests).toBe(1)
})

test('a literal address that is refused is refused before connecting', async () => {
  expect(await failure(transportForTest()(post('https://169.254.169.254/latest')))).toEqual({
    reason: 'local',
    sent: false,
    status: undefined,
    message: 'ADDRESS_REFUSED 169.254.169.254',
  })
})

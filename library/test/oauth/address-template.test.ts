import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AddressValue, fillAddress, templateProblem } from '../../src/oauth/address-template.ts'

const fill = (template: string, values: Record<string, string | AddressValue>) =>
  fillAddress(
    template,
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, typeof value === 'string' ? { value } : value]),
    ),
  )

const okta = 'https://{tenant}.okta.com/oauth2/v1/token'
const zoho = 'https://{accounts}/oauth/v2/token'
const zohoHosts = ['accounts.zoho.com', 'accounts.zoho.eu']
const shop = 'https://{shop}/admin/oauth/access_token'

describe('an address is filled in', () => {
  test.each<[string, Record<string, string | AddressValue>, string]>([
    ['https://auth.example.com/token', {}, 'https://auth.example.com/token'],
    [okta, { tenant: 'acme' }, 'https://acme.okta.com/oauth2/v1/token'],
    [okta, { tenant: 'Acme.eu' }, 'https://Acme.eu.okta.com/oauth2/v1/token'],
    [
      'https://login.example.com/{tenant}/token',
      { tenant: 'common' },
      'https://login.example.com/common/token',
    ],
    [
      'https://login.example.com/{tenant}/token',
      { tenant: 'a/b?c#d' },
      'https://login.example.com/a%2Fb%3Fc%23d/token',
    ],
    ['https://a.example.com/t?key={key}', { key: 'a&b=c' }, 'https://a.example.com/t?key=a%26b%3Dc'],
    ['http://127.0.0.1:4000/{path}', { path: 'x' }, 'http://127.0.0.1:4000/x'],
    [
      zoho,
      { accounts: { value: 'accounts.zoho.eu', hosts: zohoHosts } },
      'https://accounts.zoho.eu/oauth/v2/token',
    ],
    [
      shop,
      { shop: { value: 'a.b.myshopify.com', hosts: ['*.myshopify.com'] } },
      'https://a.b.myshopify.com/admin/oauth/access_token',
    ],
    [
      'https://{host}:8443/token',
      { host: { value: 'kc.corp', anyHost: true } },
      'https://kc.corp:8443/token',
    ],
    [
      'https://{host}/token',
      { host: { value: 'kc.corp:8443', anyHost: true } },
      'https://kc.corp:8443/token',
    ],
    ['https://{host}/token', { host: { value: '[::1]:8443', anyHost: true } }, 'https://[::1]:8443/token'],
    [
      '{realm}/token',
      { realm: { value: 'https://kc.corp/realms/a/', anyHost: true } },
      'https://kc.corp/realms/a/token',
    ],
    ['{issuer}', { issuer: { value: 'https://kc.corp', anyHost: true } }, 'https://kc.corp'],
  ])('%s', (template, values, expected) => {
    expect(fill(template, values)).toBe(expected)
  })
})

const evil = [
  'evil.example/',
  'evil.example/x',
  'a@evil',
  'a:b@evil.example/',
  'x.evil.com#',
  'x.evil.com?',
  'x\\',
  'evil.com\\@a',
  'evil.com:443',
  'a:1',
  'evil%2ecom%2f',
  '%65vil',
  'evil。com',
  'evil．com',
  'ｅvil',
  'x\t',
  'x\n',
  ' x',
  'x y',
  '',
  '.',
  '..',
  'a..b',
  '.a',
  'a.',
  '-',
  'a\u0000',
  'a\u200b',
  'ß',
  '\ud800',
  '[::1]',
  'a_b..',
  '//evil.com/',
  'https://evil.com/',
  `${'a'.repeat(64)}`,
]

describe('a value cannot move an address elsewhere', () => {
  test.each(evil)('%j before a suffix', (value) => {
    expect(fill(okta, { tenant: value })).toMatchObject({ name: 'tenant' })
  })

  test.each([...evil, 'evil.com', 'accounts.zoho.com.evil.com', 'xaccounts.zoho.com', 'zoho.com'])(
    '%j in place of the hosts of a list',
    (value) => {
      expect(fill(zoho, { accounts: { value, hosts: zohoHosts } })).toMatchObject({ name: 'accounts' })
    },
  )

  test.each([
    ...evil,
    'myshopify.com',
    'evilmyshopify.com',
    '.myshopify.com',
    'evil.com/.myshopify.com',
    'evil.com#.myshopify.com',
  ])('%j in place of a host with a suffix', (value) => {
    expect(fill(shop, { shop: { value, hosts: ['*.myshopify.com'] } })).toMatchObject({ name: 'shop' })
  })

  test.each([
    'kc.corp',
    'ftp://kc.corp',
    'javascript:alert(1)',
    'https://a@kc.corp',
    'https://kc.corp?x=',
    'https://kc.corp#',
    'https://kc.corp/../..',
    'https://0x7f.1',
    'https:kc.corp',
    'https://kc。corp',
  ])('%j in place of a whole address', (value) => {
    expect(fill('{realm}/token', { realm: { value, anyHost: true } })).toMatchObject({ name: 'realm' })
  })

  test.each(['.', '..', '...'])('%j in a path', (value) => {
    expect(fill('https://a.example.com/{realm}/token', { realm: value })).toMatchObject({ name: 'realm' })
  })

  test('a value that nobody gave', () => {
    expect(fill(okta, {})).toEqual({ name: 'tenant', problem: 'is empty' })
  })

  test('whatever the value is, the host keeps the suffix of the template, and the path its parts', () => {
    const pieces = fc.array(fc.constantFrom(...evil, 'a', 'b.c', 'okta.com', '/', '.'), { maxLength: 4 })
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          pieces.map((all) => all.join('')),
        ),
        (value) => {
          const filled = fill(okta, { tenant: value })
          if (typeof filled !== 'string') return
          const url = new URL(filled)
          expect(url.hostname).toBe(`${value.toLowerCase()}.okta.com`)
          expect([url.protocol, url.port, url.username, url.pathname, url.search, url.hash]).toEqual([
            'https:',
            '',
            '',
            '/oauth2/v1/token',
            '',
            '',
          ])
        },
      ),
      { numRuns: 500 },
    )
  })

  test('whatever the value is, a list of hosts holds', () => {
    const pieces = fc.array(fc.constantFrom(...evil, ...zohoHosts, 'a', '.'), { maxLength: 4 })
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          pieces.map((all) => all.join('')),
        ),
        (value) => {
          const filled = fill(zoho, { accounts: { value, hosts: [...zohoHosts, '*.zoho.in'] } })
          if (typeof filled !== 'string') return
          const { hostname, port } = new URL(filled)
          expect(zohoHosts.includes(hostname) || hostname.endsWith('.zoho.in')).toBe(true)
          expect(port).toBe('')
        },
      ),
      { numRuns: 500 },
    )
  })

  test('whatever the value is, behind the host it changes nothing but its place', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const filled = fill('https://a.example.com/{tenant}/token?k={tenant}', { tenant: value })
        if (typeof filled !== 'string') return
        const url = new URL(filled)
        expect(url.host).toBe('a.example.com')
        expect(url.pathname.split('/').map(decodeURIComponent)).toEqual(['', value, 'token'])
        expect([...url.searchParams]).toEqual([['k', value]])
      }),
    )
  })
})

describe('a template that leaves the choice of the host to whoever fills it in', () => {
  test.each([
    'https://{host}/token',
    'https://{a}okta.com/token',
    'https://login.{region}.com/token',
    'https://accounts.zoho.{tld}/t',
    'https://{a}.com/token',
    'https://{a}.{b}.okta/token',
    '{realm}/token',
    'https://okta.com.{x}/t',
    'https://a.example:{x}/t',
  ])('%s is refused', (template) => {
    expect(templateProblem(template, () => false)).toMatchObject({ name: expect.any(String) })
    expect(templateProblem(template, () => true)).toBeUndefined()
  })

  test.each(['https://{a}.okta.com/{b}', 'https://{a}-{b}.example.co.uk:8443/', 'https://a.example/{x}'])(
    '%s leaves none',
    (template) => {
      expect(templateProblem(template, () => false)).toBeUndefined()
    },
  )

  test.each([
    'ftp://a.example',
    'https://',
    'https://a@b.example/',
    'https://a.example/#x',
    'a.example/token',
    'https://a.example\\b',
  ])('%s is no address', (template) => {
    expect(templateProblem(template, () => true)).toMatchObject({
      problem: expect.stringContaining('no http address'),
    })
  })
})

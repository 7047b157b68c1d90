import { describe, expect, test } from 'vitest'
import { refreshToken } from '../../src/grants/definition.ts'
import type { ProviderProfile } from '../../src/providers/profile.ts'
import { Secret } from '../../src/secret.ts'

const profile: ProviderProfile = {
  id: 'acme',
  name: 'Acme',
  token_url: 'https://{tenant}.acme.example.com/token',
  variables: { tenant: { description: 'the first part of the address of your company', example: 'contoso' } },
}
const login = { clientId: 'id-1', refreshToken: 'refresh-token-1' }
const host = 'https://contoso.acme.example.com'

describe('variables that do not fit are refused at once', () => {
  const refusal = (variables: Record<string, string | Secret> | undefined, of: ProviderProfile = profile) => {
    try {
      refreshToken({ ...login, profile: of, variables })
    } catch (error) {
      expect(error).toMatchObject({ code: 'invalid_configuration' })
      const { message, advice } = error as Error & { advice?: string }
      return `${message} | ${advice}`
    }
    return ''
  }

  test('one that is missing, with what it is', () => {
    expect(refusal(undefined)).toBe(
      'profile acme needs the variable tenant: the first part of the address of your company | Write tenant like this: contoso',
    )
  })

  test('one that nobody asked for', () => {
    expect(refusal({ tenant: 'a', tennant: 'b' })).toBe(
      'profile acme has no variable "tennant" | Its variables are tenant.',
    )
    expect(() => refreshToken({ ...login, variables: {}, tokenUrl: host })).toThrow(
      'variables have no effect without a profile',
    )
  })

  test.each([
    'evil.example/',
    'a@evil',
    'x.evil.com#',
    'a%2e',
    'evil。com',
    'a:1',
    '',
    'a\n',
    'a'.repeat(1025),
  ])('%j in place of a tenant, which is not shown', (tenant) => {
    const said = refusal({ tenant })
    expect(said).toMatch(/^the variable tenant of profile acme is not what it must be: the first part/)
    if (tenant.length > 1) expect(said).not.toContain(tenant)
    expect(refusal({ tenant: new Secret(`${tenant}/`) })).toMatch(/^the variable tenant of profile acme/)
  })

  test('a host that is none of those that it may be, though the pattern lets it pass', () => {
    const variables = {
      dc: { description: 'the data centre', hosts: ['accounts.zoho.com', 'accounts.zoho.eu'] },
    }
    const zoho = { id: 'zoho', name: 'Zoho', token_url: 'https://{dc}/oauth/v2/token', variables }
    expect(refusal({ dc: 'accounts.zoho.eu' }, zoho)).toBe('')
    expect(refusal({ dc: 'evil.example' }, zoho)).toBe(
      'the variable dc of profile zoho makes a host that is not allowed: the data centre | ' +
        'Write dc so that the host is one of accounts.zoho.com, accounts.zoho.eu.',
    )
    const refreshing = { ...zoho, token_url: host, requests: { refresh: { url: 'https://{dc}/renew' } } }
    expect(refusal({ dc: 'evil.example' }, refreshing)).toContain(
      'the variable dc of profile zoho makes a host',
    )
  })

  test('a secret that would break a header', () => {
    const key = { description: 'the key', secret: true, pattern: '[^]*' }
    const keyed = {
      id: 'keyed',
      name: 'Keyed',
      token_url: host,
      variables: { key },
      requests: { all: { headers: { 'X-Key': '{key}' } } },
    }
    const said = refusal({ key: 'secret-1\r\nHost: evil' }, keyed)
    expect(said).toContain('the variable key of profile keyed cannot stand in the header X-Key')
    expect(said).not.toMatch(/secret-1|evil/)
  })
})

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is what people write into the file
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { definitionFromOptions } from '../../src/config/grant-description.ts'
import { configured, temporaryFolder } from './configured.ts'

const client = { provider: 'https://auth.acme.example', client_id: 'abc', client_secret: 'hunter2' }
const options = { client, grant_type: 'client_credentials', scope: ['read'], labels: { team: 'money' } }

const refused = (value: unknown, folder?: string) => {
  try {
    definitionFromOptions(value, { folder })
  } catch (error) {
    const { code, message, advice } = error as { code?: string; message: string; advice?: string }
    return { code, message, advice }
  }
  throw new Error('it was accepted')
}

describe('a grant described outside a file', () => {
  test('has the definition that the same keys have in evertoken.yaml', () => {
    const { client: _, ...grant } = options
    const yaml = JSON.stringify({ clients: { acme: client }, grants: { a: { client: 'acme', ...grant } } })
    const [written] = configured(yaml).grants
    const { definition, labels } = definitionFromOptions(options)
    expect(definition).toEqual(written!.definition)
    expect(labels).toEqual(written!.labels)
  })

  test('says for whom client assertions are: by a word, a value or a list', () => {
    const audienceOf = (client_assertion_audience: unknown) => {
      const asserting = { ...client, client_authentication: 'client_secret_jwt', client_assertion_audience }
      const { authentication } = definitionFromOptions({ ...options, client: asserting }).definition.client
      return 'audience' in authentication ? authentication.audience : 'none'
    }
    for (const value of ['issuer', 'urn:us', ['issuer', 'token_endpoint']])
      expect(audienceOf(value)).toEqual(value)
    const bad = (client_assertion_audience: unknown) =>
      refused({ ...options, client: { ...client, client_assertion_audience } }).message
    expect(bad(7)).toBe('client.client_assertion_audience: found the number 7, expected a text or a list')
    expect(bad([])).toBe('client: client_assertion_audience is a list of 0, not of one to 8')
    expect(bad('')).toBe('client: client_assertion_audience is empty, too long, or has white space in it')
  })

  test('says which key is wrong, without a file or line', () => {
    expect(refused({ ...options, scopes: 'read' })).toEqual({
      code: 'unknown_key',
      message: 'scopes: there is no such key',
      advice: 'Did you mean scope?',
    })
    expect(refused({ ...options, client: { ...client, client_id: 7 } }).message).toBe(
      'client.client_id: found the number 7, expected a text',
    )
    expect(refused({ ...options, client: 'acme' }).message).toBe(
      'client: found the text "acme", expected a map of keys',
    )
    expect(refused({ ...options, client: { ...client, client_secret: '' } })).toMatchObject({
      code: 'empty_secret',
      message: 'client.client_secret: this secret is empty',
    })
  })

  test.each([null, [], 'x', 7, undefined])('cannot be %j', (value) => {
    expect(refused(value).code).toBe('invalid_configuration')
  })

  test('cannot have a file of this machine read, unless it is given from where files count', () => {
    const { client_secret: _, ...open } = client
    const withFile = { ...options, client: { ...open, client_secret_file: 'acme.secret' } }
    expect(refused(withFile)).toMatchObject({
      code: 'unknown_key',
      message: 'client.client_secret_file: there is no such key',
    })
    const moved = { client: open, grant_type: 'refresh_token', refresh_token_file: '/etc/passwd' }
    expect(refused(moved).code).toBe('unknown_key')
    const asserted = { ...options, client: { ...open, client_assertion_file: '/etc/passwd' } }
    expect(refused(asserted)).toMatchObject({
      code: 'unknown_key',
      message: 'client.client_assertion_file: there is no such key',
    })
    const folder = temporaryFolder()
    fs.writeFileSync(path.join(folder, 'acme.secret'), 'from-a-file', { mode: 0o600 })
    const { authentication } = definitionFromOptions(withFile, { folder }).definition.client
    expect('secret' in authentication && authentication.secret.reveal()).toBe('from-a-file')
  })

  test('names an issuer, an id of the catalogue or plain endpoints, and designs no request or answer', () => {
    const withProvider = (provider: unknown, more: object = {}) =>
      refused({ ...options, client: { ...client, provider, ...more } })
    for (const [key, value] of Object.entries({
      extends: 'google',
      profile_file: '/etc/passwd',
      requests: { all: { headers: { host: 'internal.example' } } },
      answer: { access_token: '/secret' },
      errors: [],
      variables: { a: { description: 'b' } },
      basic: { user: 'a', password: 'b' },
      consent: {},
      id: 'google',
    }))
      expect(withProvider({ token_url: 'https://a.example/t', [key]: value })).toMatchObject({
        code: 'unknown_key',
        message: `client.provider.${key}: there is no such key`,
      })
    expect(withProvider('googel')).toMatchObject({
      message: 'client.provider: there is no provider "googel"',
      advice: 'Did you mean google?',
    })
    expect(withProvider('auth0').message).toContain('client.variables: domain is missing')
    expect(withProvider('auth0', { variables: { domain: 'evil.example/' } }).message).toBe(
      'client.variables.domain: found the text "evil.example/", which is not [A-Za-z0-9][A-Za-z0-9.-]*',
    )
  })

  test('cannot send the broker into its own network, unless the operator lets all grants go there', () => {
    const inside = { ...options, client: { ...client, private_network: true } }
    expect(refused(inside)).toMatchObject({
      code: 'unknown_key',
      message: 'client.private_network: there is no such key',
    })
    expect(definitionFromOptions(options).definition.client.privateNetwork).toBe(undefined)
    expect(definitionFromOptions(options, { privateNetwork: true }).definition.client.privateNetwork).toBe(
      true,
    )
    expect(definitionFromOptions(inside, { folder: '/' }).definition.client.privateNetwork).toBe(true)
  })

  test('takes variables as they are written: a request has no environment', () => {
    const scope = '${HOME}'
    expect(definitionFromOptions({ ...options, scope }).definition.scope).toEqual([scope])
  })

  test('with members of every object in it changes no object', () => {
    const evil = JSON.parse('{"__proto__":{"polluted":true}}')
    expect(refused({ ...options, ...{ __proto__x: 1 } }).code).toBe('unknown_key')
    expect(definitionFromOptions({ ...options, parameters: JSON.parse('{"a":"b"}') }).labels).toEqual({
      team: 'money',
    })
    expect(refused({ ...options, labels: evil }).code).toBe('invalid_configuration')
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })
})

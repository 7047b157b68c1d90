// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is what people write into the file
import fs from 'node:fs'
import path from 'node:path'
import { Secret } from 'evertoken'
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

  test('is exchanged from a file by its place alone, or by a token that is given', () => {
    const exchange = { client: { provider: 'https://sts.example' }, grant_type: 'token_exchange' }
    const { definition } = definitionFromOptions(
      {
        ...exchange,
        subject_token_file: 'run/token',
        subject_token_type: 'jwt',
        actor_token: 'at-1',
        actor_token_type: 'urn:ours:key',
        requested_token_type: 'access_token',
        audience: ['api', 'files'],
      },
      { folder: '/etc/evertoken' },
    )
    expect(definition.exchange).toEqual({
      subject: { type: 'urn:ietf:params:oauth:token-type:jwt', file: '/etc/evertoken/run/token' },
      actor: { type: 'urn:ours:key', token: expect.anything() },
      requestedTokenType: 'urn:ietf:params:oauth:token-type:access_token',
      audience: ['api', 'files'],
    })
    expect(definition.client.clientId).toBe('')
    // A request reads no files of ours.
    expect(
      refused({ ...exchange, subject_token_file: '/etc/passwd', subject_token_type: 'jwt' }),
    ).toMatchObject({
      code: 'unknown_key',
    })
    expect(
      refused({ ...exchange, subject_token: 'two', subject_token_file: 't', subject_token_type: 'jwt' }, '/'),
    ).toMatchObject({ message: 'subject_token and subject_token_file are both given' })
  })

  test('is minted by the request of a profile of the catalogue, also for the broker', () => {
    const request = {
      client: {
        provider: 'github-app-installation',
        variables: { installation_id: '123' },
        client_id: 'Iv23liABC',
      },
      grant_type: 'request',
      assertion: { key: { algorithm: 'RS256', key: 'not looked at yet' } },
    }
    const { definition } = definitionFromOptions(request)
    expect(definition).toMatchObject({
      grantType: 'request',
      assertion: { issuer: 'Iv23liABC', lifetime: 600, backdate: 60, claims: { aud: null } },
    })
    const { assertion: _, ...unsigned } = request
    expect(refused(unsigned).message).toBe(
      'client: profile github-app-installation signs its request, and assertion is missing',
    )
    const unknown = { ...request, client: { ...request.client, variables: {} } }
    expect(refused(unknown).message).toContain('installation_id is missing, which GitHub App')
    const nobody = { ...request, client: { ...request.client, client_id: undefined } }
    expect(refused(JSON.parse(JSON.stringify(nobody))).message).toBe('assertion.issuer is missing')
  })

  test('of a login by password needs no client id, and has no place for the password', () => {
    const login = { client: { provider: 'https://crm.example' }, grant_type: 'password' }
    expect(definitionFromOptions(login).definition).toMatchObject({
      grantType: 'password',
      facts: { replayClass: 'strict' },
    })
    expect(refused({ ...login, password: 'hunter2' })).toMatchObject({ code: 'unknown_key' })
  })

  test('binds tokens to a key where its client says so, and by nothing that only looks like it', () => {
    const boundOf = (dpop: unknown) => definitionFromOptions({ ...options, client: { ...client, dpop } })
    expect(boundOf(true).definition.client.dpop).toBe(true)
    expect(boundOf(false).definition.client.dpop).toBe(false)
    expect(definitionFromOptions(options).definition.client.dpop).toBeUndefined()
    expect(refused({ ...options, client: { ...client, dpop: 'yes' } }).message).toBe(
      'client.dpop: found the text "yes", expected true or false',
    )
    const profile = { token_url: 'https://auth.acme.example/token', dpop: true }
    const { definition } = definitionFromOptions(
      { ...options, client: { ...client, provider: profile } },
      { folder: '/' },
    )
    expect(definition.client.dpop).toBe(true)
  })

  test('names the files of a certificate by whole paths, or holds it', () => {
    const { client_secret: _, ...named } = client
    const files = { client_certificate_file: 'tls/client.crt', client_key_file: '/run/tls.key' }
    const read = definitionFromOptions(
      { ...options, client: { ...named, ...files } },
      { folder: '/etc/acme' },
    )
    expect(read.definition.client).toMatchObject({
      authentication: { method: 'tls_client_auth' },
      certificate: { certificateFile: '/etc/acme/tls/client.crt', keyFile: '/run/tls.key' },
    })
    const inline = { client_certificate: { certificate: 'PEM of it', key: 'PEM of its key' } }
    const method = { client_authentication: 'self_signed_tls_client_auth' }
    const held = definitionFromOptions({ ...options, client: { ...named, ...inline, ...method } })
    expect(held.definition.client).toMatchObject({
      authentication: { method: 'self_signed_tls_client_auth' },
      certificate: { certificate: 'PEM of it', key: expect.any(Secret) },
    })
    // A request reads no files of ours.
    expect(refused({ ...options, client: { ...named, ...files } })).toMatchObject({ code: 'unknown_key' })
    const half = { ...named, client_key_file: '/run/tls.key' }
    expect(refused({ ...options, client: half }, '/').message).toBe('client: client_key_file is given alone')
    expect(refused({ ...options, client: { ...named, ...method } }).message).toBe(
      'client: self_signed_tls_client_auth needs a client_certificate',
    )
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

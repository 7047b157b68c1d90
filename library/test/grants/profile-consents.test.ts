import { describe, expect, test } from 'vitest'
import { authorizationCode } from '../../src/grants/definition.ts'
import { authorizationRequest } from '../../src/oauth/authorization-code.ts'
import type { ClientRegistration, ServerMetadata } from '../../src/oauth/client.ts'
import type { ProviderProfile } from '../../src/providers/profile.ts'

const redirectUri = 'https://app.example.com/callback'
const base = {
  id: 'example',
  name: 'Example',
  token_url: 'https://provider.example/token',
  authorization_url: 'https://provider.example/authorize',
} satisfies ProviderProfile
const app = { clientId: 'id-1', clientSecret: 'client-secret-1', scope: ['read', 'write'] } as const
type Given = Partial<Parameters<typeof authorizationCode>[0]>

const metadataOf = ({ provider }: ClientRegistration): ServerMetadata => {
  if (provider.kind !== 'endpoints') throw new Error('no endpoints')
  return provider.metadata
}

describe('an authorization request in the words of the provider', () => {
  const asked = async (profile: Partial<ProviderProfile>, given: Given = {}) => {
    const { client, scope, authorizationParameters } = authorizationCode({
      ...app,
      profile: { ...base, ...profile },
      ...given,
    })
    const server = metadataOf(client)
    const request = await authorizationRequest(server, client, {
      redirectUri,
      scope,
      parameters: authorizationParameters,
    })
    const { searchParams, hash, origin, pathname } = new URL(request.url)
    const { state, code_challenge, ...parameters } = Object.fromEntries(searchParams)
    expect(state).toBe(request.state)
    expect(code_challenge === undefined).toBe(request.codeVerifier === undefined)
    expect(Object.fromEntries(request.parameters)).toEqual(Object.fromEntries(searchParams))
    return { parameters, hash, page: origin + pathname }
  }
  const usual = {
    response_type: 'code',
    client_id: 'id-1',
    redirect_uri: redirectUri,
    code_challenge_method: 'S256',
    scope: 'read write',
  }
  const { response_type: _, ...untyped } = usual

  test.each<[string, Partial<ProviderProfile>, object, Given?]>([
    ['as the RFC has it', {}, { parameters: usual, hash: '', page: 'https://provider.example/authorize' }],
    [
      'its defaults (google)',
      { consent: { parameters: { access_type: 'offline', prompt: 'consent' } } },
      { parameters: { ...usual, access_type: 'offline', prompt: 'consent' } },
    ],
    [
      'another word of its user',
      { consent: { parameters: { access_type: 'offline', prompt: 'consent' } } },
      { parameters: { ...usual, access_type: 'offline', prompt: 'login' } },
      { authorizationParameters: { prompt: 'login' } },
    ],
    [
      'no response_type (monday, shopify)',
      { consent: { parameters: { response_type: null } } },
      { parameters: untyped },
    ],
    [
      'renamed (wechat), with a fragment',
      {
        consent: {
          rename: { client_id: 'appid' },
          fragment: 'wechat_redirect',
          pkce: 'none',
          scope_separator: ',',
        },
      },
      {
        parameters: { response_type: 'code', appid: 'id-1', redirect_uri: redirectUri, scope: 'read,write' },
        hash: '#wechat_redirect',
      },
    ],
    [
      'renamed for every request (tiktok)',
      { requests: { all: { rename: { client_id: 'client_key', client_secret: 'secret' } } } },
      {
        parameters: {
          response_type: 'code',
          client_key: 'id-1',
          redirect_uri: redirectUri,
          code_challenge_method: 'S256',
          scope: 'read write',
        },
      },
    ],
    [
      'the offline scope',
      { consent: { offline_scope: 'offline_access' } },
      { parameters: { ...usual, scope: 'read write offline_access' } },
    ],
    [
      'the offline scope that was asked for already',
      { consent: { offline_scope: 'read' } },
      { parameters: usual },
    ],
    [
      'no PKCE',
      { consent: { pkce: 'none' } },
      {
        parameters: {
          response_type: 'code',
          client_id: 'id-1',
          redirect_uri: redirectUri,
          scope: 'read write',
        },
      },
    ],
    [
      'a page of its own, with a variable',
      {
        variables: { team: { description: 'the team' } },
        requests: {
          authorize: {
            url: 'https://login.provider.example/{team}',
            parameters: { team: '{team}', owner: '{client_id}' },
          },
        },
      },
      { page: 'https://login.provider.example/t1', parameters: { ...usual, team: 't1', owner: 'id-1' } },
      { variables: { team: 't1' } },
    ],
    [
      'JSON in a parameter (twitch claims)',
      { consent: { parameters: { claims: '{"id_token":{"email":null}}' } } },
      { parameters: { ...usual, claims: '{"id_token":{"email":null}}' } },
    ],
  ])('%s', async (_, profile, expected, given) => {
    expect(await asked(profile, given)).toMatchObject(expected)
    const { parameters } = await asked(profile, given)
    expect(parameters).toEqual((expected as { parameters: object }).parameters)
  })

  test('never shows a secret of ours, whatever stands under all requests', async () => {
    const profile: Partial<ProviderProfile> = {
      variables: { key: { description: 'a key', secret: true } },
      requests: { all: { parameters: { a: '{client_secret}', b: 'x{key}', c: '{code_verifier}' } } },
    }
    const { parameters } = await asked(profile, { variables: { key: 'secret-key' } })
    expect(parameters).toEqual(usual)
  })
})

test('a redirect URI that is no URL (ebay) goes as it is', async () => {
  const { client } = authorizationCode({ ...app, profile: base })
  const { url } = await authorizationRequest(metadataOf(client), client, { redirectUri: 'Acme-App-PRD-1' })
  expect(new URL(url).searchParams.get('redirect_uri')).toBe('Acme-App-PRD-1')
})

import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import {
  authorizationCode,
  clientCredentials,
  type GrantDefinition,
  jwtBearer,
} from '../../src/grants/definition.ts'
import { sendTokenMessage } from '../../src/grants/token-message.ts'
import { authorizationCodeGrant } from '../../src/oauth/authorization-code.ts'
import type { ServerMetadata } from '../../src/oauth/client.ts'
import type { Transport, WireRequest } from '../../src/oauth/transport.ts'
import type { ProviderProfile } from '../../src/providers/profile.ts'
import { Secret } from '../../src/secret.ts'

const redirectUri = 'https://app.example.com/callback'
const base = {
  id: 'example',
  name: 'Example',
  token_url: 'https://provider.example/token',
  authorization_url: 'https://provider.example/authorize',
} satisfies ProviderProfile
const app = {
  clientId: 'id-1',
  clientSecret: 'client-secret-1',
  clientAuthentication: 'client_secret_post',
  scope: ['read', 'write'],
} as const

/** What reached the transport, in short. */
type Sent = {
  readonly line: string
  readonly query?: Record<string, string>
  readonly form?: Record<string, string>
  readonly json?: unknown
  readonly headers: Readonly<Record<string, string>>
}

function sentOf({ method, url, headers, body }: WireRequest): Sent {
  const { origin, pathname, searchParams } = new URL(url)
  return {
    line: `${method} ${origin}${pathname}`,
    headers,
    ...(searchParams.size === 0 ? {} : { query: Object.fromEntries(searchParams) }),
    ...(body?.startsWith('{') ? { json: JSON.parse(body) } : {}),
    ...(body === undefined || body.startsWith('{')
      ? {}
      : { form: Object.fromEntries(new URLSearchParams(body)) }),
  }
}

const serverOf = ({ client }: GrantDefinition): ServerMetadata => {
  if (client.provider.kind !== 'endpoints') throw new Error('no endpoints')
  return client.provider.metadata
}

type Given = Partial<Parameters<typeof authorizationCode>[0]>

async function sent(
  operation: 'exchange' | 'refresh' | 'client_credentials' | 'jwt_bearer',
  profile: Partial<ProviderProfile>,
  given: Given = {},
): Promise<Sent> {
  const requests: WireRequest[] = []
  const transport: Transport = async (request) => {
    requests.push(request)
    return { status: 200, headers: {}, body: '{"access_token":"at-1"}' }
  }
  const options = { ...app, profile: { ...base, ...profile }, ...given }
  const key = { scope: '', resource: '' }
  const wire = { transport, clock: systemClock }
  const held = new Secret('refresh-token-1')
  if (operation === 'exchange' || operation === 'refresh') {
    const definition = authorizationCode(options)
    const server = serverOf(definition)
    if (operation === 'refresh')
      await sendTokenMessage({ server, definition, held, key, deadline: 1000 }, wire)
    else {
      const message = { code: new Secret('code-1'), redirectUri, codeVerifier: new Secret('verifier-1') }
      const { parameters } = definition
      await authorizationCodeGrant(
        server,
        definition.client,
        { ...message, parameters },
        { transport, now: () => 0, deadline: 1000 },
      )
    }
  } else {
    const assertion = { issuer: 'i', key: { algorithm: 'HS256', key: 'k'.repeat(32) } } as const
    const definition =
      operation === 'jwt_bearer' ? jwtBearer({ ...options, assertion }) : clientCredentials(options)
    const server = serverOf(definition)
    await sendTokenMessage({ server, definition, held: undefined, key, deadline: 1000 }, wire)
  }
  expect(requests).toHaveLength(1)
  return sentOf(requests[0] as WireRequest)
}

const refreshed = {
  grant_type: 'refresh_token',
  refresh_token: 'refresh-token-1',
  client_id: 'id-1',
  client_secret: 'client-secret-1',
}
const exchanged = {
  grant_type: 'authorization_code',
  code: 'code-1',
  redirect_uri: redirectUri,
  code_verifier: 'verifier-1',
  client_id: 'id-1',
  client_secret: 'client-secret-1',
}
const at = (path: string) => `POST https://provider.example${path}`

type Row = [
  quirk: string,
  operation: Parameters<typeof sent>[0],
  profile: Partial<ProviderProfile>,
  expected: Partial<Omit<Sent, 'headers'>> & { headers?: Record<string, unknown> },
  given?: Given,
]
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
const own = { clientAuthentication: undefined }

const rows: Row[] = [
  ['a profile without a dialect', 'refresh', {}, { line: at('/token'), form: refreshed }],
  [
    'client authentication in the header (notion, airtable)',
    'refresh',
    { client_authentication: 'client_secret_basic' },
    {
      headers: { authorization: basic('id-1:client-secret-1') },
      form: { grant_type: 'refresh_token', refresh_token: 'refresh-token-1' },
    },
    own,
  ],
  [
    'client authentication in the body (slack)',
    'refresh',
    { client_authentication: 'client_secret_post' },
    { form: refreshed },
    own,
  ],
  [
    'no secret at the token endpoint (etsy)',
    'refresh',
    { client_authentication: 'none' },
    { form: { grant_type: 'refresh_token', refresh_token: 'refresh-token-1', client_id: 'id-1' } },
    { ...own, clientSecret: undefined },
  ],
  [
    'the client id beside HTTP Basic',
    'refresh',
    {
      client_authentication: 'client_secret_basic',
      requests: { all: { parameters: { client_id: '{client_id}' } } },
    },
    {
      headers: { authorization: basic('id-1:client-secret-1') },
      form: { ...refreshed, client_secret: undefined } as never,
    },
    own,
  ],
  [
    'Basic with the secret as user and no password (stripe-apps)',
    'refresh',
    { basic: { user: '{client_secret}', password: '' } },
    { headers: { authorization: basic('client-secret-1:') } },
    { clientAuthentication: 'client_secret_basic' },
  ],
  [
    'a JSON body (notion, clover)',
    'refresh',
    { requests: { all: { body: 'json' } } },
    { json: refreshed, headers: { 'content-type': 'application/json' } },
  ],
  [
    'parameters in the query (miro)',
    'refresh',
    { requests: { refresh: { body: 'query' } } },
    { line: at('/token'), query: refreshed },
  ],
  [
    'GET (wechat): renamed, at a URL of its own',
    'refresh',
    {
      requests: {
        all: { method: 'GET', rename: { client_id: 'appid', client_secret: 'secret' } },
        refresh: {
          url: 'https://api.provider.example/sns/refresh_token',
          parameters: { client_secret: null },
        },
      },
    },
    {
      line: 'GET https://api.provider.example/sns/refresh_token',
      query: { grant_type: 'refresh_token', refresh_token: 'refresh-token-1', appid: 'id-1' },
    },
  ],
  [
    'renamed parameters (tiktok-business: app_id, secret, auth_code in JSON)',
    'exchange',
    {
      requests: {
        exchange: {
          body: 'json',
          rename: { client_id: 'app_id', client_secret: 'secret', code: 'auth_code' },
          parameters: { grant_type: null, redirect_uri: null, code_verifier: null },
        },
      },
    },
    { json: { app_id: 'id-1', secret: 'client-secret-1', auth_code: 'code-1' } },
  ],
  [
    'client_key (tiktok)',
    'refresh',
    { requests: { all: { rename: { client_id: 'client_key' } } } },
    {
      form: {
        grant_type: 'refresh_token',
        refresh_token: 'refresh-token-1',
        client_key: 'id-1',
        client_secret: 'client-secret-1',
      },
    },
  ],
  [
    'another grant selector (basecamp: type=refresh)',
    'refresh',
    { requests: { refresh: { parameters: { grant_type: null, type: 'refresh' } } } },
    {
      form: {
        refresh_token: 'refresh-token-1',
        client_id: 'id-1',
        client_secret: 'client-secret-1',
        type: 'refresh',
      },
    },
  ],
  [
    'another grant selector (withings: action)',
    'exchange',
    { requests: { exchange: { parameters: { action: 'requesttoken' } } } },
    { form: { ...exchanged, action: 'requesttoken' } },
  ],
  [
    'renewal with the access token (instagram, threads)',
    'refresh',
    {
      requests: {
        refresh: {
          url: 'https://graph.provider.example/refresh_access_token',
          method: 'GET',
          parameters: {
            grant_type: 'ig_refresh_token',
            access_token: '{refresh_token}',
            refresh_token: null,
            client_id: null,
            client_secret: null,
          },
        },
      },
    },
    {
      line: 'GET https://graph.provider.example/refresh_access_token',
      query: { grant_type: 'ig_refresh_token', access_token: 'refresh-token-1' },
    },
  ],
  [
    'account_credentials (zoom)',
    'client_credentials',
    {
      requests: {
        client_credentials: {
          parameters: { grant_type: 'account_credentials', account_id: '{account}', scope: null },
        },
      },
      variables: { account: { description: 'the account' } },
    },
    {
      form: {
        grant_type: 'account_credentials',
        account_id: 'a1',
        client_id: 'id-1',
        client_secret: 'client-secret-1',
      },
    },
    { variables: { account: 'a1' } },
  ],
  [
    'no grant_type (figma)',
    'refresh',
    {
      requests: {
        refresh: { url: 'https://api.provider.example/v1/oauth/refresh', parameters: { grant_type: null } },
      },
    },
    {
      line: 'POST https://api.provider.example/v1/oauth/refresh',
      form: { refresh_token: 'refresh-token-1', client_id: 'id-1', client_secret: 'client-secret-1' },
    },
  ],
  [
    'a refresh URL with a query of its own (dropbox-sign)',
    'refresh',
    { requests: { refresh: { url: 'https://app.provider.example/oauth/token?refresh' } } },
    { line: 'POST https://app.provider.example/oauth/token', query: { refresh: '' }, form: refreshed },
  ],
  [
    'a token parameter by default (shopify: expiring=1)',
    'exchange',
    { requests: { exchange: { parameters: { expiring: '1' } } } },
    { form: { ...exchanged, expiring: '1' } },
  ],
  [
    'what its user wrote in its place',
    'exchange',
    { requests: { exchange: { parameters: { expiring: '1', audience: null } } } },
    { form: { ...exchanged, expiring: '0', audience: 'a' } },
    { parameters: { expiring: '0', audience: 'a' } },
  ],
  [
    'scope at a refresh (entra), with the offline scope',
    'refresh',
    { consent: { offline_scope: 'offline_access' }, requests: { refresh: { send: ['scope'] } } },
    { form: { ...refreshed, scope: 'read write offline_access' } },
  ],
  [
    'redirect_uri at a refresh (yahoo)',
    'refresh',
    { requests: { refresh: { send: ['redirect_uri'] } } },
    { form: { ...refreshed, redirect_uri: redirectUri } },
    { redirectUri },
  ],
  ['a redirect_uri that nobody wants is not sent', 'refresh', {}, { form: refreshed }, { redirectUri }],
  [
    'extra headers, one of them a secret (quartile, github, reddit)',
    'refresh',
    {
      variables: { subscription_key: { description: 'the key of the subscription', secret: true } },
      requests: {
        all: { headers: { 'Subscription-Key': '{subscription_key}', 'User-Agent': 'my app' } },
        refresh: { headers: { Accept: 'application/json' } },
      },
    },
    { headers: { 'subscription-key': 'k/1+2=', 'user-agent': 'my app', accept: 'application/json' } },
    { variables: { subscription_key: 'k/1+2=' } },
  ],
  [
    'a lifetime that the caller chooses (zendesk)',
    'refresh',
    { requests: { refresh: { body: 'json', parameters: { expires_in: '172800' } } } },
    { json: { ...refreshed, expires_in: '172800' } },
  ],
  [
    'a tenant in the URL (entra, zendesk)',
    'refresh',
    { token_url: 'https://{shop}.provider.example/token', variables: { shop: { description: 'the shop' } } },
    { line: 'POST https://acme.provider.example/token' },
    { variables: { shop: 'acme' } },
  ],
  [
    'scopes with commas between them (linear, strava)',
    'client_credentials',
    { consent: { scope_separator: ',' } },
    {
      form: {
        grant_type: 'client_credentials',
        scope: 'read,write',
        client_id: 'id-1',
        client_secret: 'client-secret-1',
      },
    },
  ],
  [
    'an assertion (disruptive-technologies)',
    'jwt_bearer',
    { requests: { jwt_bearer: { parameters: { scope: null, client_id: null, client_secret: null } } } },
    {
      form: {
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion: expect.stringMatching(/^ey/),
      } as never,
    },
  ],
]

describe('a request in the words of the provider', () => {
  test.each(rows)('%s', async (_, operation, profile, { headers = {}, ...expected }, given) => {
    const request = await sent(operation, profile, given)
    for (const [part, wanted] of Object.entries(expected)) expect(request[part as keyof Sent]).toEqual(wanted)
    expect(request.headers).toMatchObject(headers)
    if (request.form === undefined && request.json === undefined)
      expect(request.headers).not.toHaveProperty('content-type')
  })
})

describe('without PKCE', () => {
  test('no code_verifier is sent with the code', async () => {
    const requests: WireRequest[] = []
    const transport: Transport = async (request) => {
      requests.push(request)
      return { status: 200, headers: {}, body: '{}' }
    }
    const { client } = authorizationCode({ ...app, profile: base })
    await authorizationCodeGrant(
      { tokenEndpoint: base.token_url },
      client,
      { code: new Secret('code-1'), redirectUri },
      { transport, now: () => 0, deadline: 1000 },
    )
    const { code_verifier: _, ...rest } = exchanged
    expect(requests.map(sentOf)).toMatchObject([{ form: rest }])
    expect(requests[0]?.body).not.toContain('code_verifier')
  })
})

import { expect } from 'vitest'
import type { authorizationCode } from '../../src/grants/definition.ts'
import type { ProviderProfile } from '../../src/providers/profile.ts'

export const redirectUri = 'https://app.example.com/callback'
export const base = {
  id: 'example',
  name: 'Example',
  token_url: 'https://provider.example/token',
  authorization_url: 'https://provider.example/authorize',
} satisfies ProviderProfile
export const app = {
  clientId: 'id-1',
  clientSecret: 'client-secret-1',
  clientAuthentication: 'client_secret_post',
  scope: ['read', 'write'],
} as const

/** What reached the transport, in short. */
export type Sent = {
  readonly line: string
  readonly query?: Record<string, string>
  readonly form?: Record<string, string>
  readonly json?: unknown
  readonly headers: Readonly<Record<string, string>>
}

export type Given = Partial<Parameters<typeof authorizationCode>[0]>

export type TokenOperation = 'exchange' | 'refresh' | 'client_credentials' | 'jwt_bearer'

const refreshed = {
  grant_type: 'refresh_token',
  refresh_token: 'refresh-token-1',
  client_id: 'id-1',
  client_secret: 'client-secret-1',
}
export const exchanged = {
  grant_type: 'authorization_code',
  code: 'code-1',
  redirect_uri: redirectUri,
  code_verifier: 'verifier-1',
  client_id: 'id-1',
  client_secret: 'client-secret-1',
}
const at = (path: string) => `POST https://provider.example${path}`

/** How a provider differs from the RFC, and the request that it then gets. */
export type Row = [
  quirk: string,
  operation: TokenOperation,
  profile: Partial<ProviderProfile>,
  expected: Partial<Omit<Sent, 'headers'>> & { headers?: Record<string, unknown> },
  given?: Given,
]
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
const own = { clientAuthentication: undefined }

export const rows: Row[] = [
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

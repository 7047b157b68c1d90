import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { authorizationCode } from '../../src/grants/definition.ts'
import type { ProviderProfile } from '../../src/providers/profile.ts'
import { httpServer } from '../oauth/servers.ts'
import { practised, redirectUri } from './practised.ts'

const hour = 3_600_000

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return JSON.parse(text)
}

/** A provider that speaks JSON in words of its own, with the refreshes at another address. */
async function provider(refuse?: (body: Record<string, unknown>) => object) {
  const requests: { path: string | undefined; key: unknown; type: unknown; body: Record<string, unknown> }[] =
    []
  const origin = await httpServer(async (request, response) => {
    const body = await bodyOf(request)
    const { 'subscription-key': key, 'content-type': type } = request.headers
    requests.push({ path: request.url, key, type, body })
    const refused = request.url === '/renew' ? refuse?.(body) : undefined
    response.writeHead(refused === undefined ? 200 : 400, { 'content-type': 'application/json' })
    const count = requests.length
    response.end(
      JSON.stringify(
        refused ?? { access_token: `at-${count}`, refresh_token: `rt-${count}`, expires_in: 3600 },
      ),
    )
  })
  const profile: ProviderProfile = {
    id: 'json-words',
    name: 'JSON words',
    token_url: `${origin}/token`,
    authorization_url: `${origin}/authorize`,
    client_authentication: 'client_secret_post',
    variables: {
      subscription_key: { description: 'the key of the subscription', secret: true },
      region: { description: 'the region', default: 'eu' },
    },
    requests: {
      all: {
        body: 'json',
        rename: { client_id: 'app_id', client_secret: 'secret' },
        headers: { 'Subscription-Key': '{subscription_key}' },
      },
      exchange: { rename: { code: 'auth_code' } },
      refresh: {
        url: `${origin}/renew`,
        parameters: { grant_type: null, region: '{region}' },
        send: ['scope'],
      },
    },
    consent: { pkce: 'none', scope_separator: ',', offline_scope: 'offline' },
  }
  const definition = authorizationCode({
    profile,
    variables: { subscription_key: 'subscription-key-1' },
    clientId: 'id-1',
    clientSecret: 'client-secret-"1"',
    scope: ['read'],
  })
  return { definition, requests }
}

describe('a login at a provider with words of its own', () => {
  const begun = async (refuse?: Parameters<typeof provider>[0]) => {
    const at = await practised()
    const { definition, requests } = await provider(refuse)
    await at.keeper.add('work', definition)
    const { url, state } = await at.run(at.keeper.beginConsent('work', { redirectUri }))
    const callback = new URL(`${redirectUri}?${new URLSearchParams({ code: 'code-1', state })}`)
    await at.run(at.keeper.finishConsent(callback))
    return { ...at, requests, url: new URL(url) }
  }

  test('goes from the consent through the exchange to the refresh', async () => {
    const at = await begun()
    expect(Object.fromEntries(at.url.searchParams)).toEqual({
      response_type: 'code',
      app_id: 'id-1',
      redirect_uri: redirectUri,
      scope: 'read,offline',
      state: expect.any(String),
    })
    expect((await at.run(at.keeper.getToken('work'))).value).toBe('at-1')
    await at.pass(hour)
    expect((await at.run(at.keeper.getToken('work'))).value).toBe('at-2')
    const common = { key: 'subscription-key-1', type: 'application/json' }
    const client = { app_id: 'id-1', secret: 'client-secret-"1"' }
    expect(at.requests).toEqual([
      {
        ...common,
        path: '/token',
        body: { ...client, grant_type: 'authorization_code', auth_code: 'code-1', redirect_uri: redirectUri },
      },
      {
        ...common,
        path: '/renew',
        body: { ...client, refresh_token: 'rt-1', region: 'eu', scope: 'read,offline' },
      },
    ])
  })

  test('shows none of its secrets where the provider quotes what it got', async () => {
    const at = await begun((body) => ({
      error: 'invalid_request',
      error_description: `no ${JSON.stringify(body)} with subscription-key-1, ${body.secret}, ${body.refresh_token}`,
    }))
    await at.pass(hour)
    const error = await at.failure(at.keeper.getToken('work'))
    const told = JSON.stringify([error, error.message, await at.keeper.show('work'), at.told])
    expect(told).toContain('[secret]')
    expect(told).not.toMatch(/subscription-key-1|client-secret|rt-1/)
  })
})

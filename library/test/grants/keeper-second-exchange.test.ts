import { describe, expect, test } from 'vitest'
import { authorizationCode, passwordCredentials } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import { type Transport, WireError, type WireRequest } from '../../src/oauth/transport.ts'
import { catalogueProfile } from '../../src/providers/catalogue.ts'
import type { ProviderProfile } from '../../src/providers/profile.ts'
import { memoryStore } from '../../src/stores/memory.ts'

const redirectUri = 'https://app.example.com/callback'
const app = { clientId: 'app-1', clientSecret: 'app-secret-1', scope: ['a', 'b'] }
const day = 86_400_000

type Said = { status?: number; [member: string]: unknown } | 'silence'

/** A keeper before a provider that answers from a list. */
async function before(...answers: Said[]) {
  const requests: WireRequest[] = []
  const transport: Transport = async (request) => {
    requests.push(request)
    const answer = answers.shift() ?? { status: 500 }
    if (answer === 'silence') throw new WireError('reset', 'the line was cut', { sent: true })
    const { status = 200, ...body } = answer
    return { status, headers: {}, body: JSON.stringify(body) }
  }
  const keeper = await Keeper.open({ store: memoryStore({ ephemeral: true }), transport })
  const consent = async (): Promise<unknown> => {
    const { state } = await keeper.beginConsent('me', { redirectUri })
    return keeper.finishConsent(new URL(`${redirectUri}?code=code-1&state=${state}`))
  }
  const sent = () =>
    requests.map(({ method, url, body }) => {
      const { origin, pathname, searchParams } = new URL(url)
      const parameters = body === undefined ? searchParams : new URLSearchParams(body)
      return { line: `${method} ${origin}${pathname}`, ...Object.fromEntries(parameters) }
    })
  return { keeper, consent, sent, requests }
}

const long = { access_token: 'long-1', token_type: 'bearer', expires_in: 5_184_000 }

describe.each<[string, Said, object[]]>([
  [
    'instagram',
    { data: [{ access_token: 'short-1', user_id: '17', permissions: 'x' }] },
    [
      {
        line: 'GET https://graph.instagram.com/access_token',
        grant_type: 'ig_exchange_token',
        client_secret: 'app-secret-1',
        access_token: 'short-1',
      },
      {
        line: 'GET https://graph.instagram.com/refresh_access_token',
        grant_type: 'ig_refresh_token',
        access_token: 'long-1',
      },
    ],
  ],
  [
    'threads',
    { access_token: 'short-1', user_id: 17 },
    [
      {
        line: 'GET https://graph.threads.net/access_token',
        grant_type: 'th_exchange_token',
        client_secret: 'app-secret-1',
        access_token: 'short-1',
      },
      {
        line: 'GET https://graph.threads.net/refresh_access_token',
        grant_type: 'th_refresh_token',
        access_token: 'long-1',
      },
    ],
  ],
  [
    'facebook',
    { access_token: 'short-1', token_type: 'bearer', expires_in: 5183 },
    [
      {
        line: 'GET https://graph.facebook.com/v22.0/oauth/access_token',
        grant_type: 'fb_exchange_token',
        client_id: 'app-1',
        client_secret: 'app-secret-1',
        fb_exchange_token: 'short-1',
      },
      {
        line: 'GET https://graph.facebook.com/v22.0/oauth/access_token',
        grant_type: 'fb_exchange_token',
        client_id: 'app-1',
        client_secret: 'app-secret-1',
        fb_exchange_token: 'long-1',
      },
    ],
  ],
])('%s, as the catalogue has it', (id, short, expected) => {
  test('the token of the code is exchanged for one of 60 days at once, which later renews itself', async () => {
    const { keeper, consent, sent } = await before(short, long, { ...long, access_token: 'long-2' })
    // The day before which these providers refresh nothing is another test's.
    const profile: ProviderProfile = { ...(catalogueProfile(id) as ProviderProfile), lifetimes: {} }
    await keeper.add('me', authorizationCode({ ...app, profile }))
    expect(await consent()).toMatchObject({ state: 'active', generation: 1, scope: ['a', 'b'] })
    const token = await keeper.getToken('me')
    expect(token.value).toBe('long-1')
    expect(token.expiresAt - keeper.clock.now()).toBeGreaterThan(59.9 * day)
    expect((await keeper.refresh('me')).value).toBe('long-2')
    expect(sent().slice(1)).toEqual(expected)
  })

  test('a second step that is refused is told as that, quotes no token and leaves the grant as it was', async () => {
    const refusal = { error: { message: 'Session key short-1 invalid', type: 'OAuthException', code: 452 } }
    const { keeper, consent, sent } = await before(short, { status: 400, ...refusal }, short, long)
    await keeper.add('me', authorizationCode({ ...app, profile: catalogueProfile(id) }))
    const refused = await consent().catch((error: Error) => error)
    expect(refused).toMatchObject({
      grant: 'me',
      advice: expect.stringMatching(/^Nothing has changed; log in again/),
    })
    const { message } = refused as Error
    expect(message).toContain('let the person in, but did not give the lasting token for the first one')
    expect(JSON.stringify([refused, message])).not.toMatch(/short-1|app-secret/)
    expect(await keeper.show('me')).toMatchObject({ state: 'pending', generation: 0 })
    expect(sent()).toHaveLength(2)
    expect(await consent()).toMatchObject({ state: 'active', generation: 1 })
  })
})

const declared: ProviderProfile = {
  id: 'example',
  name: 'Example',
  token_url: 'https://provider.example/token',
  authorization_url: 'https://provider.example/authorize',
  requests: {
    second_exchange: {
      url: 'https://provider.example/last',
      body: 'json',
      headers: { 'X-Short': '{access_token}' },
      parameters: { client_id: null },
    },
  },
  answer: { metadata: { user: '/user', tier: '/tier' } },
}

describe('a second exchange of one’s own', () => {
  test('keeps the scope and metadata of the first answer where the second says nothing of them', async () => {
    const first = { access_token: 'short-1', scope: 'a', user: 'ann', tier: 'x', refresh_token: 'rt-short' }
    const { keeper, consent, requests } = await before(first, {
      ...long,
      refresh_token: 'rt-long',
      tier: 'gold',
    })
    await keeper.add('me', authorizationCode({ ...app, profile: declared }))
    await consent()
    expect(await keeper.getToken('me')).toMatchObject({
      value: 'long-1',
      scope: ['a'],
      metadata: { user: 'ann', tier: 'gold' },
    })
    expect(requests[1]).toMatchObject({
      method: 'POST',
      url: 'https://provider.example/last',
      headers: { 'x-short': 'short-1', 'content-type': 'application/json' },
      body: '{}',
    })
  })

  test('follows a login by password too', async () => {
    const { keeper, sent } = await before({ access_token: 'short-1' }, { ...long, refresh_token: 'rt' })
    await keeper.add('me', passwordCredentials({ ...app, profile: declared }))
    await keeper.login('me', { username: 'ann', password: 'secret-1' })
    expect((await keeper.getToken('me')).value).toBe('long-1')
    expect(sent().map(({ line }) => line)).toEqual([
      'POST https://provider.example/token',
      'POST https://provider.example/last',
    ])
  })

  test.each<[string, Said[], object]>([
    ['that gets no answer', [{ access_token: 'short-1' }, 'silence'], { code: 'provider_unreachable' }],
    [
      'that answers something else',
      [{ access_token: 'short-1' }, { a: 1 }],
      { code: 'provider_answer_unusable' },
    ],
  ])('%s is not tried again by anybody but the person', async (_, answers, expected) => {
    const { keeper, consent, sent } = await before(...answers)
    await keeper.add('me', authorizationCode({ ...app, profile: declared }))
    const refused = await consent().catch((error: Error) => error)
    expect(refused).toMatchObject(expected)
    expect((refused as { advice: string }).advice).not.toContain('by itself')
    expect(await keeper.show('me')).toMatchObject({ state: 'pending' })
    expect(sent()).toHaveLength(2)
  })

  test('is not sent when the first was refused', async () => {
    const { keeper, consent, sent } = await before({ status: 400, error: 'invalid_grant' })
    await keeper.add('me', authorizationCode({ ...app, profile: declared }))
    await expect(consent()).rejects.toMatchObject({ code: 'invalid_grant' })
    expect(sent()).toHaveLength(1)
  })
})

import type { RespondRequest, ScriptedResponse } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { authorizationCode, type GrantDefinition, refreshToken } from '../../src/grants/definition.ts'
import { catalogueProfile } from '../../src/providers/catalogue.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { practised, redirectUri } from '../grants/practised.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'

const minute = 60_000
const hour = 60 * minute

const json = (body: object): ScriptedResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

/** Slack's oauth.v2.access as its SDK has it: a bot's and a person's token, whose refresh tokens are each good once. */
class Slack {
  readonly asked: Record<string, string | undefined>[] = []
  readonly revoked: string[] = []
  readonly #live = new Map<string, 'bot' | 'user'>()
  #count = 0
  /** Of the installation: whether a person's token comes with it. */
  withUser = true

  answer({ path, parameters }: RespondRequest): ScriptedResponse | undefined {
    if (path === '/revoke') {
      this.revoked.push(parameters.token ?? '')
      return json({ ok: true, revoked: true })
    }
    if (path !== '/token') return undefined
    const { grant_type: type, refresh_token: presented, client_secret: secret } = parameters
    this.asked.push({ type, presented, secret })
    const team = { team: { id: 'T9TK3CUKW', name: 'Softball' }, app_id: 'A0KRD7HC3' }
    if (type === 'authorization_code') {
      const user = this.withUser ? { id: 'U1', ...this.#tokens('user', 'chat:write') } : { id: 'U1' }
      return json({
        ok: true,
        ...team,
        bot_user_id: 'B1',
        ...this.#tokens('bot', 'commands,im:read'),
        authed_user: user,
      })
    }
    const whose = this.#live.get(presented ?? '')
    if (whose === undefined) return json({ ok: false, error: 'invalid_refresh_token' })
    this.#live.delete(presented ?? '')
    return json({
      ok: true,
      ...team,
      ...this.#tokens(whose, whose === 'bot' ? 'commands,im:read' : 'chat:write'),
    })
  }

  kill(whose: 'bot' | 'user'): void {
    for (const [token, owner] of this.#live) if (owner === whose) this.#live.delete(token)
  }

  adopt(token: string, whose: 'bot' | 'user'): void {
    this.#live.set(token, whose)
  }

  #tokens(whose: 'bot' | 'user', scope: string): object {
    this.#count += 1
    this.#live.set(`xoxe-1-${whose}-${this.#count}`, whose)
    return {
      access_token: `xoxe.xox${whose === 'bot' ? 'b' : 'p'}-1-${this.#count}`,
      refresh_token: `xoxe-1-${whose}-${this.#count}`,
      token_type: whose,
      expires_in: 43_200,
      scope,
    }
  }
}

// Who is killed between the two has one login of which nobody knows, and the code is spent.
test('both grants of one consent are in one transaction of the store', async () => {
  const file = newStoreFile()
  let commits = 0
  const at = await practised({
    store: (clock) =>
      sqliteStore(file, {
        clock,
        faultPoint: (point) => {
          if (point === 'post_store_commit') commits += 1
        },
      }),
  })
  const slack = new Slack()
  at.answerWith((request) => slack.answer(request))
  const definition = authorizationCode({
    profile: catalogueProfile('slack'),
    tokenUrl: at.server.tokenEndpoint,
    authorizationUrl: `${at.server.issuer}/authorize`,
    clientId: 'practice-app',
    clientSecret: 's-1',
  })
  await at.keeper.add('slack', definition)
  const { state } = await at.run(at.keeper.beginConsent('slack', { redirectUri }))
  commits = 0
  await at.run(at.keeper.finishConsent(new URL(`${redirectUri}?code=code-1&state=${state}`)))
  // The one before takes the consent.
  expect(commits).toBe(2)
  expect((await at.keeper.list()).map(({ id }) => id)).toEqual(['slack', 'slack.user'])
})

describe.each(['memory', 'sqlite'])('Slack, as the catalogue has it, on %s', (kind) => {
  async function workspace() {
    const file = newStoreFile()
    const at = await practised(kind === 'sqlite' ? { store: (clock) => sqliteStore(file, { clock }) } : {})
    const slack = new Slack()
    at.answerWith((request) => slack.answer(request))
    const client = {
      profile: catalogueProfile('slack'),
      tokenUrl: at.server.tokenEndpoint,
      authorizationUrl: `${at.server.issuer}/authorize`,
      revocationUrl: `${at.server.issuer}/revoke`,
      clientId: 'practice-app',
    }
    const app = (clientSecret = 'slack-secret-1'): GrantDefinition =>
      authorizationCode({ ...client, clientSecret, scope: ['commands', 'im:read'] })
    const login = async (id = 'slack') => {
      const { state } = await at.run(at.keeper.beginConsent(id, { redirectUri }))
      return at.run(at.keeper.finishConsent(new URL(`${redirectUri}?code=code-1&state=${state}`)))
    }
    return {
      ...at,
      slack,
      client,
      app,
      login,
      names: async () => (await at.keeper.list()).map(({ id }) => id),
    }
  }
  const installed = async () => {
    const at = await workspace()
    await at.keeper.add('slack', at.app(), { labels: { team: 'chat' } })
    await at.login()
    return at
  }

  test("one consent makes two grants, a bot's and a person's", async () => {
    const { keeper, run, names } = await installed()
    expect(await names()).toEqual(['slack', 'slack.user'])
    expect(await run(keeper.getToken('slack'))).toMatchObject({
      value: 'xoxe.xoxb-1-2',
      type: 'bot',
      scope: ['commands', 'im:read'],
      metadata: { team_id: 'T9TK3CUKW', bot_user_id: 'B1', authed_user_id: 'U1' },
    })
    expect(await run(keeper.getToken('slack.user'))).toMatchObject({
      value: 'xoxe.xoxp-1-1',
      type: 'user',
      scope: ['chat:write'],
      generation: 1,
      metadata: { team_id: 'T9TK3CUKW', authed_user_id: 'U1' },
    })
    expect(await keeper.show('slack.user')).toMatchObject({
      state: 'active',
      grantType: 'refresh_token',
      labels: { team: 'chat' },
      scope: ['chat:write'],
      notices: [{ kind: 'connected', message: 'it came with the login of slack' }],
    })
  })

  test('each is renewed by itself with its own refresh token, life after life, once for all who ask', async () => {
    const { keeper, run, pass, slack } = await installed()
    for (const life of [1, 2, 3]) {
      await pass(12 * hour)
      const reads = Array.from({ length: 20 }, () => keeper.getToken('slack.user'))
      const tokens = await run(Promise.all(reads))
      expect(new Set(tokens.map(({ value }) => value)).size).toBe(1)
      expect(tokens[0]).toMatchObject({ type: 'user', scope: ['chat:write'], generation: life + 1 })
      const bot = await run(keeper.getToken('slack'))
      expect(bot).toMatchObject({ type: 'bot', generation: life + 1, metadata: { bot_user_id: 'B1' } })
    }
    expect(slack.asked.slice(1).map(({ presented }) => presented)).toEqual([
      'xoxe-1-user-1',
      'xoxe-1-bot-2',
      'xoxe-1-user-3',
      'xoxe-1-bot-4',
      'xoxe-1-user-5',
      'xoxe-1-bot-6',
    ])
  })

  test('one that is refused needs the person, and the other lives; a new consent brings both back', async () => {
    const { keeper, run, pass, failure, slack, login } = await installed()
    slack.kill('user')
    await pass(12 * hour)
    await failure(keeper.getToken('slack.user'))
    for (const wait of [2, 15]) {
      await pass(wait * minute)
      await run(keeper.tend('slack.user'))
    }
    expect(await keeper.show('slack.user')).toMatchObject({ state: 'reauthorization_required' })
    expect(await run(keeper.getToken('slack'))).toMatchObject({ generation: 2 })
    expect(await failure(keeper.beginConsent('slack.user', { redirectUri }))).toMatchObject({
      code: 'invalid_request',
      advice: 'It came with slack, and comes anew with that: evertoken login slack.',
    })
    await login()
    expect(await keeper.show('slack.user')).toMatchObject({ state: 'active', failures: 0, generation: 2 })
    expect((await run(keeper.getToken('slack.user'))).type).toBe('user')
    await pass(12 * hour)
    expect(await run(keeper.getToken('slack.user'))).toMatchObject({ generation: 3 })
  })

  test('one ends without the other: revoked at the provider, or forgotten', async () => {
    const { keeper, run, failure, slack, login, names } = await installed()
    const user = await run(keeper.getToken('slack.user'))
    await run(keeper.revoke('slack.user'))
    expect(slack.revoked.length).toBeGreaterThan(0)
    for (const token of slack.revoked) expect([user.value, 'xoxe-1-user-1']).toContain(token)
    expect(await failure(keeper.getToken('slack.user'))).toMatchObject({ code: 'grant_revoked' })
    expect((await run(keeper.getToken('slack'))).type).toBe('bot')
    await keeper.remove('slack.user')
    expect(await names()).toEqual(['slack'])
    await login()
    expect(await run(keeper.getToken('slack.user'))).toMatchObject({ generation: 1, type: 'user' })
    await keeper.remove('slack')
    expect(await names()).toEqual(['slack.user'])
    expect((await run(keeper.refresh('slack.user'))).generation).toBe(2)
  })

  test("a consent without a person's token leaves what is there alone", async () => {
    const { keeper, run, slack, login } = await installed()
    slack.withUser = false
    await login()
    expect(await run(keeper.getToken('slack.user'))).toMatchObject({ value: 'xoxe.xoxp-1-1', generation: 1 })
    const without = await workspace()
    without.slack.withUser = false
    await without.keeper.add('slack', without.app())
    await without.login()
    expect(await without.names()).toEqual(['slack'])
  })

  test('a secret that the configuration changes is that of both', async () => {
    const { keeper, run, pass, slack, app } = await installed()
    await keeper.ensure('slack', app('slack-secret-2'))
    await pass(12 * hour)
    await run(keeper.getToken('slack.user'))
    await run(keeper.getToken('slack'))
    expect(new Set(slack.asked.slice(1).map(({ secret }) => secret))).toEqual(new Set(['slack-secret-2']))
  })

  test('so is one that is replaced, and for the second alone there is none to replace', async () => {
    const { keeper, run, pass, failure, slack } = await installed()
    expect(await failure(keeper.replace('slack.user', { refreshToken: 'another' }))).toMatchObject({
      code: 'invalid_request',
      message: 'grant slack.user: it came with slack and has its secrets',
      advice: 'Replace those of slack, or log in to that again.',
    })
    await keeper.replace('slack', { clientSecret: 'slack-secret-2' })
    await pass(12 * hour)
    await run(keeper.getToken('slack.user'))
    await run(keeper.getToken('slack'))
    expect(new Set(slack.asked.slice(1).map(({ secret }) => secret))).toEqual(new Set(['slack-secret-2']))
  })

  test('another grant of that name is never taken over', async () => {
    const at = await workspace()
    await at.keeper.add('slack.user', at.service())
    const taken = {
      code: 'grant_exists',
      grant: 'slack.user',
      advice: 'Remove slack.user, or give it another name; then consent to slack again.',
    }
    expect(await at.failure(at.keeper.add('slack', at.app()))).toMatchObject(taken)
    await at.keeper.remove('slack.user')
    await at.keeper.add('slack', at.app())
    const { state } = await at.run(at.keeper.beginConsent('slack', { redirectUri }))
    await at.keeper.add('slack.user', at.service())
    expect(await at.failure(at.keeper.beginConsent('slack', { redirectUri }))).toMatchObject(taken)
    const callback = new URL(`${redirectUri}?code=code-1&state=${state}`)
    expect(await at.failure(at.keeper.finishConsent(callback))).toMatchObject(taken)
    // The login itself is the only copy, and kept.
    expect((await at.run(at.keeper.getToken('slack'))).type).toBe('bot')
    expect(await at.keeper.show('slack.user')).toMatchObject({ grantType: 'client_credentials' })
    expect(await at.failure(at.keeper.add('s'.repeat(124), at.app()))).toMatchObject({
      code: 'invalid_grant_id',
    })
  })

  test('a login that is imported brings them with its first exchange, and with no later one', async () => {
    const { keeper, run, slack, client, names, answerWith } = await workspace()
    const brings = (number: number): object => ({
      ok: true,
      access_token: `bot-token-${number}`,
      refresh_token: `bot-refresh-${number}`,
      expires_in: 43_200,
      authed_user: {
        access_token: `user-token-${number}`,
        refresh_token: `user-refresh-${number}`,
        expires_in: 43_200,
      },
    })
    let count = 0
    answerWith(({ path }) => (path === '/token' ? json(brings(++count)) : undefined))
    const definition = refreshToken({ ...client, clientSecret: 's-1', refreshToken: 'bot-refresh-0' })
    await keeper.add('slack', definition, { labels: { team: 'chat' } })
    await run(keeper.getToken('slack'))
    expect(await names()).toEqual(['slack', 'slack.user'])
    expect(await run(keeper.getToken('slack.user'))).toMatchObject({ value: 'user-token-1' })
    expect((await keeper.show('slack.user')).labels).toEqual({ team: 'chat' })
    await keeper.remove('slack.user')
    await run(keeper.refresh('slack'))
    expect(await names()).toEqual(['slack'])
    expect(slack.asked).toEqual([])
  })

  test('none of its tokens is in what anybody is told', async () => {
    const { keeper, slack, app } = await installed()
    await keeper.ensure('slack', { ...app(), metadata: ['authed_user', 'access_token', 'team'] })
    slack.adopt('unused', 'bot')
    const token = keeper.peekToken('slack') ?? (await keeper.getToken('slack'))
    expect(token.metadata).toMatchObject({ team: { id: 'T9TK3CUKW', name: 'Softball' } })
    expect(JSON.stringify([token.metadata, await keeper.list(), await keeper.notices()])).not.toMatch(/xox/)
  })
})

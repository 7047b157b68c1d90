// Against Doorkeeper, which has two modes. With the gem's default table a used refresh token stays good until the new access
// token is first used; without that column it is revoked at once, and its access token with it.

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type AuthorizationCodeOptions,
  authorizationCode,
  type GrantDefinition,
  Keeper,
  type KeeperOptions,
  Worker,
} from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { Fleet, kills, testFolder } from '../keepers.ts'
import { type Registration, redirectUri, refreshByHand, statusOf, tokensByHand } from '../login-by-hand.ts'
import { lossyTransport } from '../lossy-transport.ts'
import { consentByForms } from '../person.ts'
import { type ServerProcess, startServer, type TokenRequest } from '../server-process.ts'
import { rubyWithDoorkeeper } from './ruby-packages.ts'

const ruby = await rubyWithDoorkeeper()
if ('missing' in ruby) console.warn(`SKIPPED: the tests against doorkeeper; ${ruby.missing}`)

const person = { user: 'alice', password: 'alice-password' }
const clientOf = { clientId: 'web', clientSecret: 'web-secret' }

describe.skipIf('missing' in ruby)('missing' in ruby ? `doorkeeper (${ruby.missing})` : 'doorkeeper', () => {
  const modes = { previous: true, atOnce: false }
  const servers: Partial<Record<keyof typeof modes, ServerProcess>> = {}
  beforeAll(async () => {
    const program = fileURLToPath(import.meta.resolve('./server.rb'))
    for (const [mode, previous] of Object.entries(modes))
      servers[mode as keyof typeof modes] = await startServer((ruby as { found: string }).found, [program], {
        lifetime: 60,
        previous,
      })
    // Two of Rails, one after the other, take most of a minute on a machine that does other things.
  }, 180_000)
  afterAll(async () => {
    for (const server of Object.values(servers)) await server[Symbol.asyncDispose]()
  })

  let server: ServerProcess
  let before = 0
  const inMode = (mode: keyof typeof modes) =>
    beforeEach(() => {
      const started = servers[mode]
      if (started === undefined) throw new Error('doorkeeper did not start')
      server = started
      before = server.requests().length
    })

  const registration = (): Registration => ({
    ...clientOf,
    authorizationUrl: `${server.origin}/oauth/authorize`,
    tokenUrl: `${server.origin}/oauth/token`,
  })
  const resource = () => `${server.origin}/oauth/userinfo`
  const refreshes = (): readonly TokenRequest[] =>
    server
      .requests()
      .slice(before)
      .filter(({ grantType }) => grantType === 'refresh_token')
  const login = (facts: Partial<AuthorizationCodeOptions>): GrantDefinition =>
    authorizationCode({
      ...registration(),
      introspectionUrl: `${server.origin}/oauth/introspect`,
      scope: 'openid read',
      ...facts,
    })

  async function open(
    facts: Partial<AuthorizationCodeOptions>,
    options: Omit<KeeperOptions, 'store'> & { database?: string } = {},
  ): Promise<Keeper> {
    const { database = join(testFolder(), 'tokens.db'), ...rest } = options
    const keeper = await Keeper.open({ ...rest, store: sqliteStore(database) })
    onTestFinished(() => keeper.close())
    await keeper.add('work', login(facts))
    await consent(keeper)
    before = server.requests().length
    return keeper
  }

  async function consent(keeper: Keeper): Promise<void> {
    const { url } = await keeper.beginConsent('work', { redirectUri })
    await keeper.finishConsent(await consentByForms(url, redirectUri, person))
  }

  const byHand = () => tokensByHand(registration(), 'openid read', person)
  const again = (token: string) => refreshByHand(registration(), token)

  async function tenRefreshes(keeper: Keeper): Promise<void> {
    for (let generation = 2; generation <= 11; generation++) {
      const token = await keeper.refresh('work')
      expect(token.generation).toBe(generation)
      expect(await statusOf(resource(), token.value)).toBe(200)
    }
    const sent = refreshes()
    expect(sent.map(({ status }) => status)).toEqual(Array(10).fill(200))
    expect(sent.slice(1).map(({ spent }) => spent)).toEqual(sent.slice(0, -1).map(({ issued }) => issued))
  }

  const timing = { deadline: 2_000, lease: 4_000, revalidate: 100, scan: 100 }

  describe('with its default table', () => {
    inMode('previous')

    test('a used refresh token gives further children until one of them is used, and then nobody is punished', async () => {
      const first = await byHand()
      const second = await again(first.refresh)
      const third = await again(first.refresh)
      expect(new Set([first.refresh, second.refresh, third.refresh]).size).toBe(3)
      expect(await statusOf(resource(), first.access)).toBe(200)
      expect(await statusOf(resource(), third.access)).toBe(200)
      expect([await statusOf(resource(), first.access), await again(first.refresh)]).toMatchObject([
        401,
        { status: 400, error: 'invalid_grant' },
      ])
      expect((await again(second.refresh)).status).toBe(200)
      expect((await again(third.refresh)).status).toBe(200)
    })

    test('ten refreshes each spend the newest refresh token', async () => {
      await tenRefreshes(await open({}))
    })

    test('taken as strict, a lost answer waits for quiescence, is probed, and costs nothing', async () => {
      const { transport, lose } = lossyTransport(registration().tokenUrl)
      const keeper = await open({ introspection: true, quiescence: 2 }, { transport, timing })
      lose('answer')
      await expect(keeper.refresh('work')).rejects.toMatchObject({ code: 'provider_unreachable' })
      await expect(keeper.refresh('work')).rejects.toThrow()
      expect(refreshes().length).toBe(1)
      await using worker = new Worker(keeper).start()
      expect(worker).toBeDefined()
      await expect.poll(async () => (await keeper.show('work')).generation, { timeout: 15_000 }).toBe(2)
      expect(await keeper.show('work')).toMatchObject({ state: 'active', unresolved: false })
      const [lost, sent, ...more] = refreshes()
      expect(sent?.spent).toBe(lost?.spent)
      expect(sent?.issued).not.toBe(lost?.issued)
      expect(more).toEqual([])
      expect((await keeper.refresh('work')).generation).toBe(3)
    })

    test('taken as fork, eight processes on one login are killed in the middle of their refreshes: it lives', async () => {
      const database = join(testFolder(), 'tokens.db')
      // A machine that is busy for half a minute misses the window; then it takes quiescence, and lives all the same.
      const keeper = await open({ replayClass: 'fork', reuseWindow: 30, quiescence: 15 }, { database })
      const fleet = new Fleet(8, { database, grant: 'work', resource: resource() })
      await fleet.launch()
      await fleet.killMany(kills)
      await expect
        .poll(async () => (await keeper.refresh('work').catch(() => undefined)) !== undefined, {
          timeout: 60_000,
        })
        .toBe(true)
      await fleet.stop()
      expect(fleet.kills).toBe(kills)
      expect(await keeper.show('work')).toMatchObject({ state: 'active', unresolved: false })
      expect(await statusOf(resource(), (await keeper.getToken('work')).value)).toBe(200)
      const reads = fleet.reads()
      expect(reads.filter(({ error, statuses }) => error !== undefined || statuses.at(-1) === 401)).toEqual(
        [],
      )
      const spent = new Set(refreshes().map((request) => request.spent)).size
      expect(refreshes().length - spent).toBeLessThanOrEqual(fleet.kills)
      console.log(
        `doorkeeper: ${fleet.kills} kills in ${spent} refreshes (${refreshes().length} requests), ${reads.length} reads`,
      )
      expect(fleet.complaints).toBe('')
    }, 300_000)
  })

  describe('without its column for the previous token', () => {
    inMode('atOnce')
    const facts = { oldTokenDies: true, introspection: true, quiescence: 2 }

    test('a used refresh token is dead at once, with its access token, and nobody is punished', async () => {
      const first = await byHand()
      const second = await again(first.refresh)
      expect(await statusOf(resource(), first.access)).toBe(401)
      expect(await again(first.refresh)).toMatchObject({ status: 400, error: 'invalid_grant' })
      expect(await statusOf(resource(), second.access)).toBe(200)
      expect((await again(second.refresh)).status).toBe(200)
    })

    test('ten refreshes each spend the newest refresh token', async () => {
      await tenRefreshes(await open(facts, { timing }))
    })

    test('a request that never left is found to be so by a probe, and sent again', async () => {
      const { transport, lose } = lossyTransport(registration().tokenUrl)
      const keeper = await open(facts, { transport, timing })
      lose('request')
      await expect(keeper.refresh('work')).rejects.toMatchObject({ code: 'provider_unreachable' })
      await using worker = new Worker(keeper).start()
      expect(worker).toBeDefined()
      await expect.poll(async () => (await keeper.show('work')).generation, { timeout: 15_000 }).toBe(2)
      expect(refreshes().map(({ status }) => status)).toEqual([200])
      expect(await statusOf(resource(), (await keeper.getToken('work')).value)).toBe(200)
    })

    test.each([
      ['introspection', { introspection: true }],
      ['the old access token', { introspection: false, canary: true }],
    ])(
      'a lost answer is a lost login: %s says so, nothing is sent in vain, a consent brings it back',
      async (_, probe) => {
        const { transport, lose } = lossyTransport(registration().tokenUrl)
        const { introspection } = probe
        const canary = 'canary' in probe ? resource() : undefined
        const keeper = await open({ ...facts, introspection, canary }, { transport, timing })
        lose('answer')
        await expect(keeper.refresh('work')).rejects.toMatchObject({ code: 'provider_unreachable' })
        await using worker = new Worker(keeper).start()
        expect(worker).toBeDefined()
        await expect
          .poll(async () => (await keeper.show('work')).state, { timeout: 15_000 })
          .toBe('reauthorization_required')
        expect(await keeper.show('work')).toMatchObject({
          reason: expect.stringMatching(/^lost_rotation/),
        })
        expect(refreshes().length).toBe(1)
        await consent(keeper)
        expect(await keeper.show('work')).toMatchObject({ state: 'active' })
        expect(await statusOf(resource(), (await keeper.getToken('work')).value)).toBe(200)
      },
    )
  })
})

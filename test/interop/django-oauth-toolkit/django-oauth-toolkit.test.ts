// Against django-oauth-toolkit with its reuse window: a used refresh token gives the same pair again for 30 seconds, and
// the old access token dies at once. It is a real server on a real framework, and answers trouble with pages of HTML.

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { authorizationCode, type GrantDefinition, Keeper, type KeeperOptions, refreshToken } from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { Fleet, kills, testFolder } from '../keepers.ts'
import { type Registration, redirectUri, refreshByHand, statusOf, tokensByHand } from '../login-by-hand.ts'
import { lossyTransport } from '../lossy-transport.ts'
import { consentByForms } from '../person.ts'
import { type ServerProcess, startServer, type TokenRequest } from '../server-process.ts'
import { pythonWithToolkit } from './python-packages.ts'

const python = await pythonWithToolkit()
if ('missing' in python) console.warn(`SKIPPED: the tests against django-oauth-toolkit; ${python.missing}`)

const person = { username: 'alice', password: 'alice-password', allow: 'Authorize' }
const client = { clientId: 'web', clientSecret: 'web-secret' }
const facts = { replayClass: 'idempotent', reuseWindow: 30, oldTokenDies: true } as const

const name = 'django-oauth-toolkit'
describe.skipIf('missing' in python)('missing' in python ? `${name} (${python.missing})` : name, () => {
  let server: ServerProcess
  let before = 0
  beforeAll(async () => {
    const program = fileURLToPath(import.meta.resolve('./server.py'))
    server = await startServer((python as { found: string }).found, [program], { lifetime: 8, grace: 30 })
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
  beforeEach(() => {
    before = server.requests().length
  })

  const refreshes = (): readonly TokenRequest[] =>
    server
      .requests()
      .slice(before)
      .filter(({ grantType }) => grantType === 'refresh_token')
  const resource = () => `${server.origin}/api/whoami`
  const registration = (): Registration => ({
    ...client,
    authorizationUrl: `${server.origin}/o/authorize/`,
    tokenUrl: `${server.origin}/o/token/`,
  })
  const login = (): GrantDefinition =>
    authorizationCode({
      ...registration(),
      ...facts,
      scope: 'read write',
      canary: resource(),
    })

  async function open(database: string, options: Omit<KeeperOptions, 'store'>): Promise<Keeper> {
    const keeper = await Keeper.open({ ...options, store: sqliteStore(database) })
    onTestFinished(() => keeper.close())
    return keeper
  }

  async function loggedIn(keeper: Keeper): Promise<void> {
    await keeper.add('work', login())
    const { url } = await keeper.beginConsent('work', { redirectUri })
    await keeper.finishConsent(await consentByForms(url, redirectUri, person))
  }

  // Readers that notice a refresh sooner make the refreshes come sooner.
  const timing = { revalidate: 200 }

  test('a used refresh token gives the same pair again, and ends the access token before', async () => {
    const first = await tokensByHand(registration(), 'read', person)
    const second = await refreshByHand(registration(), first.refresh)
    expect(await refreshByHand(registration(), first.refresh)).toEqual(second)
    expect(await statusOf(resource(), first.access)).toBe(401)
    expect(await statusOf(resource(), second.access)).toBe(200)
  })

  test('ten refreshes each spend the newest refresh token', async () => {
    const keeper = await open(join(testFolder(), 'tokens.db'), { timing })
    await loggedIn(keeper)
    let token = await keeper.getToken('work')
    for (let generation = 2; generation <= 11; generation++) {
      const next = await keeper.refresh('work')
      expect(next.generation).toBe(generation)
      expect([await statusOf(resource(), token.value), await statusOf(resource(), next.value)]).toEqual([
        401, 200,
      ])
      token = next
    }
    const sent = refreshes()
    expect(sent.map(({ status }) => status)).toEqual(Array(10).fill(200))
    expect(sent.slice(1).map(({ spent }) => spent)).toEqual(sent.slice(0, -1).map(({ issued }) => issued))
  })

  test('an answer that is lost is had again: the same pair, bought with the same refresh token', async () => {
    const { transport, lose } = lossyTransport(registration().tokenUrl)
    const keeper = await open(join(testFolder(), 'tokens.db'), { transport, timing })
    await loggedIn(keeper)
    lose('answer')
    await expect(keeper.refresh('work')).rejects.toMatchObject({ code: 'provider_unreachable' })
    const token = await keeper.refresh('work')
    expect(token.generation).toBe(2)
    expect(await statusOf(resource(), token.value)).toBe(200)
    const [lost, again] = refreshes()
    expect(again).toEqual(lost)
    expect(await keeper.show('work')).toMatchObject({ state: 'active', unresolved: false })
  })

  test('a login whose refresh token others send at the same moment lives through pages of HTML', async () => {
    const keeper = await open(join(testFolder(), 'tokens.db'), { timing })
    const trouble = () => refreshes().filter(({ status }) => status >= 500)
    for (let round = 1; round <= 10 && trouble().length === 0; round++) {
      const { refresh } = await tokensByHand(registration(), 'read', person)
      const grant = `work-${round}`
      await keeper.add(
        grant,
        refreshToken({ ...client, ...facts, tokenUrl: registration().tokenUrl, refreshToken: refresh }),
      )
      const others = Array.from({ length: 8 }, () => refreshByHand(registration(), refresh))
      await keeper.refresh(grant).catch(() => undefined)
      await Promise.all(others)
      const next = await keeper.refresh(grant)
      expect(await statusOf(resource(), next.value)).toBe(200)
      expect((await keeper.show(grant)).state).toBe('active')
    }
    expect(trouble().length).toBeGreaterThan(0)
    expect(trouble().every(({ html }) => html)).toBe(true)
  })

  test('eight processes on one login, killed in the middle of their refreshes: it lives', async () => {
    const database = join(testFolder(), 'tokens.db')
    const keeper = await open(database, { timing })
    await loggedIn(keeper)
    const fleet = new Fleet(8, { database, grant: 'work', resource: resource(), timing })
    await fleet.launch()
    await fleet.killMany(kills)
    await expect
      .poll(async () => (await keeper.refresh('work').catch(() => undefined)) !== undefined, {
        timeout: 20_000,
      })
      .toBe(true)
    await fleet.stop()
    expect(fleet.kills).toBe(kills)
    expect(await statusOf(resource(), (await keeper.getToken('work')).value)).toBe(200)
    expect(await keeper.show('work')).toMatchObject({ state: 'active', unresolved: false })
    expect(refreshes().filter(({ error }) => error !== null)).toEqual([])
    const reads = fleet.reads()
    expect(reads.filter(({ error, statuses }) => error !== undefined || statuses.at(-1) === 401)).toEqual([])
    const steps = new Set(refreshes().map(({ spent }) => spent)).size
    expect(refreshes().length - steps).toBeLessThanOrEqual(fleet.kills)
    console.log(
      `${name}: ${fleet.kills} kills in ${steps} refreshes (${refreshes().length} requests), ${reads.length} reads`,
    )
    expect(fleet.complaints).toBe('')
  }, 300_000)
})

import type { AddressInfo } from 'node:net'
import type { PracticeServer } from '@evertoken/testing'
import { Keeper, memoryStore } from 'evertoken'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createApiKey } from '../../src/broker/api-key.ts'
import { createBroker } from '../../src/broker/broker.ts'
import { grantDescription } from '../../src/config/grant-description.ts'
import { evertoken, folder, secretFile, start } from './command.ts'
import { provider, serviceFlags, serviceSecret } from './practice.ts'

interface Brokered {
  server: PracticeServer
  url: string
  /** Flags of an administrator. */
  admin: string[]
  reader: string
}

/** A broker in this process, with a practice provider. */
async function broker(): Promise<Brokered> {
  const server = await provider({
    clients: [
      {
        clientId: 'practice-service',
        authentication: { method: 'client_secret_basic', secret: serviceSecret },
      },
      {
        clientId: 'practice-app',
        authentication: { method: 'none' },
        redirectUris: ['http://127.0.0.1/oauth/callback'],
        grantTypes: ['authorization_code', 'refresh_token'],
      },
    ],
  })
  const keeper = await Keeper.open({ store: memoryStore({ ephemeral: true }) })
  let url = ''
  const app = createBroker({ keeper, publicUrl: () => url, grantDescription })
  await app.listen({ host: '127.0.0.1', port: 0 })
  url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  onTestFinished(async () => {
    await app.close()
    await keeper.close()
  })
  const key = await createApiKey(keeper.store, { label: 'admin', rights: 'administer' })
  const reader = await createApiKey(keeper.store, { label: 'reader', rights: 'read' })
  return {
    server,
    url,
    admin: ['--broker', url, '--key-file', secretFile(key.reveal())],
    reader: reader.reveal(),
  }
}

const added = async ({ server, admin }: Brokered) =>
  evertoken(['add', 'billing', ...admin, ...serviceFlags(server), '--client-secret-file', '-'], {
    input: serviceSecret,
  })

describe('at a broker', () => {
  test('no request tells it of a profile of its own design, nor sends it into its own network', async () => {
    const { admin } = await broker()
    const profile = secretFile('{ id: acme, token_url: "https://acme.example/token" }')
    const grant = ['--type', 'client_credentials', '--client-id', 'a', '--client-secret-env', 'OURS']
    const add = (...more: string[]) =>
      evertoken(['add', 'x', ...admin, ...grant, '--no-check', ...more], { env: { OURS: 's' } })
    const own = await add('--profile-file', profile)
    expect([own.code, own.stderr]).toEqual([
      2,
      expect.stringContaining("takes no profile of one's own, such as acme, in a request (usage)"),
    ])
    const inside = await add('--token-url', 'https://10.0.0.1/token', '--private-network')
    expect([inside.code, inside.stderr]).toEqual([
      2,
      expect.stringContaining('private_network: true at the top of evertoken.yaml'),
    ])
    expect((await evertoken(['list', ...admin])).stdout).not.toContain('client_credentials')
  })

  test('every command does what it does on a local store', async () => {
    const brokered = await broker()
    const { admin, server } = brokered
    expect(await added(brokered)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^added billing: active/),
    })
    const token = await evertoken(['token', 'billing', ...admin])
    expect(token).toMatchObject({ code: 0, stderr: '' })
    expect(server.introspect(token.stdout.trim())).toMatchObject({ active: true })
    const json = await evertoken(['token', 'billing', '--min-ttl', '1', '--json', ...admin])
    expect(JSON.parse(json.stdout)).toMatchObject({ access_token: token.stdout.trim(), generation: 1 })
    expect((await evertoken(['list', ...admin])).stdout).toMatch(/^billing +active +client_credentials/m)
    expect((await evertoken(['refresh', 'billing', ...admin])).stdout).toContain('generation 2')
    expect((await evertoken(['pause', 'billing', ...admin])).stdout).toContain('paused')
    expect((await evertoken(['token', 'billing', ...admin])).code).toBe(6)
    expect((await evertoken(['resume', 'billing', ...admin])).stdout).toContain('active')
    const validated = await evertoken(['validate', 'billing', '--json', ...admin])
    expect(validated.code).toBe(0)
    expect(JSON.parse(validated.stdout)).toMatchObject({ valid: true, by: 'introspection', generation: 2 })
    const shown = await evertoken(['show', 'billing', '--json', ...admin])
    expect(JSON.parse(shown.stdout)).toMatchObject({ id: 'billing', state: 'active', generation: 2 })
    const revoked = await evertoken(['revoke', 'billing', '--yes', ...admin])
    expect(revoked.stdout).toMatch(/^revoked billing: /)
    expect((await evertoken(['token', 'billing', ...admin])).code).toBe(6)
    const notices = await evertoken(['notices', '--json', ...admin])
    expect(JSON.parse(notices.stdout)).toEqual({ notices: expect.any(Array) })
    expect((await evertoken(['remove', 'billing', '--yes', ...admin])).code).toBe(0)
    const gone = await evertoken(['token', 'billing', ...admin])
    expect(gone.code).toBe(5)
    expect(gone.stderr).toContain(`broker ${new URL(brokered.url).host}`)
  }, 60_000)

  test('a grant is revoked at the provider and removed in one step', async () => {
    const brokered = await broker()
    const { admin, server } = brokered
    await added(brokered)
    const token = (await evertoken(['token', 'billing', ...admin])).stdout.trim()
    const removed = await evertoken(['remove', 'billing', '--revoke', '--yes', '--json', ...admin])
    expect(JSON.parse(removed.stdout)).toEqual({
      id: 'billing',
      removed: true,
      upstream: 'revoked',
      told: { access_token: { outcome: 'revoked', at: expect.any(String) } },
    })
    expect(server.introspect(token)).toEqual({ active: false })
    expect((await evertoken(['show', 'billing', ...admin])).code).toBe(5)
  }, 60_000)

  test('the environment names the broker and the key, and a reader may only read', async () => {
    const brokered = await broker()
    await added(brokered)
    const env = { EVERTOKEN_BROKER: brokered.url, EVERTOKEN_KEY: brokered.reader }
    expect((await evertoken(['token', 'billing'], { env })).stdout).toMatch(/^practice_access_/)
    const refused = await evertoken(['pause', 'billing', '--json'], { env })
    expect(refused.code).toBe(7)
    expect(JSON.parse(refused.stdout).error).toMatchObject({ code: 'forbidden', advice: expect.any(String) })
    const local = await evertoken(['token', 'billing', '--data', folder()], { env })
    expect(local.stderr).toContain('evertoken.db')
  })

  test('a person consents on the broker’s page, and the command waits for it', async () => {
    const { server, admin } = await broker()
    const flags = ['--issuer', server.issuer, '--client-id', 'practice-app']
    const running = start(['login', 'work', ...admin, ...flags])
    const [, link = ''] = await running.says(/^ {2}(http\S+\/connect\/\S+)$/m)
    const first = await fetch(link, { redirect: 'manual' })
    const cookie = first.headers.get('set-cookie')?.split(';')[0] ?? ''
    const callback = await server.consent(first.headers.get('location') ?? '')
    expect((await fetch(callback, { headers: { cookie } })).status).toBe(200)
    const { code, stdout } = await running.ended
    expect(code).toBe(0)
    expect(stdout).toMatch(/^logged in work: active, generation 1/)
  })

  test.each([
    ['a key that is none', { EVERTOKEN_KEY: 'evt_wrong' }, 7, 'key of another broker'],
    ['no key', {}, 2, 'wants an API key'],
    ['a key of two lines', { EVERTOKEN_KEY: 'evt_a\nb' }, 2, 'invalid_configuration'],
  ])('%s is refused', async (_, env, code, said) => {
    const { url } = await broker()
    const ended = await evertoken(['list', '--broker', url], { env })
    expect(ended.code).toBe(code)
    expect(ended.stderr).toContain(said)
  })

  test('whatever else answers at the address of a broker is no broker, and that is said', async () => {
    const { issuer } = await provider()
    const ended = await evertoken(['list', '--broker', issuer], { env: { EVERTOKEN_KEY: 'evt_canary' } })
    expect(ended.code).toBe(4)
    expect(ended.stderr).toContain('Something else may answer there')
  })

  test('a key file that others may read is refused before anything is sent', async () => {
    const file = secretFile('evt_x', 0o644)
    const { code, stderr } = await evertoken(['list', '--broker', 'http://127.0.0.1:9', '--key-file', file])
    expect(code).toBe(2)
    expect(stderr).toContain('key_file_too_open')
  })

  test.each([
    ['http://127.0.0.1:9', 4, 'broker_unreachable'],
    ['http://tokens.example.com', 2, 'insecure_http'],
    ['tokens.example.com', 2, 'usage'],
  ])('the address %s ends with %i', async (url, code, said) => {
    const ended = await evertoken(['list', '--broker', url], { env: { EVERTOKEN_KEY: 'evt_canary' } })
    expect(ended.code).toBe(code)
    expect(ended.stderr).toContain(said)
    expect(ended.stderr).not.toContain('evt_canary')
  })
})

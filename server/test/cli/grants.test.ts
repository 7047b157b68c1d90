import fs from 'node:fs'
import { describe, expect, test } from 'vitest'
import { login } from '../broker/practised-broker.ts'
import { evertoken, folder, hasTerminal, onTerminal, start } from './command.ts'
import { billing, provider } from './practice.ts'

const colour = `${String.fromCharCode(27)}[`

describe('evertoken list', () => {
  test('shows one grant a line, without colours in a pipe', async () => {
    const { server, data } = await billing()
    const { code, stdout } = await evertoken(['list', '--data', data])
    expect(code).toBe(0)
    const [head, line, ...more] = stdout.trimEnd().split('\n')
    expect(head).toMatch(/^NAME +STATE +TYPE +PROVIDER +LEFT +GEN +NEXT +LAST ERROR +NOTICE$/)
    expect(line).toMatch(
      /^billing +active +client_credentials +\S+ +\d m( \d+ s)? +1 +in \d m( \d+ s)? +- +-$/,
    )
    expect(line).toContain(server.issuer)
    expect(more).toEqual([])
    expect(stdout).not.toContain(colour)
  })

  test('gives programs what the broker would answer', async () => {
    const { data } = await billing()
    const { grants } = JSON.parse((await evertoken(['list', '--data', data, '--json'])).stdout)
    expect(grants).toEqual([
      expect.objectContaining({ id: 'billing', state: 'active', generation: 1, scope: '', failures: 0 }),
    ])
    expect(grants[0].expires_at).toMatch(/Z$/)
  })

  test.skipIf(!hasTerminal)('has colours on a terminal, unless NO_COLOR', async () => {
    const { data } = await billing()
    expect((await onTerminal(['list', '--data', data]).ended).stdout).toContain(colour)
    const plain = await onTerminal(['list', '--data', data], { env: { NO_COLOR: '1' } }).ended
    expect(plain.stdout).toContain('billing')
    expect(plain.stdout).not.toContain(colour)
  })
})

describe('evertoken show', () => {
  test('tells the last error with advice, and no secret', async () => {
    const { server, data } = await billing()
    await server.stop()
    expect((await evertoken(['refresh', 'billing', '--data', data])).code).toBe(4)
    const { code, stdout } = await evertoken(['show', 'billing', '--data', data])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^state +active$/m)
    expect(stdout).toMatch(/^last error +\w+: /m)
    expect(stdout).toMatch(/^advice +\S/m)
    expect(stdout).not.toContain('practice_access_')
  }, 40_000)
})

describe('evertoken refresh, pause and resume', () => {
  test('say where the grant stands then', async () => {
    const { data } = await billing()
    const refreshed = await evertoken(['refresh', 'billing', '--data', data])
    expect(refreshed.stdout).toMatch(/^refreshed billing: active, generation 2, /)
    const paused = await evertoken(['pause', 'billing', '--data', data, '--json'])
    expect(JSON.parse(paused.stdout)).toMatchObject({ state: 'paused' })
    const resumed = await evertoken(['resume', 'billing', '--data', data])
    expect(resumed.stdout).toMatch(/^resumed billing: active/)
  })

  test.each(['refresh', 'pause', 'resume', 'show', 'revoke', 'remove'])(
    '%s does not know every name',
    async (command) => {
      const { data } = await billing()
      const { code, stdout } = await evertoken([command, 'nobody', '--data', data, '--json'])
      expect(code).toBe(5)
      expect(JSON.parse(stdout).error).toMatchObject({ code: 'unknown_grant', grant: 'nobody' })
    },
  )
})

describe('evertoken remove', () => {
  test('wants --yes where nobody can be asked', async () => {
    const { data } = await billing()
    const unsure = await evertoken(['remove', 'billing', '--data', data])
    expect(unsure.code).toBe(2)
    expect(unsure.stderr).toContain('evertoken remove billing --yes')
    const sure = await evertoken(['remove', 'billing', '--yes', '--data', data, '--json'])
    expect(JSON.parse(sure.stdout)).toEqual({ id: 'billing', removed: true })
    expect((await evertoken(['show', 'billing', '--data', data])).code).toBe(5)
  })

  test.skipIf(!hasTerminal)('asks on a terminal, and Enter means no', async () => {
    const { data } = await billing()
    const no = onTerminal(['remove', 'billing', '--data', data])
    await no.says(/cannot be undone/, 'stdout')
    no.type('\r')
    expect((await no.ended).stdout).toContain('stays as it is')
    const yes = onTerminal(['remove', 'billing', '--data', data])
    await yes.says(/cannot be undone/, 'stdout')
    yes.type('y')
    expect((await yes.ended).stdout).toContain('removed billing')
  })
})

// It sat there silently, for as long as its provider was given to answer.
test.skipIf(!hasTerminal)(
  'Ctrl-C while a provider is asked says what is waited for, and once more ends it',
  async () => {
    const { server, data } = await billing()
    server.fault({ kind: 'hold_answer', ms: 60_000 })
    const asked = server.requests.length
    const running = onTerminal(['refresh', 'billing', '--data', data])
    await expect.poll(() => server.requests.length, { timeout: 15_000 }).toBeGreaterThan(asked)
    running.type('\x03')
    await running.says(/a request under way is finished first; Ctrl-C again ends it at once/, 'stdout')
    running.type('\x03')
    expect((await running.ended).code).toBe(130)
  },
)

describe('evertoken remove --revoke', () => {
  /** A data folder that holds the login `work` at a provider that is told of revocations while it is `up`. */
  async function work() {
    const told = { up: true }
    const server = await provider({
      respond: ({ path }) => (path === '/revoke' && !told.up ? { status: 503 } : undefined),
    })
    const data = folder()
    const flags = ['--type', 'refresh_token', '--issuer', server.issuer, '--client-id', 'practice-app']
    const added = await evertoken(['add', 'work', '--data', data, ...flags, '--refresh-token-file', '-'], {
      input: await login(server),
    })
    if (added.code !== 0) throw new Error(added.stderr)
    const token = (await evertoken(['token', 'work', '--data', data])).stdout.trim()
    return { server, data, token, told }
  }

  test('ends the login at the provider and forgets the grant', async () => {
    const { server, data, token } = await work()
    const unsure = await evertoken(['remove', 'work', '--revoke', '--data', data])
    expect(unsure.code).toBe(2)
    expect(unsure.stderr).toContain('evertoken remove work --revoke --yes')
    expect(server.introspect(token)).toMatchObject({ active: true })
    const sure = await evertoken(['remove', 'work', '--revoke', '--yes', '--data', data])
    expect(sure).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /^removed work: the provider has ended the login\n +refresh token: revoked\n +access token: revoked\n$/,
      ),
    })
    expect(server.introspect(token)).toEqual({ active: false })
    expect((await evertoken(['show', 'work', '--data', data])).code).toBe(5)
  }, 40_000)

  test('keeps the grant while the provider cannot be told, and the same command removes it later', async () => {
    const { data, told } = await work()
    const command = ['remove', 'work', '--revoke', '--yes', '--json', '--data', data]
    told.up = false
    const refused = await evertoken(command)
    expect(refused.code).toBe(4)
    expect(JSON.parse(refused.stdout).error).toMatchObject({
      code: 'provider_error',
      grant: 'work',
      message: expect.stringContaining('stopped here and nothing is lost'),
      advice: expect.stringContaining('evertoken remove work --revoke'),
    })
    expect((await evertoken(['token', 'work', '--data', data])).code).toBe(6)
    told.up = true
    await expect
      .poll(async () => JSON.parse((await evertoken(command)).stdout), { timeout: 30_000 })
      .toMatchObject({
        id: 'work',
        removed: true,
        upstream: 'revoked',
        told: { refresh_token: { outcome: 'revoked' } },
      })
  }, 60_000)
})

describe('evertoken worker', () => {
  test('refreshes once what is due, and its exit code tells of a failure', async () => {
    const { server, data } = await billing({ lifetimes: { accessToken: 1 } })
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const once = await evertoken(['worker', '--once', '--data', data])
    expect(once.code).toBe(0)
    expect(once.stdout).toContain('1 grant was due')
    await server.stop()
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const failed = await evertoken(['worker', '--once', '--data', data])
    expect(failed.code).toBe(4)
    expect(failed.stderr).toContain('1 of 1 grants that were due have no new token: billing')
  }, 40_000)

  test('works for as long as it is told, and keeps the token alive meanwhile', async () => {
    const { data } = await billing({ lifetimes: { accessToken: 2 } })
    const { code, stdout } = await evertoken(['worker', '--for', '4s', '--data', data])
    expect(code).toBe(0)
    expect(stdout).toMatch(/billing +generation 3/)
  })

  test('ends with 0 at SIGTERM', async () => {
    const { data } = await billing()
    const running = start(['worker', '--data', data])
    await running.says(/keeps the grants in .* alive/)
    running.child.kill('SIGTERM')
    expect((await running.ended).code).toBe(0)
  })

  test('keeps what evertoken.yaml describes', async () => {
    const { server, data } = await billing()
    fs.writeFileSync(
      `${data}/evertoken.yaml`,
      `store: sqlite:evertoken.db
encryption: { keys: [{ id: k1, file: master.key }] }
clients: { acme: { provider: '${server.issuer}', client_id: practice-service, client_secret: '$SECRET' } }
grants: { described: { client: acme, grant_type: client_credentials } }
`.replace('$SECRET', () => ['$', '{SECRET}'].join('')),
    )
    const env = { SECRET: 'practice-service-secret' }
    const once = await evertoken(['worker', '--once'], { cwd: data, env })
    expect(once.code).toBe(0)
    expect((await evertoken(['token', 'described', '--data', data])).stdout).toMatch(/^practice_access_/)
  })
})

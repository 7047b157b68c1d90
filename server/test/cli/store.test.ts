import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { PracticeServer, PracticeServerOptions } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { login } from '../broker/practised-broker.ts'
import { evertoken, folder, hasTerminal, onTerminal } from './command.ts'
import { billing, provider } from './practice.ts'

/** A data folder that holds the login `work`, whose refresh tokens rotate, with its first token. */
async function work(options?: PracticeServerOptions): Promise<{ server: PracticeServer; data: string }> {
  const server = await provider(options)
  const data = folder()
  const { code, stderr } = await evertoken(
    [
      ...['add', 'work', '--data', data, '--type', 'refresh_token', '--issuer', server.issuer],
      ...['--client-id', 'practice-app', '--refresh-token-file', '-'],
    ],
    { input: await login(server) },
  )
  if (code !== 0) throw new Error(stderr)
  return { server, data }
}

/** The same store once more, as a restored backup is. */
function copied(data: string): string {
  const copy = path.join(folder(), 'data')
  fs.cpSync(data, copy, { recursive: true })
  return copy
}

describe('evertoken adopt', () => {
  test('lets a copy go on that has sent nothing until then', async () => {
    const { server, data } = await work()
    const copy = copied(data)
    const sent = server.requests.length
    const refused = await evertoken(['refresh', 'work', '--data', copy, '--json'])
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stdout).error).toMatchObject({
      code: 'store_foreign',
      advice: expect.stringContaining('evertoken adopt'),
    })
    expect(server.requests).toHaveLength(sent)
    expect((await evertoken(['token', 'work', '--data', copy])).stdout).toMatch(/^practice_access_/)

    const unsure = await evertoken(['adopt', '--data', copy])
    expect(unsure.code).toBe(2)
    expect(unsure.stderr).toContain('Nothing stops the other copy')
    expect(unsure.stderr).toContain('evertoken adopt --yes')

    const adopted = await evertoken(['adopt', '--yes', '--json', '--data', copy])
    expect(adopted).toMatchObject({ code: 0 })
    expect(JSON.parse(adopted.stdout)).toEqual({ adopted: true, grants: 1 })
    const { unresolved } = JSON.parse((await evertoken(['show', 'work', '--json', '--data', copy])).stdout)
    expect(unresolved).toBe(true)
    expect(server.requests).toHaveLength(sent)
  }, 40_000)

  test('has nothing to do with a store that is the one it was', async () => {
    const { data } = await work()
    const { code, stdout } = await evertoken(['adopt', '--data', data])
    expect(code).toBe(0)
    expect(stdout).toContain('there is nothing to adopt')
    const json = await evertoken(['adopt', '--json', '--data', data])
    expect(JSON.parse(json.stdout)).toEqual({ adopted: false, grants: 0 })
  })

  test('makes no store where there is none', async () => {
    const nowhere = path.join(folder(), 'nowhere')
    const { code, stderr } = await evertoken(['adopt', '--yes', '--data', nowhere])
    expect(code).toBe(1)
    expect(stderr).toContain('there is no store')
    expect(fs.existsSync(nowhere)).toBe(false)
  })

  test.skipIf(!hasTerminal)(
    'asks on a terminal, and Enter means no',
    async () => {
      const { data } = await billing()
      const copy = copied(data)
      const no = onTerminal(['adopt', '--data', copy])
      await no.says(/ended for good/, 'stdout')
      no.type('\r')
      expect((await no.ended).stdout).toContain('Nothing was adopted')
      const yes = onTerminal(['adopt', '--data', copy])
      await yes.says(/ended for good/, 'stdout')
      yes.type('y')
      expect((await yes.ended).stdout).toContain('adopted ')
      expect((await evertoken(['refresh', 'billing', '--data', copy])).code).toBe(0)
    },
    40_000,
  )
})

describe('evertoken spool', () => {
  test('lists the spool of each host, with what waits for it', async () => {
    const { data } = await work()
    const { code, stdout } = await evertoken(['spool', 'list', '--data', data])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ID +HOST +LAST OPENED +RETIRED +WAITING +FOLDER\n\S+ +\S+ +\S+ +- +0 +\S+\n$/)
    const { spools } = JSON.parse((await evertoken(['spool', 'list', '--json', '--data', data])).stdout)
    expect(spools).toEqual([
      {
        id: expect.any(String),
        host: os.hostname(),
        folder: expect.stringContaining(data),
        seen_at: expect.stringMatching(/Z$/),
        grants: 0,
      },
    ])
  })

  test('retires one whose host never comes back, when somebody is sure', async () => {
    const { data } = await work()
    const list = async () => JSON.parse((await evertoken(['spool', 'list', '--json', '--data', data])).stdout)
    const [{ id }] = (await list()).spools
    const unsure = await evertoken(['spool', 'retire', id, '--data', data])
    expect(unsure.code).toBe(2)
    expect(unsure.stderr).toContain(`evertoken spool retire ${id} --yes`)
    const sure = await evertoken(['spool', 'retire', id, '--yes', '--json', '--data', data])
    expect(JSON.parse(sure.stdout)).toEqual({ id, retired: true, grants: 0 })
    expect((await list()).spools).toMatchObject([{ id, retired_at: expect.stringMatching(/Z$/) }])
  })

  test('does not know every id', async () => {
    const { data } = await work()
    const { code, stdout } = await evertoken(['spool', 'retire', 'nobody', '--json', '--data', data])
    expect(code).toBe(1)
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'not_found' })
  })
})

describe('evertoken validate', () => {
  test('says whether the token is good and who says so, and ends with 1 when it is not', async () => {
    const { server, data } = await work()
    const { stdout: token } = await evertoken(['token', 'work', '--data', data])
    const before = server.requests.length
    const good = await evertoken(['validate', 'work', '--data', data])
    expect(good.code).toBe(0)
    expect(good.stdout).toMatch(
      /^work is good: the provider says so \(introspection\); generation 1, its time ends in \d+ m/,
    )
    server.revokeLogin('practice-user')
    const dead = await evertoken(['validate', 'work', '--data', data])
    expect(dead).toMatchObject({ code: 1, stderr: 'evertoken refresh work obtains another.\n' })
    expect(dead.stdout).toMatch(/^work is no good: the provider says so \(introspection\); generation 1/)
    expect(dead.stdout + good.stdout).not.toContain(token.trim())
    const asked = server.requests.slice(before).map(({ path: at }) => at)
    expect(asked).not.toContain('/token')
    const json = await evertoken(['validate', 'work', '--data', data, '--json'])
    expect(json.code).toBe(1)
    expect(JSON.parse(json.stdout)).toEqual({
      grant: 'work',
      valid: false,
      by: 'introspection',
      generation: 1,
      expires_at: expect.stringMatching(/Z$/),
      unanswered: [],
    })
  }, 40_000)
})

describe('evertoken revoke', () => {
  test('ends a login here and at the provider, when somebody is sure', async () => {
    const { server, data } = await work()
    const { stdout: token } = await evertoken(['token', 'work', '--data', data])
    const unsure = await evertoken(['revoke', 'work', '--data', data])
    expect(unsure.code).toBe(2)
    expect(unsure.stderr).toContain('evertoken revoke work --yes')
    expect(server.introspect(token.trim())).toMatchObject({ active: true })
    const sure = await evertoken(['revoke', 'work', '--yes', '--data', data])
    expect(sure).toMatchObject({
      code: 0,
      stdout:
        'revoked work: the provider has ended the login\n  refresh token: revoked\n  access token: revoked\n',
    })
    expect(server.introspect(token.trim())).toEqual({ active: false })
    const refused = await evertoken(['token', 'work', '--data', data, '--json'])
    expect(refused.code).toBe(6)
    expect(JSON.parse(refused.stdout).error).toMatchObject({ code: 'grant_revoked', grant: 'work' })
    const shown = await evertoken(['show', 'work', '--data', data])
    expect(shown.stdout).toMatch(/^state +revoked$/m)
    expect(shown.stdout).toMatch(/^upstream +the provider has ended the login$/m)
  }, 40_000)

  test('goes on by itself while the provider does not answer', async () => {
    const { server, data } = await work({
      respond: ({ path: at }) => (at === '/revoke' ? { status: 503 } : undefined),
    })
    const { code, stdout } = await evertoken(['revoke', 'work', '--yes', '--json', '--data', data])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      state: 'revoking',
      last_error: { message: expect.stringContaining('status 503') },
    })
    expect((await evertoken(['list', '--data', data])).stdout).toMatch(/^work +revoking /m)
    expect(server.requests.filter(({ path: at }) => at === '/revoke').length).toBeGreaterThanOrEqual(1)
  }, 40_000)
})

describe('evertoken notices', () => {
  const refusing: PracticeServerOptions = {
    respond: ({ path: at, parameters }) =>
      at === '/token' && parameters.grant_type === 'refresh_token'
        ? {
            status: 400,
            headers: { 'content-type': 'application/json' },
            body: '{"error":"consent_required"}',
          }
        : undefined,
  }

  test('tells of a lost login, to people and to programs', async () => {
    const server = await provider(refusing)
    const data = folder()
    const flags = ['--type', 'refresh_token', '--issuer', server.issuer, '--client-id', 'practice-app']
    const added = await evertoken(['add', 'work', '--data', data, ...flags, '--refresh-token-file', '-'], {
      input: await login(server),
    })
    expect(added.code).toBe(3)
    const told = await evertoken(['notices', '--data', data])
    expect(told.code).toBe(0)
    expect(told.stdout).toMatch(
      /^NO +TIME +GRANT +KIND +MESSAGE\n\d+ +\S+ +work +reauthorization_required +\S/,
    )
    const { notices } = JSON.parse((await evertoken(['notices', '--json', '--data', data])).stdout)
    expect(notices).toMatchObject([{ grant: 'work', kind: 'reauthorization_required', epoch: 1 }])
    const later = ['notices', '--after', String(notices[0].number), '--json', '--data', data]
    expect(JSON.parse((await evertoken(later)).stdout)).toEqual({ notices: [] })
    const shown = await evertoken(['show', 'work', '--data', data])
    expect(shown.stdout).toMatch(/^replay class +strict$/m)
    expect(shown.stdout).toMatch(/^notices +\S+Z reauthorization_required: \S/m)
    expect((await evertoken(['list', '--data', data])).stdout).toMatch(/^work .* reauthorization_required$/m)
  }, 40_000)

  test('says where there are none', async () => {
    const { data } = await billing()
    const { code, stdout, stderr } = await evertoken(['notices', '--data', data])
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toContain('No notices in')
  })
})

import fs from 'node:fs'
import path from 'node:path'
import { login } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { evertoken, folder, secretFile } from './command.ts'
import { billing, provider, serviceSecret } from './practice.ts'

const shown = async (data: string, id: string) =>
  JSON.parse((await evertoken(['show', id, '--data', data, '--json'])).stdout)

describe('evertoken replace', () => {
  test('takes the new client secret of a grant that was added by hand, and proves it with a token', async () => {
    const { server, data } = await billing()
    server.setClientSecret('practice-service', 'new-secret')
    const failed = await evertoken(['refresh', 'billing', '--data', data])
    expect(failed.stderr).toContain('(invalid_client)')
    expect(failed.stderr).toContain('evertoken replace takes another')
    const flags = ['--data', data, '--client-secret-file', secretFile('new-secret')]
    const { code, stdout, stderr } = await evertoken(['replace', 'billing', ...flags])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^replaced the secret of billing: active, generation 2, .* left\n$/)
  })

  test('says that a new secret which the provider refuses is kept all the same, and leaves the token alone', async () => {
    const { data } = await billing()
    const env = { OUR_SECRET: 'mistyped' }
    const wrong = await evertoken(
      ['replace', 'billing', '--data', data, '--client-secret-env', 'OUR_SECRET'],
      {
        env,
      },
    )
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toContain('billing has what is new, but no token came by it.')
    expect(wrong.stderr).toContain('(invalid_client)')
    expect(wrong.stderr).not.toContain('mistyped')
    expect((await evertoken(['token', 'billing', '--data', data])).code).toBe(0)
    const right = await evertoken(
      ['replace', 'billing', '--data', data, '--client-secret-file', '-', '--no-check', '--json'],
      { input: serviceSecret },
    )
    expect(JSON.parse(right.stdout)).toMatchObject({ id: 'billing', state: 'active', generation: 1 })
  })

  test('takes the refresh token of a new login for one that was handed in', async () => {
    const server = await provider()
    const data = folder()
    const token = async (subject: string) => (await login(server.issuer, { subject })).refreshToken
    const flags = ['--type', 'refresh_token', '--issuer', server.issuer, '--client-id', 'practice-app']
    await evertoken(['add', 'crm', '--data', data, ...flags, '--refresh-token-file', '-'], {
      input: await token('ann'),
    })
    const { code, stdout } = await evertoken(
      ['replace', 'crm', '--data', data, '--refresh-token-file', '-'],
      { input: await token('ann') },
    )
    expect(code).toBe(0)
    expect(stdout).toMatch(/^replaced the secret of crm: active, generation 2, /)
    expect(await shown(data, 'crm')).toMatchObject({ state: 'active', failures: 0 })
  })

  test.each([
    ['nothing', [], 2, 'it is not said what of billing is to be replaced (usage)'],
    [
      'what is not there',
      ['--refresh-token-env', 'TOKEN'],
      1,
      'takes no refresh token from elsewhere (invalid_request)',
    ],
    ['an empty one', ['--client-secret-env', 'NONE'], 2, 'is empty where a secret should be (empty_secret)'],
  ])(
    'refuses %s, and changes nothing',
    async (_, flags, exit, message) => {
      const { data } = await billing()
      const before = await shown(data, 'billing')
      const env = { TOKEN: 'r', NONE: '' }
      const { code, stderr } = await evertoken(['replace', 'billing', '--data', data, ...flags], { env })
      expect(stderr).toContain(message)
      expect(code).toBe(exit)
      expect((await shown(data, 'billing')).updated_at).toBe(before.updated_at)
    },
    60_000,
  )

  test('sends nobody who has a grant of evertoken.yaml past that file', async () => {
    const cwd = folder()
    const { issuer } = await provider()
    fs.writeFileSync(
      path.join(cwd, 'evertoken.yaml'),
      `clients:\n  acme: { provider: '${issuer}', client_id: practice-service, client_secret: ${serviceSecret} }\ngrants:\n  billing: { client: acme, grant_type: client_credentials }\n`,
    )
    const flags = ['--client-secret-file', secretFile('new-secret')]
    const { code, stderr } = await evertoken(['replace', 'billing', ...flags], { cwd })
    expect(code).toBe(1)
    expect(stderr).toContain('evertoken.yaml describes billing, and its secrets with it (invalid_request)')
    expect(stderr).toContain('Put the new one there')
  })

  test('is for the machine that has the store', async () => {
    const flags = ['--client-secret-file', secretFile('new-secret'), '--broker', 'http://127.0.0.1:1']
    const key = ['--key-file', secretFile('evt_abc_def')]
    const { code, stderr } = await evertoken(['replace', 'billing', ...flags, ...key])
    expect(code).toBe(2)
    expect(stderr).toContain('a secret is replaced where the store is, not at the broker 127.0.0.1:1 (usage)')
  })
})

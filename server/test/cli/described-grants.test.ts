import fs from 'node:fs'
import path from 'node:path'
import { login } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { evertoken, folder } from './command.ts'
import { provider, serviceSecret } from './practice.ts'

/** A folder with an evertoken.yaml that nothing has been run in yet. */
async function project(): Promise<{ cwd: string; store: string; env: Record<string, string> }> {
  const { issuer } = await provider()
  const cwd = folder()
  fs.writeFileSync(
    path.join(cwd, 'evertoken.yaml'),
    [
      'clients:',
      `  acme: { provider: '${issuer}', client_id: practice-service, client_secret: '\${ACME_SECRET}' }`,
      `  app: { provider: '${issuer}', client_id: practice-app }`,
      'grants:',
      '  billing: { client: acme, grant_type: client_credentials, labels: { team: money } }',
      '  calendar: { client: app, grant_type: authorization_code }',
    ].join('\n'),
  )
  const store = path.join(cwd, '.evertoken/evertoken.db')
  return { cwd, store, env: { ACME_SECRET: serviceSecret } }
}

describe('a grant of evertoken.yaml that no store has yet', () => {
  test('is put there by the first command that names it, labels and all', async () => {
    const { cwd, env } = await project()
    expect((await evertoken(['token', 'billing'], { cwd, env })).stdout).toMatch(/^practice_access_\S+\n$/)
    const { stdout } = await evertoken(['show', 'billing', '--json'], { cwd })
    expect(JSON.parse(stdout)).toMatchObject({ state: 'active', labels: { team: 'money' } })
  })

  test('can be logged in to before anything has served it', async () => {
    const { cwd, env } = await project()
    const { code, stderr } = await evertoken(['login', 'calendar', '--paste'], { cwd, env, input: 'no\n' })
    expect(stderr).toContain('client_id=practice-app')
    expect(code).toBe(2)
  })

  test('is named by list, which leaves no store behind', async () => {
    const { cwd, store } = await project()
    const { code, stdout, stderr } = await evertoken(['list'], { cwd })
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toContain('not kept yet: billing, calendar')
    expect(stderr).not.toContain('evertoken add')
    expect(fs.existsSync(store)).toBe(false)
  })

  test('wants what the file wants, and says which variable with its line', async () => {
    const { cwd, store } = await project()
    const { code, stderr } = await evertoken(['token', 'billing'], { cwd })
    expect(code).toBe(2)
    expect(stderr).toContain('evertoken.yaml:2: clients.acme.client_secret')
    expect(stderr).toContain('ACME_SECRET is not set')
    expect(fs.existsSync(store)).toBe(false)
  })

  test('is no other: a name that is not in the file stays unknown, and nothing is made', async () => {
    const { cwd, store } = await project()
    const { code, stderr } = await evertoken(['token', 'biling'], { cwd })
    expect(code).toBe(5)
    expect(stderr).toContain('(unknown_grant)')
    expect(fs.existsSync(store)).toBe(false)
  })

  test('is not made by a command that would end it', async () => {
    const { cwd, env, store } = await project()
    const { code } = await evertoken(['remove', 'billing', '--yes'], { cwd, env })
    expect(code).toBe(5)
    expect(fs.existsSync(store)).toBe(false)
  })
})

test('a grant that is removed and stands in evertoken.yaml comes back, and whoever removes it is told', async () => {
  const { cwd, env } = await project()
  await evertoken(['token', 'billing'], { cwd, env })
  const { code, stdout, stderr } = await evertoken(['remove', 'billing', '--yes'], { cwd, env })
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'removed billing\n' })
  expect(stderr).toBe(
    'evertoken: evertoken.yaml describes billing: it is made anew by the next command that names it, and when evertoken serve or worker starts. Take it out there too.\n',
  )
  expect((await evertoken(['token', 'billing'], { cwd, env })).code).toBe(0)
})

describe('a description that is corrected', () => {
  test('holds for the next command that the old one would have failed', async () => {
    const { cwd, env } = await project()
    const wrong = await evertoken(['token', 'billing'], { cwd, env: { ACME_SECRET: 'mistyped' } })
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toContain('(invalid_client)')
    const right = await evertoken(['token', 'billing'], { cwd, env })
    expect(right.stderr).toBe('')
    expect(right.stdout).toMatch(/^practice_access_\S+\n$/)
  })

  test('is not asked about while all is well', async () => {
    const { cwd, env } = await project()
    await evertoken(['token', 'billing'], { cwd, env })
    const { code } = await evertoken(['refresh', 'billing'], {
      cwd,
      env: { ACME_SECRET: 'of another shell' },
    })
    expect(code).toBe(0)
  })

  test('leaves the failure as it is where the file cannot be read', async () => {
    const { cwd } = await project()
    await evertoken(['token', 'billing'], { cwd, env: { ACME_SECRET: 'mistyped' } })
    const { code, stderr } = await evertoken(['token', 'billing'], { cwd })
    expect(code).toBe(1)
    expect(stderr).toContain('(invalid_client)')
  })

  // Only the next start of evertoken serve took it over.
  test('holds for a login that was handed in and is over, once another refresh token stands there', async () => {
    const server = await provider()
    const cwd = folder()
    const token = path.join(cwd, 'refresh-token')
    const write = (text: string) => fs.writeFileSync(token, text, { mode: 0o600 })
    const newLogin = async () => (await login(server.issuer, { subject: 'ann' })).refreshToken
    write('spent-elsewhere')
    fs.writeFileSync(
      path.join(cwd, 'evertoken.yaml'),
      [
        `clients: { app: { provider: '${server.issuer}', client_id: practice-app } }`,
        'grants: { crm: { client: app, grant_type: refresh_token, refresh_token_file: refresh-token } }',
      ].join('\n'),
    )
    const over = await evertoken(['token', 'crm'], { cwd })
    expect(over.stderr).toContain('(invalid_grant)')
    write(await newLogin())
    expect((await evertoken(['token', 'crm'], { cwd })).stdout).toMatch(/^practice_access_\S+\n$/)
  })

  test('holds for a login that nobody has finished yet', async () => {
    const { cwd, env } = await project()
    await evertoken(['show', 'calendar'], { cwd, env })
    const file = path.join(cwd, 'evertoken.yaml')
    fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('practice-app', 'practice-other'))
    const { stderr } = await evertoken(['login', 'calendar', '--paste'], { cwd, env, input: 'no\n' })
    expect(stderr).toContain('client_id=practice-other')
  })
})

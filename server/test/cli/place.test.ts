import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { evertoken, folder, nodeArgs, Running } from './command.ts'
import { billing, provider, serviceFlags, serviceSecret } from './practice.ts'

describe('the data is found', () => {
  test('by EVERTOKEN_DATA, over which --data wins', async () => {
    const { data } = await billing()
    const env = { EVERTOKEN_DATA: data }
    expect((await evertoken(['token', 'billing'], { env })).code).toBe(0)
    const elsewhere = await evertoken(['token', 'billing', '--data', folder()], { env })
    expect(elsewhere.code).toBe(5)
  })

  test('in the nearest .evertoken folder upward', async () => {
    const { data } = await billing()
    const project = folder()
    fs.renameSync(data, path.join(project, '.evertoken'))
    const deep = path.join(project, 'a/b/c')
    fs.mkdirSync(deep, { recursive: true })
    expect((await evertoken(['token', 'billing'], { cwd: deep })).stdout).toMatch(/^practice_access_/)
  })

  test('where the nearest evertoken.yaml says', async () => {
    const { data } = await billing()
    const project = folder()
    fs.writeFileSync(
      path.join(project, 'evertoken.yaml'),
      `store: sqlite:${data}/evertoken.db\nencryption: { keys: [{ id: k1, file: ${data}/master.key }] }\n`,
    )
    const deep = path.join(project, 'a')
    fs.mkdirSync(deep)
    expect((await evertoken(['token', 'billing'], { cwd: deep })).stdout).toMatch(/^practice_access_/)
  })

  test('in a configuration, without the secrets that its clients need', async () => {
    const { data } = await billing()
    const project = folder()
    fs.writeFileSync(
      path.join(project, 'evertoken.yaml'),
      [
        `store: sqlite:${data}/evertoken.db`,
        `encryption: { keys: [{ id: k1, file: ${data}/master.key }] }`,
        'clients:',
        `  acme: { provider: https://auth.example, client_id: a, client_secret: "\${NOBODY_SET_THIS}" }`,
      ].join('\n'),
    )
    expect((await evertoken(['token', 'billing'], { cwd: project })).stdout).toMatch(/^practice_access_/)
  })

  test('else in the user’s data folder, and the error names it', async () => {
    const home = folder()
    const { stderr } = await evertoken(['show', 'x'], { cwd: home, env: { XDG_DATA_HOME: home } })
    expect(stderr).toContain(path.join(home, 'evertoken/evertoken.db'))
  })

  test('and made there, for its user alone, by the first add', async () => {
    const home = folder()
    const server = await provider()
    const { code, stderr } = await evertoken(
      ['add', 'billing', ...serviceFlags(server), '--client-secret-file', '-'],
      { cwd: home, env: { XDG_DATA_HOME: home }, input: serviceSecret },
    )
    expect(code).toBe(0)
    const made = path.join(home, 'evertoken')
    expect(stderr).toContain(`made the key ${path.join(made, 'master.key')}`)
    const modeOf = (name: string) => fs.statSync(path.join(made, name)).mode & 0o777
    expect([modeOf('.'), modeOf('master.key'), modeOf('evertoken.db')]).toEqual([0o700, 0o600, 0o600])
  })

  test('and said wrongly, its configuration is named with the line', async () => {
    const project = folder()
    fs.writeFileSync(path.join(project, 'evertoken.yaml'), 'listen: 127.0.0.1:0\nstoer: sqlite:x.db\n')
    const { code, stderr } = await evertoken(['list'], { cwd: project })
    expect(code).toBe(2)
    expect(stderr).toContain(`${path.join(project, 'evertoken.yaml')}:2`)
    expect(stderr).toContain('store')
  })

  test('not at all from a folder that is gone, which is said without a stack', async () => {
    const gone = folder()
    const shell = ['-c', 'cd "$1" && rmdir "$1" && shift && exec "$@"', 'sh', gone]
    const running = new Running('sh', [...shell, process.execPath, ...nodeArgs, 'list'])
    const { code, stderr } = await running.ended
    expect(code).toBe(2)
    expect(stderr).toContain('does not exist any more')
    expect(stderr).not.toMatch(/\n\s+at /)
  })
})

import { once } from 'node:events'
import fs from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { expect, test } from 'vitest'
import { evertoken, folder, start } from './command.ts'

/** A port that is free, with the one after it, for the practice provider. */
async function freePair(): Promise<string> {
  for (;;) {
    const servers = [createServer().listen(0, '127.0.0.1')]
    await once(servers[0]!, 'listening')
    const { port } = servers[0]!.address() as { port: number }
    servers.push(createServer().listen(port + 1, '127.0.0.1'))
    const free = await once(servers[1]!, 'listening').then(
      () => true,
      () => false,
    )
    for (const server of servers) server.close()
    if (free) return String(port)
  }
}

// Regression: the store went to EVERTOKEN_DATA while the practice secrets and the printed paths were --data's.
test('the practice set-up keeps everything in --data, also where EVERTOKEN_DATA says otherwise', async () => {
  const cwd = folder()
  const other = path.join(cwd, 'other')
  const env = { EVERTOKEN_PORT: await freePair(), EVERTOKEN_DATA: other }
  const running = start(['start', '--data', 'here'], { cwd, env })
  await running.says(/Ctrl-C ends it/, 'stdout')
  expect(fs.readdirSync(path.join(cwd, 'here'))).toEqual(
    expect.arrayContaining(['evertoken.db', 'master.key', 'reader.key', 'practice.jsonl']),
  )
  expect(fs.existsSync(other)).toBe(false)
  running.child.kill('SIGINT')
  expect((await running.ended).code).toBe(0)
})

// Two lines had to be taken out of the copy, or a second store was made beside it.
test('the configuration of the practice set-up, copied to evertoken.yaml as it is, goes on with the same store', async () => {
  const cwd = folder()
  const running = start(['start'], { cwd, env: { EVERTOKEN_PORT: await freePair() } })
  await running.says(/Ctrl-C ends it/, 'stdout')
  running.child.kill('SIGINT')
  await running.ended
  fs.copyFileSync(path.join(cwd, '.evertoken/practice.yaml'), path.join(cwd, 'evertoken.yaml'))
  const { stdout } = await evertoken(['list', '--json'], { cwd })
  expect(JSON.parse(stdout).grants).toMatchObject([
    { id: 'demo-person', state: 'active' },
    { id: 'demo-robot' },
    { id: 'demo-service' },
  ])
  expect(fs.readdirSync(cwd).sort()).toEqual(['.evertoken', 'evertoken.yaml'])
})

test('the practice set-up refuses --listen, which it could not follow', async () => {
  const { code, stderr } = await evertoken(['start', '--listen', '127.0.0.1:9'], { cwd: folder() })
  expect(code).toBe(2)
  expect(stderr).toContain('EVERTOKEN_PORT')
})

test.each(['0', '65535', 'x'])('EVERTOKEN_PORT=%s leaves no room for two ports in a row', async (port) => {
  const cwd = folder()
  const { code, stderr } = await evertoken(['start'], { cwd, env: { EVERTOKEN_PORT: port } })
  expect(code).toBe(2)
  expect(stderr).toContain('EVERTOKEN_PORT')
  expect(fs.readdirSync(cwd)).toEqual([])
})

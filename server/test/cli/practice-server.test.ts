import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readTruthFile } from '@evertoken/testing'
import { expect, onTestFinished, test } from 'vitest'
import { evertoken, start } from './command.ts'

const ask = async (issuer: string) => {
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa('practice-service:practice-service-secret')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  return (await answer.json()) as { expires_in: number }
}

test('says where it is, who may come and how, until Ctrl-C', async () => {
  const running = start(['practice-server', '--access-token-lifetime', '77'])
  const [, issuer = ''] = await running.says(/at (http:\/\/127\.0\.0\.1:\d+); Ctrl-C ends it/, 'stdout')
  expect(running.stdout).toContain('practice-web      practice-web-secret')
  expect(running.stdout).toContain(
    `$ curl -u practice-service:practice-service-secret -d grant_type=client_credentials ${issuer}/token`,
  )
  expect((await ask(issuer)).expires_in).toBe(77)
  running.child.kill('SIGINT')
  expect(await running.ended).toMatchObject({ code: 0, stderr: '' })
})

test('with --json it is one line', async () => {
  const running = start(['practice-server', '--json', '--rotation', 'fork', '--reuse-window', '60'])
  await running.says(/\n$/, 'stdout')
  const said = JSON.parse(running.stdout) as { issuer: string; port: number; clients: object[] }
  expect(said.issuer).toBe(`http://127.0.0.1:${said.port}`)
  expect(said.clients).toContainEqual({ client_id: 'practice-app', for: 'a login, public client' })
  expect((await ask(said.issuer)).expires_in).toBe(300)
  running.child.kill('SIGTERM')
  expect((await running.ended).code).toBe(0)
})

test('with --truth it writes down what truly happened', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const truth = join(folder, 'truth.jsonl')
  const running = start(['practice-server', '--json', '--old-token-dies', '--truth', truth])
  await running.says(/\n$/, 'stdout')
  await ask((JSON.parse(running.stdout) as { issuer: string }).issuer)
  running.child.kill('SIGTERM')
  expect((await running.ended).code).toBe(0)
  expect(readTruthFile(truth).map(({ type }) => type)).toEqual([
    'received',
    'issued',
    'processed',
    'answered',
  ])
  expect(readTruthFile(truth)[1]).toMatchObject({ endsEarlier: true })
})

test('with --recorded it answers as the provider in the file does', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'recorded.json')
  const request = { method: 'GET', path: '/sns/refresh', parameters: { appid: 'wx1' } }
  writeFileSync(file, JSON.stringify([{ request, answer: { body: { errcode: 40030 } } }]))
  const running = start(['practice-server', '--json', '--recorded', file])
  await running.says(/\n$/, 'stdout')
  const { issuer } = JSON.parse(running.stdout) as { issuer: string }
  expect(await (await fetch(`${issuer}/sns/refresh?appid=wx1`)).json()).toEqual({ errcode: 40030 })
  expect((await fetch(`${issuer}/sns/refresh?appid=wx2`)).status).toBe(501)
  running.child.kill('SIGTERM')
  expect((await running.ended).code).toBe(0)
})

test.each([
  ['{"request": {}}', 'holds no JSON list of recorded exchanges (usage)'],
  ['[', 'holds no JSON list of recorded exchanges'],
  ['[{"request": {"path": "/x"}}]', 'recorded.0.answer must be an object'],
  [undefined, 'cannot be read'],
])('recorded exchanges in a file with %s are an error of usage', async (text, message) => {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'recorded.json')
  if (text !== undefined) writeFileSync(file, text)
  const { code, stderr } = await evertoken(['practice-server', '--recorded', file])
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})

test.each([
  [['--rotation', 'sometimes'], 'rotation must be strict, none, idempotent, last_child_wins or fork'],
  [['--port', '70000'], 'It is a port'],
  [['--access-token-lifetime', '0'], 'accessToken must be a number of seconds above 0'],
])('%j is an error of usage', async (flags, message) => {
  const { code, stderr } = await evertoken(['practice-server', ...flags])
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})

test('its help has an example', async () => {
  const { stdout } = await evertoken(['practice-server', '--help'])
  expect(stdout).toMatch(/\nExample:\n {2}\$ evertoken practice-server --port 8080/)
})

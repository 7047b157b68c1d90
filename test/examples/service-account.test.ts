import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { type PracticeServerOptions, startPracticeServer } from '@evertoken/testing'
import { expect, onTestFinished, test } from 'vitest'
import { serviceAccount } from '../../examples/service-account/account.ts'
import { practised as controlled } from '../../library/test/grants/practised.ts'

const folder = path.resolve(import.meta.dirname, '../../examples/service-account')
const key = {
  keyId: 'key-1',
  email: 'robot@project.example',
  secret: 'a-secret-of-at-least-32-bytes-for-hs256',
}

const assertionIssuers = [
  { issuer: key.email, algorithm: 'HS256', key: key.secret, keyId: key.keyId },
] as const

async function practised(options: PracticeServerOptions) {
  const practice = await startPracticeServer({
    assertionIssuers,
    ...options,
  })
  onTestFinished(() => practice.stop())
  return {
    practice,
    account: { ...key, tokenUrl: practice.tokenEndpoint },
    requests: (where: string) => practice.requests.filter((request) => request.path === where),
  }
}

function program(args: readonly string[], env: Record<string, string>) {
  const child = spawn(process.execPath, ['--conditions=evertoken:source', 'main.ts', ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
  })
  const ended = Promise.all([text(child.stderr), once(child, 'close')])
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    const all = (rest + part).split('\n')
    rest = all.pop() ?? ''
    lines.push(...all)
  })
  return { child, lines, ended }
}

const environment = ({ keyId, email, secret, tokenUrl = '' }: typeof key & { tokenUrl?: string }) => ({
  DT_SERVICE_ACCOUNT_KEY_ID: keyId,
  DT_SERVICE_ACCOUNT_EMAIL: email,
  DT_SERVICE_ACCOUNT_SECRET: secret,
  DT_TOKEN_URL: tokenUrl,
})

test('the program calls the API over real expiries, and no call is refused', {
  timeout: 60_000,
}, async () => {
  const { practice, account, requests } = await practised({ lifetimes: { accessToken: 4 } })
  const api = `${practice.issuer}/api/whoami`
  const { child, lines, ended } = program([api, '--every', '0.2'], environment(account))
  const refreshes = () => lines.filter((line) => line === 'Refreshing...')
  await expect.poll(() => refreshes().length, { timeout: 40_000 }).toBeGreaterThanOrEqual(4)
  child.kill('SIGTERM')
  const [complaints] = await ended
  expect([complaints, child.exitCode]).toEqual(['', 0])
  expect(lines[0]).toBe('Refreshing...')
  const calls = lines.filter((line) => line !== 'Refreshing...')
  for (const call of calls) expect(call).toMatch(/^Token expires in [0-3]s\. The API answers 200\.$/)
  expect(new Set(requests('/api/whoami').map(({ status }) => status))).toEqual(new Set([200]))
  expect(requests('/token').map(({ status }) => status)).toEqual(refreshes().map(() => 200))
})

test('a token of an hour is renewed once, 60 seconds before its end', async () => {
  const { server, clock, transport, run, pass, tokenRequests } = await controlled({
    practice: { assertionIssuers },
  })
  const told: number[] = []
  const source = serviceAccount({ ...key, tokenUrl: server.tokenEndpoint }, () => told.push(clock.now()), {
    clock,
    transport,
  })
  const first = await run(source.getToken())
  expect(first.expiresAt - told[0]!).toBeGreaterThanOrEqual(3_599_000)
  // Until 61 seconds before the end nothing happens; the first reader after that gets the next token.
  await pass(first.expiresAt - clock.now() - 61_000)
  expect((await run(source.getToken())).value).toBe(first.value)
  expect(told).toHaveLength(1)
  await pass(2_000)
  const second = await run(source.getToken())
  expect([second.generation, second.value === first.value]).toEqual([2, false])
  expect(told).toHaveLength(2)
  expect(first.expiresAt - told[1]!).toBe(59_000)
  expect(tokenRequests()).toHaveLength(2)
  await run(source.close())
})

test.each<[string, string[], Record<string, string>]>([
  ['without its environment', ['https://api.example/'], {}],
  ['with a pause that is none', ['https://api.example/', '--every', 'often'], environment(key)],
  ['without an address', [], environment(key)],
])('%s the program says what it wants, and sends nothing', async (_, args, variables) => {
  const { child, ended } = program(args, variables)
  const [complaints] = await ended
  expect([child.exitCode, complaints]).toEqual([
    2,
    'usage: node main.ts URL [--every SECONDS], with DT_SERVICE_ACCOUNT_KEY_ID, _EMAIL and _SECRET set\n',
  ])
})

test('with a wrong secret it says that the provider refused, goes on, and never shows it', async () => {
  const { practice, account, requests } = await practised({})
  const secret = 'another-secret-of-at-least-32-bytes-here'
  const { child, lines, ended } = program(
    [`${practice.issuer}/api/whoami`, '--every', '0.1'],
    environment({ ...account, secret }),
  )
  await expect.poll(() => requests('/token').length).toBeGreaterThanOrEqual(1)
  await expect.poll(() => lines.length).toBeGreaterThanOrEqual(1)
  await new Promise((resolve) => child.stderr.once('data', resolve))
  child.kill('SIGTERM')
  const [complaints] = await ended
  expect(complaints).toContain('the provider refused the grant (invalid_grant')
  expect(complaints + lines.join()).not.toContain(secret)
  expect(requests('/api/whoami')).toEqual([])
})

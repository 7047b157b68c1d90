// Every block of docs/other-languages.md runs as it stands, against `evertoken serve`: clients that nobody here wrote.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { type PracticeServer, startPracticeServer } from '@evertoken/testing'
import * as openid from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { java, pythonWithRequestsOAuthlib } from './languages.ts'

const root = resolve(import.meta.dirname, '../../..')
const page = readFileSync(join(root, 'docs/other-languages.md'), 'utf8')
const blocks = page.split(/^## /m).flatMap((section) =>
  [...section.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', code = '']) => ({
    title: section.split('\n', 1)[0],
    language,
    code,
  })),
)
const python = await pythonWithRequestsOAuthlib()
const jdk = await java()
for (const [what, one] of Object.entries({ 'requests-oauthlib': python, Java: jdk }))
  if ('missing' in one) console.warn(`SKIPPED: the program with ${what}. It is not there; ${one.missing}`)

let folder: string
let practice: PracticeServer
let broker: ChildProcess
let origin: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'evertoken-languages-'))
  practice = await startPracticeServer()
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(
    join(folder, 'evertoken.yaml'),
    `listen: 127.0.0.1:0
clients:
  acme: { provider: ${practice.issuer}, client_id: practice-service, client_secret: practice-service-secret }
grants:
  billing: { client: acme, grant_type: client_credentials, scope: [read] }
`,
  )
  const command = ['--conditions=evertoken:source', join(root, 'server/src/cli/main.ts'), 'serve']
  broker = spawn(process.execPath, command, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  origin = await new Promise((found, failed) => {
    let said = ''
    broker.stdout?.setEncoding('utf8').on('data', (part: string) => {
      said += part
      const at = / at (http:\S+)/.exec(said)?.[1]
      if (at !== undefined) found(at)
    })
    broker.once('exit', () => failed(new Error(`evertoken serve ended: ${said}`)))
  })
})

afterAll(async () => {
  const gone = once(broker, 'exit')
  broker.kill('SIGKILL')
  await gone
  await practice.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** The first block of a section, as a file of the folder, with the addresses of this test in it. */
function written(title: string, file: string): string {
  const code = blocks.find((block) => block.title === title)?.code ?? ''
  const here = code
    .replaceAll('http://127.0.0.1:7420', origin)
    .replaceAll('https://api.acme.example/invoices', `${practice.issuer}/api/whoami`)
  writeFileSync(join(folder, file), here)
  return file
}

async function run(file: string, args: readonly string[]) {
  const child = spawn(file, args, { cwd: folder })
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close').then(([ended]) => ended as number),
  ])
  return { stdout, stderr, code }
}

const key = (): string => readFileSync(join(folder, '.evertoken/reader.key'), 'utf8').trim()

/** The one token that is kept. */
async function kept(): Promise<{ access_token: string; generation: number }> {
  const headers = { authorization: `Bearer ${key()}` }
  return (await fetch(`${origin}/v1/grants/billing/token`, { headers })).json() as Promise<{
    access_token: string
    generation: number
  }>
}

/** What the API says of the tokens that it was shown. */
const welcome = { client_id: 'practice-service', scope: 'read' }

test('there are no other blocks', () => {
  expect(blocks.map(({ title, language }) => `${title}: ${language}`)).toEqual([
    'curl: sh',
    'Python: requests-oauthlib: python',
    'Python: nothing but the standard library: python',
    'Node: simple-oauth2: js',
    'Node: openid-client: js',
    'Java: java',
    'When an API refuses the token: sh',
  ])
})

describe('a program of docs/other-languages.md', () => {
  test('with curl gets the kept token from the token endpoint', async () => {
    const { stdout, stderr, code } = await run('sh', [written('curl', 'token.sh')])
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
    const { access_token, generation } = await kept()
    expect(JSON.parse(stdout)).toEqual({
      access_token,
      token_type: 'Bearer',
      expires_in: expect.any(Number),
      scope: 'grant:billing',
      generation,
    })
  })

  test.skipIf('missing' in python)('with requests-oauthlib calls the API', async () => {
    const file = written('Python: requests-oauthlib', 'invoices.py')
    const { stdout, stderr, code } = await run((python as { found: string }).found, [file])
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
    expect(JSON.parse(stdout)).toMatchObject(welcome)
  })

  test.skipIf('missing' in python)('with nothing but Python calls the API', async () => {
    const file = written('Python: nothing but the standard library', 'plain.py')
    const { stdout, stderr, code } = await run((python as { found: string }).found, [file])
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
    expect(JSON.parse(stdout)).toMatchObject(welcome)
  })

  test.each(['simple-oauth2', 'openid-client'])('with %s calls the API', async (name) => {
    const { stdout, stderr, code } = await run(process.execPath, [written(`Node: ${name}`, `${name}.js`)])
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
    expect(JSON.parse(stdout)).toMatchObject(welcome)
  })

  test.skipIf('missing' in jdk)('in Java calls the API', { timeout: 60_000 }, async () => {
    const { stdout, stderr, code } = await run('java', [written('Java', 'Invoices.java')])
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
    expect(JSON.parse(stdout)).toMatchObject(welcome)
  })

  test('reports a refused token, and gets the next one', async () => {
    const { access_token } = await kept()
    const { stdout, code } = await run('sh', [written('When an API refuses the token', 'rejected.sh')])
    expect(code).toBe(0)
    const next = JSON.parse(stdout)
    expect(next).toMatchObject({ generation: 2, scope: 'read' })
    expect(next.access_token).not.toBe(access_token)
    expect(practice.introspect(next.access_token)).toMatchObject({ active: true })
  })

  test('costs the provider one request for the first token and one for the token that was refused', () => {
    expect(practice.requests.filter(({ path }) => path === '/token')).toHaveLength(2)
  })
})

test('openid-client exchanges the API key for the token, without client authentication (RFC 8693)', async () => {
  const config = await openid.discovery(new URL(origin), 'anybody', undefined, openid.None(), {
    algorithm: 'oauth2',
    execute: [openid.allowInsecureRequests],
  })
  const accessToken = 'urn:ietf:params:oauth:token-type:access_token'
  const answer = await openid.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:token-exchange', {
    audience: 'billing',
    subject_token: key(),
    subject_token_type: accessToken,
  })
  expect(answer).toMatchObject({
    access_token: (await kept()).access_token,
    issued_token_type: accessToken,
    scope: 'read',
  })
})

describe('a program with a wrong key is told so in its own way', () => {
  const wrong = () => `evt_${'0'.repeat(16)}_${'A'.repeat(43)}_00000000`

  test('by openid-client', async () => {
    const file = written('Node: openid-client', 'wrong.js')
    const code = readFileSync(join(folder, file), 'utf8')
    writeFileSync(join(folder, file), code.replace(/readFileSync\(.*trim\(\)/, `'${wrong()}'`))
    const { stderr } = await run(process.execPath, [file])
    expect(stderr).toMatch(/invalid_client|401/)
    expect(stderr).toContain('the client secret is an API key')
  })

  test.skipIf('missing' in python)('by requests-oauthlib', async () => {
    const file = written('Python: requests-oauthlib', 'wrong.py')
    const code = readFileSync(join(folder, file), 'utf8')
    writeFileSync(join(folder, file), code.replace(/open\(.*strip\(\)/, `'${wrong()}'`))
    const { stderr } = await run((python as { found: string }).found, [file])
    expect(stderr).toContain('(invalid_client) this client is not known')
  })
})

// Every block of every page is held against the program: TypeScript compiles and runs, commands exist with their flags. YAML is read by
// server/test/config/documents.test.ts; pages in `ownTests` have a test that does more than this one.

import { spawn } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { startPracticeServer } from '@evertoken/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Block, blocks, root } from './documented-blocks.ts'
import { missingPostgres } from './postgres/binaries.ts'
import { startPostgres } from './postgres/server.ts'

/** Languages that somebody holds against something. A block in another one is an error until somebody does. */
const proven = new Set(['ts', 'sh', 'console', 'yaml', 'sql', 'json'])
/** Pages whose programs another test runs, with what they need around them. */
const ownTests = new Set([
  'docs/testing.md',
  'docs/http-clients.md',
  'docs/decorators.md',
  'docs/other-languages.md',
])
/** What a program of the page prints. */
const isOutput = ({ language }: Block): boolean => language === ''
/** Runs below, on a server that its own statements have set up. */
const postgresPage = 'docs/postgres.md'

const programs = blocks.filter(({ language, page }) => language === 'ts' && !ownTests.has(page))
const alone = programs.filter(({ page }) => page !== postgresPage)
const commandLines = blocks
  .filter(({ language }) => language === 'sh' || language === 'console')
  .flatMap(commandsOf)

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'evertoken-documentation-'))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(join(root, 'library'), join(folder, 'node_modules/evertoken'))
  mkdirSync(join(folder, 'node_modules/@evertoken'))
  symlinkSync(join(root, 'testing'), join(folder, 'node_modules/@evertoken/testing'))
  // What the page of an example imports is beside it.
  for (const file of ['examples/session/session.ts'])
    copyFileSync(join(root, file), join(folder, 'session.ts'))
  for (const name of ['pg', '@types'])
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('every block is in a language that is held against something', () => {
  expect(blocks.length).toBeGreaterThan(40)
  const code = blocks.filter((block) => !isOutput(block) && !ownTests.has(block.page))
  expect(code.filter(({ language }) => !proven.has(language)).map(({ place }) => place)).toEqual([])
})

test('what is shown as JSON is JSON', () => {
  // One text of JSON, or one on each line.
  for (const { code } of blocks.filter(({ language }) => language === 'json'))
    for (const text of /^\[\n/.test(code) ? [code] : code.trim().split('\n')) JSON.parse(text)
})

describe('a program on a page', () => {
  test('compiles as it stands', async () => {
    const names = programs.map((program) => `${nameOf(program)}.ts`)
    programs.forEach((program, at) => {
      writeFileSync(join(folder, names[at] as string), program.code)
    })
    const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'))
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: names }))
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    expect(await run(['--', compiler, '-p', folder])).toEqual({ stdout: '', stderr: '', code: 0 })
  }, 60_000)

  test.each(alone)(
    'runs, with a practice provider where it names one: $place',
    async (program) => {
      await using provider = await startPracticeServer({
        clients: [
          {
            clientId: 'abc',
            authentication: { method: 'client_secret_basic', secret: 'acme-client-secret' },
          },
        ],
      })
      const code = program.code
        .replaceAll('https://auth.acme.example', provider.issuer)
        .replace('https://api.acme.example/v2/', `${provider.issuer}/api/`)
        .replace('users/23', 'whoami')
        .replace(/https:\/\/api\.acme\.example\/\w+/g, `${provider.issuer}/api/whoami`)
      const file = join(folder, `${nameOf(program)}-run.ts`)
      writeFileSync(file, code)
      const { stderr, code: exit } = await run(['--conditions=evertoken:source', file], {
        ACME_CLIENT_SECRET: 'acme-client-secret',
      })
      expect({ stderr, exit }).toEqual({ stderr: '', exit: 0 })
    },
    30_000,
  )
})

test.skipIf(missingPostgres)(
  'the page of PostgreSQL sets up a database, and its program opens a store there',
  async () => {
    const server = await startPostgres()
    onTestFinished(() => server.close())
    const shown = (language: string) =>
      blocks.find((block) => block.page === postgresPage && block.language === language) as Block
    for (const statement of shown('sql')
      .code.split(';')
      .filter((text) => text.trim() !== ''))
      await server.query(statement)
    const program = shown('ts')
    const code = program.code
      .replace('postgres://evertoken@db.example/evertoken', server.url('evertoken', 'evertoken'))
      .replace('/var/lib/evertoken', join(folder, 'host'))
    mkdirSync(join(folder, 'host'))
    const file = join(folder, `${nameOf(program)}-run.ts`)
    writeFileSync(file, code)
    const { stdout, stderr, code: exit } = await run(['--conditions=evertoken:source', file])
    expect({ stderr, exit }).toEqual({ stderr: '', exit: 0 })
    expect(stdout).toContain(`127.0.0.1:${server.port}`)
    expect(
      await server.query('SELECT 1 AS there FROM evertoken.grants', [], server.url('evertoken')),
    ).toEqual([])
  },
  60_000,
)

describe('a command on a page', () => {
  const scripts = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts as object

  test.each(commandLines.filter(({ words }) => words[0] === 'npm' && words[1] === 'run'))(
    'is a script of this repository: $place $line',
    ({ words }) => {
      expect(Object.keys(scripts)).toContain(words[2])
    },
  )

  test.each(commandLines.filter(({ words }) => words[0] === 'evertoken'))(
    'exists with every flag that is given: $place $line',
    async ({ words }) => {
      const [, ...rest] = words
      const subcommands = rest.slice(0, rest[0] === 'provider' || rest[0] === 'spool' ? 2 : 1)
      const main = join(root, 'server/src/cli/main.ts')
      const { stdout, code } = await run(['--conditions=evertoken:source', main, ...subcommands, '--help'])
      expect(code).toBe(0)
      const known = new Set(stdout.match(/--[a-z][a-z-]*/g))
      expect(rest.filter((word) => /^--[a-z]/.test(word) && !known.has(word.replace(/=.*/, '')))).toEqual([])
    },
    30_000,
  )
})

const nameOf = ({ place }: Block): string => place.replaceAll(/[^A-Za-z0-9]/g, '-')

interface CommandLine {
  readonly place: string
  readonly line: string
  readonly words: readonly string[]
}

/** The commands of ours in a block: what follows a prompt in a transcript, and also within `$(…)`, behind a pipe or npx. */
function commandsOf({ language, code, place }: Block): CommandLine[] {
  const lines = code.replaceAll('\\\n', ' ').split('\n')
  return lines.flatMap((written) => {
    if (language === 'console' && !written.startsWith('$ ')) return []
    const line = written.replace(/^\$ /, '').replace(/\s#.*$/, '')
    return [...line.matchAll(/(?:^|[|(;&] *|npx )(evertoken|npm run) [^|);&]*/g)].map(([found]) => {
      const words = found
        .replace(/^[|(;& ]*/, '')
        .replace(/^npx /, '')
        .trim()
        .split(/\s+/)
      return { place, line: words.join(' '), words }
    })
  })
}

async function run(args: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, ...environment } })
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((ended) => child.once('close', ended)),
  ])
  return { stdout, stderr, code }
}

// Every block of docs/testing.md runs: the TypeScript as a program, the shell as one script from top to bottom, the JSON as a provider.

import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { startPracticeServer } from '@evertoken/testing'
import { expect, onTestFinished, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const page = readFileSync(join(root, 'docs/testing.md'), 'utf8')
const blocks = [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, code = '']) => ({
  language,
  code,
}))
const written = (language: string) =>
  blocks.filter((block) => block.language === language).map(({ code }) => code)

/** A folder in which `evertoken` is this checkout, for imports and as a command. */
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'evertoken-testing-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  mkdirSync(join(made, 'node_modules/.bin'), { recursive: true })
  symlinkSync(join(root, 'library'), join(made, 'node_modules/evertoken'))
  mkdirSync(join(made, 'node_modules/@evertoken'))
  symlinkSync(join(root, 'testing'), join(made, 'node_modules/@evertoken/testing'))
  writeFileSync(join(made, 'package.json'), '{"type":"module"}')
  const command = `"${process.execPath}" --conditions=evertoken:source "${join(root, 'server/src/cli/main.ts')}"`
  const linked = join(made, 'node_modules/.bin/evertoken')
  writeFileSync(linked, `#!/bin/sh\nexec ${command} "$@"\n`)
  chmodSync(linked, 0o755)
  return made
}

async function run(cwd: string, file: string, args: readonly string[]) {
  const child = spawn(file, args, { cwd })
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((ended) => child.once('close', ended)),
  ])
  return { stdout, stderr, code }
}

test('there are no other blocks', () => {
  expect(blocks.map(({ language }) => language)).toEqual(['ts', 'sh', 'sh', 'json', 'sh', 'sh'])
})

test.each(written('ts'))('the program runs', async (code) => {
  const here = folder()
  writeFileSync(join(here, 'program.ts'), code)
  expect(await run(here, process.execPath, ['--conditions=evertoken:source', 'program.ts'])).toEqual({
    stdout: '',
    stderr: '',
    code: 0,
  })
})

test('the recorded provider answers as its answers say', async () => {
  const [code = ''] = written('json')
  await using server = await startPracticeServer({ recorded: JSON.parse(code), now: () => 1_800_000_000_000 })
  const ask = async (token: string) => {
    const query = new URLSearchParams({ appid: 'wx1', grant_type: 'refresh_token', refresh_token: token })
    return (await fetch(`${server.url}/sns/oauth2/refresh_token?${query}`)).json()
  }
  expect(await ask('rt-1')).toEqual({ errcode: -1, errmsg: 'system busy' })
  expect(await ask('rt-1')).toEqual({ access_token: 'at-2', expires_at: 1_800_007_200, openid: 'o1' })
})

test('the shell script says what its comments say', async () => {
  const here = folder()
  writeFileSync(join(here, 'script.sh'), `set -eu\n${written('sh').join('\n')}`)
  const { stdout, stderr, code } = await run(here, 'sh', ['script.sh'])
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
  const [faults, first, second, truth, logins, verdict] = stdout.trim().split('\n')
  expect([faults, first, second]).toEqual(['{"faults":2}', '503', '000'])
  expect(JSON.parse(truth ?? '')).toMatchObject({ type: 'answered', delivery: 'cut' })
  expect(JSON.parse(logins ?? '')).toEqual([
    { login: expect.any(String), requests: 2, refreshes: 1, overlaps: 0, live: [expect.any(String)] },
  ])
  expect(JSON.parse(verdict ?? '')).toMatchObject([
    { state: 'lost', avoidable: false, cause: 'answer_lost', request: { sender: 'me' } },
  ])
  expect(JSON.parse(readFileSync(join(here, 'all.json'), 'utf8'))).toHaveLength(
    readFileSync(join(here, 'truth.jsonl'), 'utf8').trim().split('\n').length,
  )
})

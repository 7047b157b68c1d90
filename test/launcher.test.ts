// scripts/run.mjs in a small repository of its own, with an npm that only writes down that it was called.

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'

const root = path.dirname(import.meta.dirname)
let folder: string

beforeEach(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'evertoken-launcher-')))
  fs.cpSync(path.join(root, 'scripts'), path.join(folder, 'scripts'), { recursive: true })
  write('package-lock.json', '{"lockfileVersion":3,"packages":{}}')
  write('npm-cli.js', npm)
  write('server/src/cli/main.ts', command)
})

afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))

const npm = `
const fs = require('node:fs')
fs.appendFileSync('calls', process.argv.slice(2).join(' ') + '\\n')
fs.rmSync('node_modules', { recursive: true, force: true })
if (fs.existsSync('npm-fails')) process.exit(23)
fs.mkdirSync('node_modules')
if (fs.existsSync('npm-hangs')) setInterval(() => {}, 1000)
else setTimeout(() => {}, 300)
`

const command = `
const code: number = Number(process.argv.at(-1))
if (code >= 0) process.exit(code)
let signals = 0
process.on('SIGINT', () => {
  signals += 1
  setTimeout(() => process.exit(40 + signals), 200)
})
setInterval(() => {}, 1000)
console.log(process.argv.slice(2).join(' '))
`

function write(file: string, content: string) {
  fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
  fs.writeFileSync(path.join(folder, file), content)
}

const calls = () => (fs.existsSync(path.join(folder, 'calls')) ? read('calls').trim().split('\n') : [])
const read = (file: string) => fs.readFileSync(path.join(folder, file), 'utf8')

function launch(...args: string[]) {
  const env = { ...process.env, npm_execpath: path.join(folder, 'npm-cli.js') }
  const child = spawn(process.execPath, ['scripts/run.mjs', ...args], { cwd: folder, env, stdio: 'pipe' })
  const code = new Promise((resolve) => child.on('close', resolve))
  const end = Promise.all([code, text(child.stdout), text(child.stderr)])
  return { child, end: end.then(([code, stdout, stderr]) => ({ code, stdout, stderr })) }
}

const installing = 'evertoken: installing dependencies (once for each change of package-lock.json)\n'

test('installs when the lock file is new or has changed, and passes the exit code on', async () => {
  expect(await launch('start', '5').end).toEqual({ code: 5, stdout: '', stderr: installing })
  expect(await launch('start', '0').end).toEqual({ code: 0, stdout: '', stderr: '' })
  write('package-lock.json', '{"lockfileVersion":3,"packages":{},"requires":true}')
  expect(await launch('start', '0').end).toEqual({ code: 0, stdout: '', stderr: installing })
  expect(calls()).toHaveLength(2)
  expect(calls()[0]).toMatch(/^ci --include=dev /)
})

test('first runs at the same time wait for one installation', async () => {
  const ends = await Promise.all([1, 2, 3].map(() => launch('start', '0').end))
  expect(ends.map(({ code }) => code)).toEqual([0, 0, 0])
  expect(calls()).toHaveLength(1)
})

test('an installation that was killed is done again, and its lock is given up', async () => {
  write('npm-hangs', '')
  const { child, end } = launch('start', '0')
  await expect.poll(calls, { timeout: 5000 }).toHaveLength(1)
  child.kill('SIGTERM')
  expect((await end).stderr).toContain('Interrupted while npm was installing the dependencies.')
  fs.rmSync(path.join(folder, 'npm-hangs'))
  expect(await launch('start', '0').end).toEqual({ code: 0, stdout: '', stderr: installing })
})

test('the lock of a dead set-up is taken away', async () => {
  const lock = path.join(folder, '.runtime', 'lock')
  const longAgo = new Date(Date.now() - 60_000)
  fs.mkdirSync(lock, { recursive: true })
  fs.utimesSync(lock, longAgo, longAgo)
  expect((await launch('start', '0').end).code).toBe(0)
  expect(fs.readdirSync(path.join(folder, '.runtime'))).toEqual([])
})

test('an npm that fails is said in one sentence, and nothing counts as installed', async () => {
  write('npm-fails', '')
  const failed = await launch('start', '0').end
  expect(failed.code).toBe(1)
  expect(failed.stderr).toContain('npm could not install the dependencies (exit code 23).')
  fs.rmSync(path.join(folder, 'npm-fails'))
  expect((await launch('start', '0').end).code).toBe(0)
})

test('what npm install has just installed is not installed again', async () => {
  const packages = { 'node_modules/jose': { version: '6.2.17', integrity: 'sha512-x' } }
  write('package-lock.json', JSON.stringify({ lockfileVersion: 3, packages }))
  write('node_modules/.package-lock.json', JSON.stringify({ packages }))
  expect(await launch('start', '0').end).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(calls()).toEqual([])
})

test('one signal reaches the task once, and its end is waited for', async () => {
  await launch('start', '0').end
  const { child, end } = launch('start', '--port', 'any')
  const output = await new Promise((resolve) => child.stdout.once('data', resolve))
  expect(String(output)).toBe('start --port any\n')
  child.kill('SIGINT')
  expect((await end).code).toBe(41)
})

test('an unknown task is answered with the known ones', async () => {
  const { code, stderr } = await launch('tset').end
  expect(code).toBe(2)
  expect(stderr).toMatch(/^usage: node scripts\/run\.mjs start \| demo \| test /)
})

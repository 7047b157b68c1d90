// That the bench runs and says what it found in a form that programs can read. No timing is judged here.

import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { missingPostgres } from './postgres/binaries.ts'

const root = path.dirname(import.meta.dirname)

async function bench(...args: string[]): Promise<Record<string, unknown>[]> {
  const node = [
    '--conditions=evertoken:source',
    'bench/run.ts',
    '--quick',
    '--rounds',
    '1',
    '--json',
    ...args,
  ]
  const { stdout } = await promisify(execFile)(process.execPath, node, { cwd: root })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

const kinds = missingPostgres === undefined ? ['sqlite', 'postgres'] : ['sqlite']
const ofKinds = (...ends: string[]): string[] => kinds.flatMap((kind) => ends.map((end) => `/${kind}${end}`))

const findings: [string, string[]][] = [
  ['cached-token', ['', '/all', '/source', '/peek', '/source-peek', '/badgateway', '/google-auth-library']],
  ['dialect', ['', '/refusal', '/none']],
  ['fetch-wrapper', ['', '/request', '/badgateway', '/badgateway-request']],
  ['cold-start', ['', '/import']],
  [
    'herd',
    [
      ...['/requests', '', '/source/requests', '/source'],
      ...ofKinds('/requests', '').map((end) => `/processes${end}`),
    ],
  ],
  ['durable-cycle', ofKinds('/strict', '/non_rotating')],
  ['durability-window', ofKinds('/p50', '/p99')],
  ['claiming', ofKinds('', '/empty')],
  ['takeover', ofKinds('/idempotent', '/strict/unsent')],
  ['idle-memory', process.platform === 'linux' ? ofKinds('') : []],
]

test.each(findings.filter(([, ends]) => ends.length > 0))(
  'npm run bench -- %s prints a line for each of its goals',
  async (question, ends) => {
    const lines = await bench(question)
    expect(lines.map((line) => line.question)).toEqual(ends.map((end) => question + end))
    for (const line of lines)
      expect(line).toEqual({
        question: expect.any(String),
        ratio: expect.any(Number),
        goal: expect.any(Number),
        met: expect.any(Boolean),
        unit: expect.any(String),
      })
  },
  60_000,
)

test('npm run bench -- peers prints as Markdown what ours and other people’s clients take for the same', async () => {
  const node = ['--conditions=evertoken:source', 'bench/run.ts', 'peers', '--quick', '--rounds', '1']
  const { stdout } = await promisify(execFile)(process.execPath, node, { cwd: root })
  const tables = stdout.split(/^## /m).slice(1)
  expect(tables.map((table) => table.split('\n', 1)[0])).toEqual(['cached-token', 'fetch-wrapper', 'herd'])
  const rows = stdout.split('\n').filter((line) => /^\| .*\|$/.test(line))
  const ofPeers = rows.filter((line) => /^\| (simple-oauth2|@badgateway|google|@azure|axios)/.test(line))
  expect(ofPeers).toHaveLength(12)
  // Each ends with how ours compares: a ratio and how far it reaches.
  for (const row of ofPeers) expect(row).toMatch(/\| \d+\.\d+ \(\d+\.\d+-\d+\.\d+\) \|$/)
  expect(stdout).toMatch(/^peers: simple-oauth2 \d.*axios-oauth-client \d+\.\d+\.\d+$/m)
}, 120_000)

test('a question that there is not is refused with the names of those there are', async () => {
  const wrong = bench('no-such-question')
  await expect(wrong).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/no question no-such-question.*cached-token.*herd/),
  })
})

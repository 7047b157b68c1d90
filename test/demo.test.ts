import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '..')
const main = path.join(root, 'server/src/cli/main.ts')

/** The cells of one row of the table at the end. */
const cells = (text: string, row: string): string[] =>
  text
    .split('\n')
    .find((line) => line.trim().startsWith(row))
    ?.trim()
    .slice(row.length)
    .trim()
    .split(/\s+/) ?? []

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0

test('the demo shows ordinary processes losing their login, and as many on evertoken going on after three kills', {
  timeout: 120_000,
}, async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=evertoken:source', main, 'demo'],
    { cwd: root },
  )
  const [ordinary = '', kept = ''] = stdout.split('The same work on evertoken')
  expect(cells(stdout, 'processes')).toEqual(['2', '2'])
  expect(cells(stdout, 'killed with SIGKILL')).toEqual(['0', '3'])
  expect(count(kept, /killed with SIGKILL \(pid/g)).toBe(3)

  const [ordinaryIssued, keptIssued] = cells(stdout, 'refreshes that brought a token').map(Number)
  const [ordinaryRefused, keptRefused] = cells(stdout, 'refreshes that were refused').map(Number)
  const [ordinaryEnd, keptEnd] = cells(stdout, 'login at the end')
  // Two processes may be lucky for half a minute; the server's numbers and what is said of them agree either way.
  expect(ordinaryIssued).toBe(count(ordinary, /refreshed$/gm))
  expect(ordinaryEnd).toBe(ordinaryRefused === 0 ? 'alive' : 'lost')
  expect(ordinary).toContain(ordinaryRefused === 0 ? 'They were lucky' : 'The login is lost')
  // A kill in the 30 ms between a request and its answer is the one thing that strict rotation does not forgive.
  expect(keptEnd).toBe(keptRefused === 0 ? 'alive' : 'lost')
  if (keptRefused === 0) expect(keptIssued).toBeGreaterThanOrEqual(10)
  else expect(stdout).toContain('an answer that nobody')
})

import { Writable } from 'node:stream'
import type { GrantSummary } from 'evertoken'
import { expect, test } from 'vitest'
import { warnOfCrowdAround } from '../../src/cli/crowded-logins.ts'

const grant = (id: string, group: string): GrantSummary =>
  ({
    id,
    provider: 'login.acme.example',
    loginLimit: { count: 2, per: 'user and app', group },
  }) as GrantSummary

/** What is said on stderr after a login of `id` among those grants. */
async function said(id: string, grants: readonly GrantSummary[]): Promise<string> {
  let text = ''
  const stderr = new Writable({
    write: (chunk, _, done) => {
      text += chunk
      done()
    },
  })
  await warnOfCrowdAround({ id }, { list: async () => grants }, { stderr })
  return text
}

const crowd = ['c', 'a', 'b'].map((id) => grant(id, 'one'))

test('a login that is one too many is told, with those that it counts with and what to do', async () => {
  expect(await said('b', crowd)).toBe(
    'evertoken: 3 logins at login.acme.example (a, b, c) count together, and it keeps 2 per user and app: with each further one the oldest dies. Remove what nobody needs, or use another client\n',
  )
})

test('a crowd elsewhere is not told of, nor as many as there may be', async () => {
  expect(await said('x', [...crowd, grant('x', 'other')])).toBe('')
  expect(await said('a', crowd.slice(1))).toBe('')
})

test('of many the first ten are named', async () => {
  const many = Array.from({ length: 12 }, (_, index) => grant(`g${String(index).padStart(2, '0')}`, 'one'))
  expect(await said('g00', many)).toMatch(/12 logins at .* \(g00, .*, g09 and others\)/)
})

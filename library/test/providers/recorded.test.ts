import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkProfile } from '../../src/grants/profile-check.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { profileOf, quirkRows, readRecorded, recordedNames } from './recorded-life.ts'
import { live } from './recorded-run.ts'

const lives = recordedNames().map((name) => ({ name, life: readRecorded(name) }))
const provenBy = new Map<string, string[]>()
for (const { name, life } of lives)
  for (const row of life.rows) provenBy.set(row, [...(provenBy.get(row) ?? []), name])

describe('a login lives, meets trouble, goes on and ends as the recorded answers have it:', () => {
  test.each(lives)('$name', async ({ life }) => {
    await live(life)
  })
})

// Sealed texts are opened on the way where a refresh extends a token, and where metadata is kept beside it.
test.each(['coros', 'slack', 'slack-user', 'salesforce', 'facebook', 'quickbooks'])(
  'on a disk the life of %s is the same',
  async (name) => {
    await live(readRecorded(name), (clock) => sqliteStore(newStoreFile(), { clock }))
  },
)

describe('every kind of quirk is proven, or it is said why not:', () => {
  const root = path.join(import.meta.dirname, '../../..')
  const rows = quirkRows().map((row) => ({
    ...row,
    by: [
      ...(provenBy.get(row.row) ?? []),
      ...(row.elsewhere ?? []),
      ...(row.open ? [`open: ${row.open}`] : []),
    ],
  }))

  test.each(rows.map((row) => [row.section, row.row, row.by.join(', '), row] as const))(
    '%i %s: %s',
    (_section, _row, _by, { by, open, row, elsewhere = [] }) => {
      expect(by.length).toBeGreaterThan(0)
      if (open !== undefined) expect(provenBy.get(row) ?? []).toEqual([])
      for (const place of elsewhere) {
        const [file = '', name = ''] = place.split(' › ')
        expect(name.length).toBeGreaterThan(10)
        expect(fs.readFileSync(path.join(root, file), 'utf8')).toContain(name)
      }
    },
  )

  test('and every row that a recorded life names is one of the list', () => {
    const known = new Set(rows.map(({ row }) => row))
    expect([...provenBy.keys()].filter((row) => !known.has(row))).toEqual([])
    expect(known.size).toBe(rows.length)
  })
})

describe('every recorded answer', () => {
  test.each(lives)('of $name says where it was read, or that it is only recalled', ({ life }) => {
    const { first, second, error, refresh, dead, revoke, secondary = {} } = life
    const others = Object.values(secondary).map(({ refresh: other }) => other)
    for (const step of [first, second, error, refresh, dead, revoke, ...others])
      if (step?.answer !== undefined)
        expect([step.source !== undefined, step.recalled === true]).toContain(true)
  })

  test.each(lives)('of $name belongs to a sound profile', ({ life }) => {
    expect(() => checkProfile(profileOf(life))).not.toThrow()
  })
})

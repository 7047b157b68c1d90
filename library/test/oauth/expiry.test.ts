import { expect, test } from 'vitest'
import { readExpiry } from '../../src/oauth/expiry.ts'
import type { ExpiryFormat } from '../../src/providers/profile.ts'

/** 2027-01-15T08:00:00Z, UTC ms. */
const now = 1_800_000_000_000

test.each<[ExpiryFormat, unknown, number | undefined]>([
  ['relative_s', 3600, 3600],
  ['relative_s', '3600', 3600],
  ['relative_s', 3599.9, 3599],
  ['relative_s', 0, undefined],
  ['relative_s', 1e99, 3_155_760_000],
  ['relative_ms', 3_600_000, 3600],
  ['relative_ms', '86399999', 86_399],
  ['relative_ms', 999, undefined],
  ['epoch_s', 1_800_003_600, 3600],
  ['epoch_s', '1800003600', 3600],
  ['epoch_s', 1_800_000_000, undefined],
  ['epoch_s', 1_799_990_000, undefined],
  ['epoch_s', -5, undefined],
  ['epoch_ms', 1_800_003_600_000, 3600],
  ['epoch_ms', '1800003600000', 3600],
  ['epoch_ms', 1_800_003_600, undefined],
  ['iso8601', '2027-01-15T09:00:00Z', 3600],
  ['iso8601', '2027-01-15T09:00:00z', 3600],
  ['iso8601', '2027-01-15T10:00:00+01:00', 3600],
  ['iso8601', '2027-01-15T10:00:00+0100', 3600],
  ['iso8601', '2027-01-15T10:00:00+01', 3600],
  ['iso8601', '2027-01-15T03:30:00-05:30', 3600],
  // Without a zone, by .NET with seven digits, and with a space.
  ['iso8601', '2027-01-15T09:00:00', 3600],
  ['iso8601', '2027-01-15T09:00:00.9999999', 3600],
  ['iso8601', '2027-01-15T09:00:00.9999999Z', 3600],
  ['iso8601', '2027-01-15 09:00', 3600],
  ['iso8601', '2027-01-16', 57_600],
  ['iso8601', '2028-02-29T08:00:00Z', 35_424_000],
  ['iso8601', '2027-02-29T08:00:00Z', undefined],
  ['iso8601', '2027-13-01T08:00:00Z', undefined],
  ['iso8601', '2027-01-15T25:00:00Z', undefined],
  ['iso8601', '2027-01-15T07:00:00Z', undefined],
  ['iso8601', '0001-01-01T00:00:00', undefined],
  ['iso8601', 'Fri, 15 Jan 2027 09:00:00 GMT', undefined],
  ['iso8601', 'soon', undefined],
  ['iso8601', `2027-01-15T09:00:00.${'9'.repeat(500)}`, undefined],
  ['iso8601', 1_800_003_600, undefined],
])('%s: %j is %s seconds from now', (format, value, seconds) => {
  expect(readExpiry(value, format, [now])).toBe(seconds)
})

test.each<ExpiryFormat>(['relative_s', 'relative_ms', 'epoch_s', 'epoch_ms', 'iso8601'])(
  '%s: what is no time says nothing',
  (format) => {
    for (const value of [undefined, null, true, {}, [3600], '', 'never', '-1', -1, Number.NaN, Infinity])
      expect(readExpiry(value, format, [now])).toBeUndefined()
  },
)

test('a moment counts from the clock that leaves the least, and a clock by which it has passed is not asked', () => {
  const at = '2027-01-15T09:00:00Z'
  const hour = 3_600_000
  expect(readExpiry(at, 'iso8601', [now - 2 * hour, now])).toBe(3600)
  expect(readExpiry(at, 'iso8601', [now + 2 * hour, now])).toBe(3600)
  expect(readExpiry(at, 'iso8601', [now, now - 50 * 365 * 24 * hour])).toBe(3600)
  expect(readExpiry(at, 'iso8601', [now + 2 * hour, now + 3 * hour])).toBeUndefined()
  expect(readExpiry(at, 'iso8601', [])).toBeUndefined()
})

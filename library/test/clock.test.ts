import os from 'node:os'
import { systemClock } from 'evertoken'
import { afterEach, expect, test, vi } from 'vitest'

afterEach(() => void vi.restoreAllMocks())

/** Hundredths of a second, cut off, on Linux. */
const step = 10
/** Wall clock and monotonic one run apart by less than this before the machine is asked anew. */
const drift = 5

/** Whatever happens to this process in between, the true time lies between the two. */
function expectUptime(): void {
  const before = os.uptime() * 1000
  const boot = systemClock.boot()
  const after = os.uptime() * 1000
  expect(boot).toBeGreaterThanOrEqual(before - step - drift)
  expect(boot).toBeLessThanOrEqual(after + step + drift)
}

test('the boot clock is the uptime of the machine, between two looks at it as well', () => {
  for (let looks = 0; looks < 1_000; looks++) expectUptime()
})

test('after a suspend, in which the monotonic clock stood still, the boot clock counts the time', () => {
  expectUptime()
  const uptime = os.uptime
  // The machine slept for an hour: wall clock and uptime have it.
  const now = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => now() + 3_600_000)
  vi.spyOn(os, 'uptime').mockImplementation(() => uptime() + 3_600)
  expectUptime()
})

test('the boot clock does not follow a wall clock that somebody sets', () => {
  expectUptime()
  const now = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => now() - 86_400_000)
  expectUptime()
  vi.restoreAllMocks()
  expectUptime()
})

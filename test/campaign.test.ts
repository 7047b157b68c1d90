// A small campaign in every run of the tests; the large ones are `npm run campaign`, see docs/campaign.md.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runCampaign } from './campaign/campaign.ts'
import { explain } from './campaign/explanation.ts'
import { scaled } from './campaign/scale.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'evertoken-campaign-test-'))

test('kills and faults cost no login that could have been kept, and no secret', {
  timeout: 300_000,
}, async () => {
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const { row, findings } = await runCampaign({
    class: 'strict_probe',
    kills: 24,
    faults: 16,
    seed: 7,
    scale: scaled(2),
    logins: 40,
    hosts: 2,
    perHost: 2,
    folder,
    progress: () => undefined,
  })
  const { lostAvoidably, falseReauthorizations, stuck } = findings
  const avoidable = [...lostAvoidably, ...falseReauthorizations, ...stuck].map(({ grant }) =>
    explain(folder, grant),
  )
  expect(avoidable).toEqual([])
  expect(row).toMatchObject({ expiredServed: 0, revokedServed: 0, unrevoked: 0, secrets: [], crashes: [] })
  expect(row).toMatchObject({ familyKillsOfLiving: 0, familyKillsOfLost: 0, pairsInFlight: 0 })
  expect(row.kills).toBeGreaterThanOrEqual(24)
  expect(row.quiet).toEqual({ sent: row.quiet.due, due: row.quiet.due })
  expect(row.due).toBeGreaterThan(80)
  // Whoever was lost was told of.
  for (const { verdict, noticedAfter } of findings.lostUnavoidably)
    expect([verdict.state, typeof noticedAfter]).toEqual(['lost', 'number'])
})

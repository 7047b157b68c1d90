import { readFileSync } from 'node:fs'
import path from 'node:path'
import { readTruthFile } from '@evertoken/testing'
import { seenIn } from './campaign.ts'
import { type CampaignEvent, readEvents } from './event-file.ts'
import type { HeldLogin } from './observer.ts'
import { timelineOf } from './timeline.ts'

/** The timeline of one login of a run whose folder is still there, and what became of it. */
export function explain(folder: string, grant: string): readonly string[] {
  const logins = JSON.parse(readFileSync(path.join(folder, 'logins.json'), 'utf8')) as HeldLogin[]
  return [
    ...timelineOf(
      {
        truth: readTruthFile(path.join(folder, 'truth.jsonl')),
        campaign: readEvents<CampaignEvent>(path.join(folder, 'campaign.jsonl')),
        seen: seenIn(folder),
      },
      grant,
    ),
    JSON.stringify(logins.find((login) => login.grant === grant)),
  ]
}

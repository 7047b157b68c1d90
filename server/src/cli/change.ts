import type { GrantSummary } from 'evertoken'
import { summaryBody } from '../broker/grant-summary.ts'
import type { Environment } from './environment.ts'
import { GrantText } from './grant-text.ts'
import { type Grants, type GrantsOptions, openGrants } from './grants.ts'

/** What can be done to a grant in one word, and how it is said afterwards. */
const changes = {
  refresh: { said: 'refreshed', make: (grants, id, signal) => grants.refresh(id, signal) },
  pause: { said: 'paused', make: (grants, id) => grants.pause(id) },
  resume: { said: 'resumed', make: (grants, id) => grants.resume(id) },
} as const satisfies Record<
  string,
  { said: string; make: (grants: Grants, id: string, signal: AbortSignal) => Promise<GrantSummary> }
>

export type Change = keyof typeof changes

/** Refreshes, pauses or resumes one grant and says where it stands then. */
export async function change(
  name: Change,
  id: string,
  options: GrantsOptions,
  environment: Environment,
): Promise<void> {
  await using grants = await openGrants(options, environment)
  const { said, make } = changes[name]
  const grant = await make(grants, id, environment.signal)
  environment.stdout.write(
    options.json === true
      ? `${JSON.stringify(summaryBody(grant))}\n`
      : new GrantText(environment).line(said, grant),
  )
}

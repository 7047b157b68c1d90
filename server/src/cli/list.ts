import { crowdedLogins } from 'evertoken'
import { summaryBody } from '../broker/grant-summary.ts'
import { warnOfCrowds } from './crowded-logins.ts'
import type { Environment } from './environment.ts'
import { GrantText } from './grant-text.ts'
import { type GrantsOptions, openGrants } from './grants.ts'

/** All grants, one a line. */
export async function list(options: GrantsOptions, environment: Environment): Promise<void> {
  await using grants = await openGrants(options, environment)
  const all = await grants.list()
  warnOfCrowds(crowdedLogins(all), environment)
  const there = new Set(all.map(({ id }) => id))
  const waiting = grants.described?.().filter((id) => !there.has(id)) ?? []
  if (waiting.length > 0) environment.stderr.write(waitingText(waiting))
  if (options.json === true) {
    environment.stdout.write(`${JSON.stringify({ grants: all.map(summaryBody) })}\n`)
  } else if (all.length === 0 && waiting.length === 0) {
    environment.stderr.write(`No grants in ${grants.location}. evertoken add NAME makes one.\n`)
  } else if (all.length > 0) {
    environment.stdout.write(new GrantText(environment).table(all))
  }
}

const waitingText = (names: readonly string[]): string =>
  `evertoken: described in evertoken.yaml and not kept yet: ${names.slice(0, 5).join(', ')}${names.length > 5 ? ' and more' : ''}. evertoken serve, evertoken worker, or a command that names one begins with it.\n`

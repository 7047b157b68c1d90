import { type CrowdedLogins, crowdedLogins, type GrantSummary } from 'evertoken'
import type { Environment } from './environment.ts'
import type { Grants } from './grants.ts'

/** Named before that, grants are too many to read. */
const mostNamed = 10

/** Says on stderr which logins are more than their provider keeps alive. */
export function warnOfCrowds(
  crowds: readonly CrowdedLogins[],
  { stderr }: Pick<Environment, 'stderr'>,
): void {
  for (const { count, per, provider, grants } of crowds) {
    const named = grants.slice(0, mostNamed).join(', ')
    const others = grants.length > mostNamed ? ' and others' : ''
    stderr.write(
      `evertoken: ${grants.length} logins at ${provider} (${named}${others}) count together, and it keeps ${count} per ${per}: with each further one the oldest dies. Remove what nobody needs, or use another client\n`,
    )
  }
}

/** The same of the logins that this one is counted with. */
export async function warnOfCrowdAround(
  { id }: Pick<GrantSummary, 'id'>,
  grants: Pick<Grants, 'list'>,
  environment: Pick<Environment, 'stderr'>,
): Promise<void> {
  const crowds = crowdedLogins(await grants.list())
  warnOfCrowds(
    crowds.filter((crowd) => crowd.grants.includes(id)),
    environment,
  )
}

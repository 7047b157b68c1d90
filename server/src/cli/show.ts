import { summaryBody } from '../broker/grant-summary.ts'
import type { Environment } from './environment.ts'
import { GrantText } from './grant-text.ts'
import { type GrantsOptions, openGrants } from './grants.ts'

/** Everything that may be read of one grant; never a token. */
export async function show(id: string, options: GrantsOptions, environment: Environment): Promise<void> {
  await using grants = await openGrants(options, environment)
  const grant = await grants.show(id)
  environment.stdout.write(
    options.json === true
      ? `${JSON.stringify(summaryBody(grant))}\n`
      : new GrantText(environment).details(grant),
  )
}

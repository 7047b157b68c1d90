import { summaryBody } from '../broker/grant-summary.ts'
import type { Environment } from './environment.ts'
import { GrantText } from './grant-text.ts'
import { type GrantsOptions, openGrants } from './grants.ts'
import { withProgress } from './progress.ts'
import { confirmed } from './questions.ts'

export interface RevokeOptions extends GrantsOptions {
  /** `--yes`: asks nothing. */
  yes?: boolean | undefined
}

/** Ends one login, here and at the provider, after asking. */
export async function revoke(id: string, options: RevokeOptions, environment: Environment): Promise<void> {
  await using grants = await openGrants(options, environment, { described: false })
  const { state, provider } = await grants.show(id)
  const sure = await confirmed(options.yes, environment, {
    question: `Revoke ${id} (${state}) here and at ${provider}? Nothing of this login works afterwards.`,
    refusal: `revoking ${id} cannot be undone, and nobody is here to ask`,
    command: `evertoken revoke ${id} --yes`,
    grant: id,
  })
  if (!sure) {
    environment.stderr.write(`${id} stays as it is.\n`)
    return
  }
  const grant = await withProgress(`revoking ${id}`, environment, grants.revoke(id))
  environment.stdout.write(
    options.json === true
      ? `${JSON.stringify(summaryBody(grant))}\n`
      : `${new GrantText(environment).revocation(grant)}\n`,
  )
}

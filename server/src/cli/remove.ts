import { removalBody } from '../broker/revocation.ts'
import type { Environment } from './environment.ts'
import { GrantText } from './grant-text.ts'
import { type GrantsOptions, openGrants } from './grants.ts'
import { withProgress } from './progress.ts'
import { confirmed } from './questions.ts'

export interface RemoveOptions extends GrantsOptions {
  /** `--yes`: asks nothing. */
  yes?: boolean | undefined
  /** `--revoke`: ends the login at the provider first. */
  revoke?: boolean | undefined
}

/** Forgets one grant with its tokens, after asking; with `--revoke` its login is ended at the provider as well. */
export async function remove(id: string, options: RemoveOptions, environment: Environment): Promise<void> {
  await using grants = await openGrants(options, environment, { described: false })
  const { revoke = false } = options
  const comesBack = grants.described?.().includes(id) === true
  const { state, grantType, provider } = await grants.show(id)
  const ended = revoke ? `, and end its login at ${provider}` : ''
  const sure = await confirmed(options.yes, environment, {
    question: `Remove ${id} (${grantType}, ${state}) and its tokens${ended}? This cannot be undone.`,
    refusal: `removing ${id} cannot be undone, and nobody is here to ask`,
    command: `evertoken remove ${id}${revoke ? ' --revoke' : ''} --yes`,
    grant: id,
  })
  if (!sure) {
    environment.stderr.write(`${id} stays as it is.\n`)
    return
  }
  const removal = grants.remove(id, { revoke })
  const revocation = await (revoke
    ? withProgress(`revoking and removing ${id}`, environment, removal)
    : removal)
  environment.stdout.write(
    options.json === true
      ? `${JSON.stringify(removalBody(id, revocation))}\n`
      : `${new GrantText(environment).removal(id, revocation)}\n`,
  )
  if (comesBack)
    environment.stderr.write(
      `evertoken: evertoken.yaml describes ${id}: it is made anew by the next command that names it, and when evertoken serve or worker starts. Take it out there too.\n`,
    )
}

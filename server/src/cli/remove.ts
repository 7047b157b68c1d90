import type { Environment } from './environment.ts'
import { type GrantsOptions, openGrants } from './grants.ts'
import { confirmed } from './questions.ts'

export interface RemoveOptions extends GrantsOptions {
  /** `--yes`: asks nothing. */
  yes?: boolean | undefined
}

/** Forgets one grant with its tokens, after asking. */
export async function remove(id: string, options: RemoveOptions, environment: Environment): Promise<void> {
  await using grants = await openGrants(options, environment)
  const { state, grantType } = await grants.show(id)
  const sure = await confirmed(options.yes, environment, {
    question: `Remove ${id} (${grantType}, ${state}) and its tokens? This cannot be undone.`,
    refusal: `removing ${id} cannot be undone, and nobody is here to ask`,
    command: `evertoken remove ${id} --yes`,
    grant: id,
  })
  if (!sure) {
    environment.stderr.write(`${id} stays as it is.\n`)
    return
  }
  await grants.remove(id)
  environment.stdout.write(
    options.json === true ? `${JSON.stringify({ id, removed: true })}\n` : `removed ${id}\n`,
  )
}

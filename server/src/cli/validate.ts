import type { Validation } from 'evertoken'
import { validationBody } from '../broker/validation.ts'
import { distanceText } from './duration.ts'
import type { Environment } from './environment.ts'
import { NegativeAnswer } from './exit-code.ts'
import { type GrantsOptions, openGrants } from './grants.ts'
import { withProgress } from './progress.ts'

export interface ValidateOptions extends GrantsOptions {
  /** `--scope`, of the token for that scope. */
  scope?: string[] | undefined
  /** `--resource` */
  resource?: string | undefined
}

const ways: Readonly<Record<Validation['by'], string>> = {
  introspection: 'the provider says so (introspection)',
  userinfo: 'the provider says so (userinfo)',
  call: 'the API says so',
  jwt: 'by the expiry in it; nobody was asked',
  expiry: 'by the lifetime it came with; nobody was asked',
}

/** Says whether a grant's present token is good, and how that is known; ends with 1 when it is not. */
export async function validate(
  id: string,
  { scope, resource, ...options }: ValidateOptions,
  environment: Environment,
): Promise<void> {
  await using grants = await openGrants(options, environment)
  const found = await withProgress(
    `asking about ${id}`,
    environment,
    grants.validate(id, { scope, resource }),
  )
  const { valid, by, generation, expiresAt, unanswered } = found
  if (options.json === true) environment.stdout.write(`${JSON.stringify(validationBody(found))}\n`)
  else {
    const ends = distanceText(expiresAt, environment.clock.now())
    environment.stdout.write(
      `${id} is ${valid ? 'good' : 'no good'}: ${ways[by]}; generation ${generation}, its time ends ${ends}\n`,
    )
    for (const { by, why } of unanswered) environment.stderr.write(`${by} says nothing: ${why}\n`)
    if (!valid) environment.stderr.write(`evertoken refresh ${id} obtains another.\n`)
  }
  if (!valid) throw new NegativeAnswer()
}

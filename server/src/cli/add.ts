import { EvertokenError } from 'evertoken'
import { summaryBody } from '../broker/grant-summary.ts'
import type { Environment } from './environment.ts'
import { describedGrant } from './grant-description.ts'
import { answersFrom, type GrantFlags, profileFrom } from './grant-flags.ts'
import { completed } from './grant-questions.ts'
import { GrantText } from './grant-text.ts'
import { type Grants, openGrants } from './grants.ts'
import { withProgress } from './progress.ts'
import { atTerminal } from './questions.ts'

export interface AddOptions extends GrantFlags {
  /** False with `--no-check`: no token is fetched. */
  check: boolean
}

/** Puts a grant under a name, asking for what the flags leave open, and proves it with a first token. */
export async function add(id: string, options: AddOptions, environment: Environment): Promise<void> {
  await using grants = await openGrants(options, environment, { make: true, described: false })
  await checkFree(id, grants)
  await tellAtTerminal(options, environment)
  const answers = await completed(id, await answersFrom(options, environment), environment)
  let grant = await grants.add(id, describedGrant(answers))
  if (options.check && grant.state !== 'pending') {
    await firstToken(id, grants, environment)
    grant = await grants.show(id)
  }
  const { stdout, stderr } = environment
  stdout.write(
    options.json === true
      ? `${JSON.stringify(summaryBody(grant))}\n`
      : new GrantText(environment).line('added', grant),
  )
  if (grant.state === 'pending') stderr.write(`A person has to consent now: evertoken login ${id}\n`)
}

/** Whoever is asked for a client id first hears how a client is made. */
async function tellAtTerminal(options: AddOptions, environment: Environment): Promise<void> {
  if (options.clientId !== undefined || !atTerminal(environment)) return
  const found = await profileFrom(options, environment)
  if (found === undefined) return
  const { tellOfProvider } = await import('./provider-advice.ts')
  tellOfProvider(found.profile, environment)
}

/** Before anybody types answers for a name that is taken. */
async function checkFree(id: string, grants: Grants): Promise<void> {
  const there = await grants.show(id).catch((error: unknown) => {
    if (error instanceof EvertokenError && error.code === 'unknown_grant') return undefined
    throw error
  })
  if (there !== undefined)
    throw new EvertokenError('grant_exists', `there is a grant ${id} already in ${grants.location}`, {
      grant: id,
      advice: `Choose another name; remove it first: evertoken remove ${id}; or give it another secret: evertoken replace ${id}`,
    })
}

async function firstToken(id: string, grants: Grants, environment: Environment): Promise<void> {
  const { signal, stderr } = environment
  try {
    await withProgress(`fetching the first token of ${id}`, environment, grants.token(id, { signal }))
  } catch (error) {
    stderr.write(
      `${id} is added and kept in ${grants.location}, but its first token did not come. evertoken show ${id} tells how it goes on; evertoken remove ${id} takes it back.\n`,
    )
    throw error
  }
}

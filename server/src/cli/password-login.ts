import { EvertokenError, type GrantSummary, type Secret } from 'evertoken'
import type { Environment } from './environment.ts'
import type { SecretReader } from './given-secret.ts'
import type { Consent } from './grants.ts'
import type { LoginOptions } from './login.ts'
import { withProgress } from './progress.ts'
import { atTerminal, type Check, Questions } from './questions.ts'

/** What a person logs in with, as far as the flags say it. */
export interface GivenCredentials {
  readonly username: string | undefined
  readonly password: Secret | undefined
}

/** Throws `usage` for a password given twice, and where it cannot be read. */
export async function givenCredentials(
  { username, passwordFile: file, passwordEnv: variable }: LoginOptions,
  reader: SecretReader,
): Promise<GivenCredentials> {
  const password = await reader.read({ flag: '--password', file, variable })
  return { username, password }
}

/** Throws `usage` where something is missing and there is nobody to ask, before anything is made or sent. */
export function checkAnswerable(id: string, given: GivenCredentials, environment: Environment): void {
  if (atTerminal(environment)) return
  const missing = [
    ...(given.username === undefined ? ['--username'] : []),
    ...(given.password === undefined ? ['--password-file or --password-env'] : []),
  ]
  if (missing.length > 0)
    throw new EvertokenError(
      'usage',
      `${id} is logged in with a user name and a password: ${missing.join(' and ')} is missing`,
      {
        grant: id,
        advice: 'At a terminal they are asked for; --password-file - takes the password from a pipe.',
      },
    )
}

const notEmpty: Check = (answer) => (answer === '' ? 'This cannot be empty.' : undefined)

/** Sends the user name and the password once; what the flags leave open is asked for. */
export async function passwordLogin(
  id: string,
  consent: Consent,
  given: GivenCredentials,
  environment: Environment,
): Promise<GrantSummary> {
  if (consent.kind === 'broker')
    throw new EvertokenError('usage', `${id} is logged in with a password, which goes through no broker`, {
      grant: id,
      advice: 'Log in where its store is: evertoken login with --data, or beside its evertoken.yaml.',
    })
  checkAnswerable(id, given, environment)
  const ask = new Questions(environment)
  const username = given.username ?? (await ask.text('User name', notEmpty))
  const password = given.password ?? (await ask.secret('Password', notEmpty))
  return withProgress(`logging in to ${id}`, environment, consent.logIn(id, { username, password }))
}

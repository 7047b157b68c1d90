import { EvertokenError, type GrantSummary } from 'evertoken'
import { summaryBody } from '../broker/grant-summary.ts'
import { secretLines } from '../config/secret-file.ts'
import type { Environment } from './environment.ts'
import { SecretReader } from './given-secret.ts'
import { GrantText } from './grant-text.ts'
import { type Grants, type GrantsOptions, openGrants } from './grants.ts'
import { withProgress } from './progress.ts'

export interface ReplaceOptions extends GrantsOptions {
  clientSecretFile?: string | undefined
  clientSecretEnv?: string | undefined
  refreshTokenFile?: string | undefined
  refreshTokenEnv?: string | undefined
  /** False with `--no-check`: nothing is sent. */
  check: boolean
}

/** Puts another client secret or refresh token in the place of a grant's own, and proves it with a new token; nothing else changes. */
export async function replace(id: string, options: ReplaceOptions, environment: Environment): Promise<void> {
  const reader = new SecretReader(environment)
  const { clientSecretFile, clientSecretEnv, refreshTokenFile, refreshTokenEnv } = options
  const secret = await reader.read({
    flag: '--client-secret',
    file: clientSecretFile,
    variable: clientSecretEnv,
  })
  const refreshToken = await reader.read({
    flag: '--refresh-token',
    file: refreshTokenFile,
    variable: refreshTokenEnv,
  })
  if (secret === undefined && refreshToken === undefined)
    throw new EvertokenError('usage', `it is not said what of ${id} is to be replaced`, {
      grant: id,
      advice: `For example evertoken replace ${id} --client-secret-file FILE; --help has all.`,
    })
  await using grants = await openGrants(options, environment, { described: false })
  checkDescribed(id, grants)
  const clientSecret = secret && secretLines(secret)
  const replaced = await grants.replace(id, { clientSecret, refreshToken })
  const grant = options.check && refreshes(replaced) ? await proved(id, grants, environment) : replaced
  environment.stdout.write(
    options.json === true
      ? `${JSON.stringify(summaryBody(grant))}\n`
      : new GrantText(environment).line('replaced the secret of', grant),
  )
}

const refreshes = ({ state }: GrantSummary): boolean => state === 'active' || state === 'suspect'

/** What the file says would take the place of what is replaced, and a refresh token that was spent that of a live one. */
function checkDescribed(id: string, { described }: Grants): void {
  if (described?.().includes(id) !== true) return
  throw new EvertokenError('invalid_request', `evertoken.yaml describes ${id}, and its secrets with it`, {
    grant: id,
    advice:
      'Put the new one there: evertoken serve and worker take it when they start, evertoken token when the old one is refused.',
  })
}

async function proved(id: string, grants: Grants, environment: Environment): Promise<GrantSummary> {
  const { signal, stderr } = environment
  try {
    return await withProgress(`fetching a token of ${id}`, environment, grants.refresh(id, signal))
  } catch (error) {
    stderr.write(
      `${id} has what is new, but no token came by it. evertoken show ${id} tells how it goes on.\n`,
    )
    throw error
  }
}

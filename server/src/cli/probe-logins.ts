import path from 'node:path'
import { EvertokenError, type GrantDefinition, Secret } from 'evertoken'
import { consentedLogin, type SandboxLogin, sandboxGrant } from 'evertoken/measurement'
import { readKeyFile } from 'evertoken/sqlite'
import { secretLines } from '../config/secret-file.ts'
import type { Environment } from './environment.ts'
import { localLogin } from './local-login.ts'
import { transportOf } from './transport.ts'

/** How a person consents to the logins of a probe. */
export interface ProbeConsentOptions {
  port?: number | undefined
  paste?: boolean | undefined
  device?: boolean | undefined
  /** False with `--no-open`. */
  open: boolean
}

/** Asks somebody for one consent after the other. */
export function consentedLogins(
  definition: GrantDefinition,
  options: ProbeConsentOptions,
  environment: Environment,
): () => Promise<SandboxLogin> {
  const { clock, stderr } = environment
  let count = 0
  return async () => {
    count += 1
    stderr.write(`\nLogin ${count}, to be spent: consent as the person of the sandbox.\n`)
    const login = consentedLogin(
      definition,
      (keeper) =>
        localLogin(
          sandboxGrant,
          {
            kind: 'here',
            begin: (id, redirectUri) => keeper.beginConsent(id, { redirectUri }),
            finish: (callback) => keeper.finishConsent(callback),
            beginOnDevice: (id, signal) => keeper.beginDeviceConsent(id, { signal }),
            thanks: `Login ${count} of the probe has come. You can close this page.`,
          },
          options,
          environment,
        ),
      { clock, transport: transportOf(environment) },
    )
    return login.catch((error: unknown) => {
      if (error instanceof EvertokenError && error.code === 'grant_pending')
        throw new EvertokenError('grant_pending', error.message, {
          advice: 'Begin the probe again; logins that it has are worth nothing to another.',
        })
      throw error
    })
  }
}

/** Refresh tokens of logins made elsewhere, one a line. Throws as a secret's file does, and `usage` for a token given twice. */
export function importedLogins(file: string, { cwd }: Pick<Environment, 'cwd'>): readonly SandboxLogin[] {
  const whole = path.resolve(cwd, file)
  const tokens = [secretLines(readKeyFile(whole))].flat() as readonly Secret[]
  const texts = tokens.map((token) => token.reveal())
  const twice = texts.findIndex((text, at) => texts.indexOf(text) !== at)
  if (twice >= 0)
    throw new EvertokenError('usage', `refresh token ${twice + 1} of ${whole} is there twice`, {
      advice: 'Each login is spent once: give the refresh token of another one.',
    })
  return texts.map((text) => ({ refreshToken: new Secret(text) }))
}

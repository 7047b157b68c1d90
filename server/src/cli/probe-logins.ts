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
            logIn: (id, credentials) => keeper.login(id, credentials),
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

/** More than the library takes are a wrong file. */
const mostTokens = 100
/** RFC 6749 appendix A.17, without the space that a line of a file may begin or end with. */
const tokenText = /^[\x21-\x7e](?:[\x20-\x7e]{0,16382}[\x21-\x7e])?$/

/**
 * Refresh tokens of logins made elsewhere, one a line.
 *
 * @throws EvertokenError `usage` for what is no list of refresh tokens; `key_file_unreadable`, `key_file_too_open`,
 *   `empty_secret`.
 */
export function importedLogins(file: string, { cwd }: Pick<Environment, 'cwd'>): readonly SandboxLogin[] {
  const whole = path.resolve(cwd, file)
  const texts = [secretLines(tokenFile(whole))].flat().map((token) => token.reveal())
  if (texts.length > mostTokens)
    throw new EvertokenError('usage', `${whole} has ${texts.length} lines`, {
      advice: `It holds one refresh token a line, and at most ${mostTokens}.`,
    })
  for (const [at, text] of texts.entries()) {
    if (!tokenText.test(text))
      throw new EvertokenError('usage', `line ${at + 1} of ${whole} is no refresh token`, {
        advice: 'Put one refresh token on each line, and nothing else.',
      })
    if (texts.indexOf(text) !== at)
      throw new EvertokenError('usage', `refresh token ${at + 1} of ${whole} is there twice`, {
        advice: 'Each login is spent once: give the refresh token of another one.',
      })
  }
  return texts.map((text) => ({ refreshToken: new Secret(text) }))
}

function tokenFile(file: string): Secret {
  try {
    return readKeyFile(file)
  } catch (error) {
    if (!(error instanceof EvertokenError)) throw error
    const { code, message, cause } = error
    const advice = code === 'empty_secret' ? 'Put one refresh token on each line.' : error.advice
    throw new EvertokenError(code, message.replace('the key file', 'the file of refresh tokens'), {
      cause,
      advice,
    })
  }
}

import { EvertokenError, type GrantSummary } from 'evertoken'
import { summaryBody } from '../broker/grant-summary.ts'
import { checkConsentable } from '../broker/no-consent.ts'
import { brokerLogin } from './broker-login.ts'
import { warnOfCrowdAround } from './crowded-logins.ts'
import type { Environment } from './environment.ts'
import { SecretReader } from './given-secret.ts'
import { describedGrant } from './grant-description.ts'
import { answersFrom, type GrantFlags, profileFrom } from './grant-flags.ts'
import { completed } from './grant-questions.ts'
import { GrantText } from './grant-text.ts'
import { type Grants, openGrants } from './grants.ts'
import { localLogin } from './local-login.ts'
import type { FoundProfile } from './named-profile.ts'
import { checkAnswerable, type GivenCredentials, givenCredentials, passwordLogin } from './password-login.ts'

export interface LoginOptions extends GrantFlags {
  /** `--port PORT` of the redirect URI; default any that is free. */
  port?: number | undefined
  /** `--paste`: the browser is on another machine. */
  paste?: boolean | undefined
  /** `--device`: the person types a code on another device. */
  device?: boolean | undefined
  /** `--other-account`: whoever logs in may be another than before. */
  otherAccount?: boolean | undefined
  /** False with `--no-open`: the link is only printed. */
  open: boolean
  /** `--as NAME`: of the grant; what is named before it is then a provider. */
  as?: string | undefined
  /** `--username NAME`, for a login by password. */
  username?: string | undefined
  passwordFile?: string | undefined
  passwordEnv?: string | undefined
}

/**
 * A person consents to a grant, for the first time or again; the grant keeps its name. `login google --as work`, or `login work`.
 *
 * @param name of the grant, or of the provider where `--as` names the grant.
 */
export async function login(name: string, given: LoginOptions, environment: Environment): Promise<void> {
  const { as: id = name } = given
  const options = given.as === undefined ? given : { ...given, provider: name }
  const reader = new SecretReader(environment)
  const credentials = await givenCredentials(options, reader)
  await using grants = await openGrants(options, environment, { make: true })
  const { consent } = grants
  if (consent.kind === 'broker' && options.device === true) throw noDeviceAt(grants.location)
  const before = await existing(id, grants, options, { credentials, reader }, environment)
  const grant = isByPassword(before)
    ? await passwordLogin(id, consent, credentials, environment)
    : consent.kind === 'here'
      ? await localLogin(id, consent, options, environment)
      : await brokerLogin(before, consent, grants, options, environment)
  if (grant.loginLimit !== undefined) await warnOfCrowdAround(grant, grants, environment)
  environment.stdout.write(
    options.json === true
      ? `${JSON.stringify(summaryBody(grant))}\n`
      : new GrantText(environment).line('logged in', grant),
  )
}

const noDeviceAt = (location: string): EvertokenError =>
  new EvertokenError('usage', `--device is for a local store, not for the broker ${location}`, {
    advice:
      'Without it you get a link to a page of the broker, which any browser can open; --data DIR names a local store.',
  })

const isByPassword = ({ grantType }: GrantSummary): boolean => grantType === 'password'

/** A provider with a login by user name and password, and no page of its own to send a person to. */
const knowsOnlyPasswords = (profile: FoundProfile['profile'] | undefined): boolean =>
  profile?.requests?.login !== undefined &&
  profile.issuer === undefined &&
  profile.authorization_url === undefined &&
  profile.device_authorization_url === undefined

/** For a name that is no grant: whoever means a provider says which grant it is to be. */
async function whatToSay(id: string, environment: Environment): Promise<string> {
  const { isKnownProvider } = await import('./named-profile.ts')
  return isKnownProvider(id, environment)
    ? `${id} is a provider: evertoken login ${id} --as GRANT --client-id ID.`
    : `Say what it is to be: evertoken login ${id} --provider NAME --client-id ID, or --issuer URL; or evertoken add ${id} asks.`
}

/** The grant of that name, or a new one of what the flags and answers say. */
async function existing(
  id: string,
  grants: Grants,
  options: LoginOptions,
  { credentials, reader }: { readonly credentials: GivenCredentials; readonly reader: SecretReader },
  environment: Environment,
): Promise<GrantSummary> {
  const said =
    options.provider ?? options.profileFile ?? options.issuer ?? options.tokenUrl ?? options.clientId
  try {
    const grant = await grants.show(id)
    if (!isByPassword(grant)) checkConsentable(grant)
    if (!isByPassword(grant) && credentials.username !== undefined)
      throw new EvertokenError('usage', `${id} takes no password: a person consents to it at the provider`, {
        grant: id,
        advice: `Leave --username away: evertoken login ${id}`,
      })
    if (said !== undefined)
      environment.stderr.write(
        `evertoken: there is a grant ${id} already; it is logged in as it was added, and what the flags say of it is not used\n`,
      )
    if (grant.state === 'pending' && grants.consent.kind === 'here') {
      const { tellOfConfigured } = await import('./provider-advice.ts')
      await tellOfConfigured(id, options, environment)
    }
    return grant
  } catch (error) {
    if (!(error instanceof EvertokenError) || error.code !== 'unknown_grant') throw error
    if (said === undefined)
      throw new EvertokenError('unknown_grant', error.message, {
        grant: id,
        advice: await whatToSay(id, environment),
      })
    const found = await profileFrom(options, environment)
    if (found !== undefined) {
      const { tellOfProvider } = await import('./provider-advice.ts')
      tellOfProvider(found.profile, environment)
    }
    const byPassword = options.username !== undefined || knowsOnlyPasswords(found?.profile)
    const type = byPassword ? 'password' : 'authorization_code'
    const answers = await answersFrom({ ...options, type }, environment, reader)
    const described = describedGrant(await completed(id, answers, environment, 'login'))
    if (byPassword) checkAnswerable(id, credentials, environment)
    return grants.add(id, described)
  }
}

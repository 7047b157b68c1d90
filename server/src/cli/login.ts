import { EvertokenError, type GrantSummary } from 'evertoken'
import { summaryBody } from '../broker/grant-summary.ts'
import { brokerLogin } from './broker-login.ts'
import type { Environment } from './environment.ts'
import { describedGrant } from './grant-description.ts'
import { answersFrom, type GrantFlags, profileFrom } from './grant-flags.ts'
import { completed } from './grant-questions.ts'
import { GrantText } from './grant-text.ts'
import { type Grants, openGrants } from './grants.ts'
import { localLogin } from './local-login.ts'

export interface LoginOptions extends GrantFlags {
  /** `--port PORT` of the redirect URI; default any that is free. */
  port?: number | undefined
  /** `--paste`: the browser is on another machine. */
  paste?: boolean | undefined
  /** `--device`: the person types a code on another device. */
  device?: boolean | undefined
  /** `--as GRANT`: the argument names the provider. */
  as?: string | undefined
  /** False with `--no-open`: the link is only printed. */
  open: boolean
}

/** A person consents to a grant, for the first time or again; the grant keeps its name. `login google --as work`, or `login work`. */
export async function login(name: string, given: LoginOptions, environment: Environment): Promise<void> {
  const id = given.as ?? name
  const options = given.as === undefined ? given : { ...given, provider: name }
  await using grants = await openGrants(options, environment, true)
  const { consent } = grants
  if (consent.kind === 'broker' && options.device === true) throw noDeviceAt(grants.location)
  const before = await existing(id, grants, options, environment)
  const grant =
    consent.kind === 'here'
      ? await localLogin(id, consent, options, environment)
      : await brokerLogin(before, consent, grants, options, environment)
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
  environment: Environment,
): Promise<GrantSummary> {
  const described =
    options.provider ?? options.profileFile ?? options.issuer ?? options.tokenUrl ?? options.clientId
  try {
    const grant = await grants.show(id)
    if (grant.grantType !== 'authorization_code')
      throw new EvertokenError(
        'invalid_request',
        `grant ${id} is of type ${grant.grantType}: nobody consents to it`,
        {
          grant: id,
          advice: 'Only authorization_code grants need a login; the others go on by themselves.',
        },
      )
    if (described !== undefined)
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
    if (described === undefined)
      throw new EvertokenError('unknown_grant', error.message, {
        grant: id,
        advice: await whatToSay(id, environment),
      })
    const found = await profileFrom(options, environment)
    if (found !== undefined) {
      const { tellOfProvider } = await import('./provider-advice.ts')
      tellOfProvider(found.profile, environment)
    }
    const answers = await answersFrom({ ...options, type: 'authorization_code' }, environment)
    return grants.add(id, describedGrant(await completed(id, answers, environment)))
  }
}

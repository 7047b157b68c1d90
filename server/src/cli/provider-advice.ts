import { styleText } from 'node:util'
import { EvertokenError, type ProviderProfile } from 'evertoken'
import { profileOfGrant } from '../config/configuration.ts'
import type { Environment } from './environment.ts'
import type { PlaceOptions } from './options.ts'
import { findPlace } from './place.ts'
import { isVerified, numbered } from './provider-text.ts'

/** Before somebody logs in at the provider of a grant of the evertoken.yaml that is used here, if that is a profile. */
export async function tellOfConfigured(
  grant: string,
  options: PlaceOptions,
  environment: Environment,
): Promise<void> {
  const { configuration } = await findPlace(options, environment)
  if (configuration === undefined) return
  try {
    const profile = profileOfGrant(configuration, grant)
    if (profile !== undefined) tellOfProvider(profile, environment)
  } catch (error) {
    // The grant itself is in the store and needs none of it; the next start says what is wrong there.
    if (!(error instanceof EvertokenError)) throw error
  }
}

/**
 * Before somebody makes a client at a provider or logs in there for the first time: how a client is made, what surprises people,
 * and whether anybody has checked what is known of it.
 */
export function tellOfProvider(profile: ProviderProfile, environment: Pick<Environment, 'stderr'>): void {
  const { name, registration: { url, redirect_uris: uris, steps, traps = [] } = {}, facts } = profile
  const warn = (text: string): string =>
    styleText('yellow', text, { stream: environment.stderr as NodeJS.WriteStream })
  const recalled = facts?.recalled ?? []
  const lines = [
    ...(facts === undefined || isVerified(profile)
      ? recalled.length === 0
        ? []
        : [warn(`unverified: of ${name}, ${recalled.join(', ')} was never checked against a source`)]
      : [warn(`unverified: what is known of ${name} was never checked against a source`)]),
    ...(url === undefined && steps === undefined
      ? []
      : [
          `A client at ${name} is made${url === undefined ? '' : ` at ${url}`}${steps === undefined ? '.' : ':'}`,
        ]),
    ...numbered(steps).map((step) => `  ${step}`),
    ...(uris === undefined ? [] : [`  It takes as redirect URI: ${uris.join(', ')}.`]),
    ...traps.map((trap) => `  ${warn('Beware:')} ${trap}`),
  ]
  if (lines.length > 0) environment.stderr.write(`${lines.join('\n')}\n\n`)
}

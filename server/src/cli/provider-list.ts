import type { Environment } from './environment.ts'
import { knownProfiles } from './named-profile.ts'
import { ProviderText } from './provider-text.ts'

export interface ProviderListOptions {
  json?: boolean | undefined
}

/** The catalogue and what the nearest evertoken.yaml has of its own, one provider a line. */
export async function listProviders(
  text: string | undefined,
  { json }: ProviderListOptions,
  environment: Environment,
): Promise<void> {
  const wanted = text?.toLowerCase() ?? ''
  const profiles = knownProfiles(environment).filter(
    ({ profile: { id, name } }) => id.includes(wanted) || name.toLowerCase().includes(wanted),
  )
  if (json === true) {
    const providers = profiles.map(({ profile: { id, name, lifetimes, facts }, file }) => ({
      id,
      name,
      ...(lifetimes?.rotation !== undefined && { rotation: lifetimes.rotation }),
      ...(file === undefined ? { confidence: facts?.confidence ?? 'recalled' } : { file }),
    }))
    environment.stdout.write(`${JSON.stringify({ providers })}\n`)
  } else if (profiles.length === 0) {
    environment.stderr.write(
      `No provider has ${JSON.stringify(text)} in its id or name. evertoken provider list shows all; one that is missing can be described in evertoken.yaml.\n`,
    )
  } else {
    environment.stdout.write(new ProviderText(environment).table(profiles))
  }
}

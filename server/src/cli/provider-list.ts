import { catalogueIds, catalogueProfile } from 'evertoken/providers'
import type { Environment } from './environment.ts'
import { ProviderText } from './provider-text.ts'

export interface ProviderListOptions {
  json?: boolean | undefined
}

/** The catalogue, one provider a line. */
export async function listProviders(
  text: string | undefined,
  { json }: ProviderListOptions,
  environment: Environment,
): Promise<void> {
  const wanted = text?.toLowerCase() ?? ''
  const profiles = catalogueIds()
    .flatMap((id) => catalogueProfile(id) ?? [])
    .filter(({ id, name }) => id.includes(wanted) || name.toLowerCase().includes(wanted))
  if (json === true) {
    const providers = profiles.map(({ id, name, lifetimes, facts }) => ({
      id,
      name,
      ...(lifetimes?.rotation !== undefined && { rotation: lifetimes.rotation }),
      confidence: facts?.confidence ?? 'recalled',
    }))
    environment.stdout.write(`${JSON.stringify({ providers })}\n`)
  } else if (profiles.length === 0) {
    environment.stderr.write(
      `No provider of the catalogue has ${JSON.stringify(text)} in its id or name. evertoken provider list shows all; one that is missing can be described in evertoken.yaml.\n`,
    )
  } else {
    environment.stdout.write(new ProviderText(environment).table(profiles))
  }
}

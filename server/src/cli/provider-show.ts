import type { Environment } from './environment.ts'
import { namedProfile } from './named-profile.ts'
import { ProviderText } from './provider-text.ts'

export interface ProviderShowOptions {
  yaml?: boolean | undefined
  json?: boolean | undefined
}

/** Everything about one provider, for people or, as it is, to paste. */
export async function showProvider(
  name: string,
  { yaml, json }: ProviderShowOptions,
  environment: Environment,
): Promise<void> {
  const { profile, file } = namedProfile(name, environment)
  const { stdout } = environment
  if (json === true) stdout.write(`${JSON.stringify(profile, null, 2)}\n`)
  else if (yaml === true) {
    const { stringify } = await import('yaml')
    stdout.write(stringify(profile, { lineWidth: 110 }))
  } else stdout.write(new ProviderText(environment).details(profile, file))
}

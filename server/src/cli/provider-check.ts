import { EvertokenError, type ProviderProfile } from 'evertoken'
import type { Environment } from './environment.ts'
import { namedProfile } from './named-profile.ts'
import { withProgress } from './progress.ts'
import type { Finding } from './provider-addresses.ts'
import { table } from './table.ts'

export interface ProviderCheckOptions {
  online?: boolean | undefined
  json?: boolean | undefined
}

/** Whether a profile is sound, and with `online` whether what it names is there. */
export async function checkProvider(
  name: string,
  { online, json }: ProviderCheckOptions,
  environment: Environment,
): Promise<void> {
  const profile = namedProfile(name, environment)
  const findings = online === true ? await asked(profile, environment) : undefined
  const failed = findings?.filter(({ ok }) => !ok) ?? []
  const { stdout } = environment
  if (json !== true) stdout.write(`${profile.id}: a sound profile of ${profile.name}\n${textOf(findings)}`)
  if (failed.length > 0)
    throw new EvertokenError(
      'provider_unreachable',
      `${profile.name}: ${failed.map(({ key, result }) => `${key}: ${result}`).join('; ')}`,
      {
        advice: 'Correct the address in the profile, or look at the network; EVERTOKEN_LOG=wire shows more.',
      },
    )
  if (json === true) {
    const { id, name: called } = profile
    stdout.write(
      `${JSON.stringify({ id, name: called, sound: true, ...(findings && { online: findings }) })}\n`,
    )
  }
}

async function asked(profile: ProviderProfile, environment: Environment): Promise<readonly Finding[]> {
  const { askAddresses } = await import('./provider-addresses.ts')
  return withProgress(
    `asking the addresses of ${profile.name}`,
    environment,
    askAddresses(profile, environment),
  )
}

const textOf = (findings: readonly Finding[] | undefined): string =>
  findings === undefined
    ? ''
    : `\n${table(
        ['KEY', 'ADDRESS', 'RESULT'],
        findings.map(({ key, url, result }) => [key, url, result]),
      )}`

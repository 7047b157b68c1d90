import path from 'node:path'
import { EvertokenError, type ProviderProfile } from 'evertoken'
import type { Environment } from './environment.ts'
import { namedProfile, ownProfiles } from './named-profile.ts'
import { configurationName } from './place.ts'
import { withProgress } from './progress.ts'
import type { Finding } from './provider-addresses.ts'
import { table } from './table.ts'

export interface ProviderCheckOptions {
  online?: boolean | undefined
  /** `--private-network` */
  privateNetwork?: boolean | undefined
  json?: boolean | undefined
}

/** Whether a profile is sound, or all that an evertoken.yaml has, and with `online` whether what they name is there. */
export async function checkProvider(
  name: string,
  options: ProviderCheckOptions,
  environment: Environment,
): Promise<void> {
  const isConfiguration = path.basename(name) === configurationName
  const profiles = isConfiguration ? ownProfiles(name, environment) : [namedProfile(name, environment)]
  const { stdout } = environment
  const checked: object[] = []
  for (const { profile, file } of profiles) {
    const findings = options.online === true ? await asked(profile, options, environment) : undefined
    const { id, name: called } = profile
    if (options.json !== true) stdout.write(`${id}: a sound profile of ${called}\n${textOf(findings)}`)
    refuseUnreachable(called, findings)
    if (options.json !== true) stdout.write(used(profile, file, environment))
    checked.push({ id, name: called, sound: true, ...(findings && { online: findings }) })
  }
  if (options.json === true)
    stdout.write(`${JSON.stringify(isConfiguration ? { providers: checked } : checked[0])}\n`)
}

function refuseUnreachable(name: string, findings: readonly Finding[] = []): void {
  const failed = findings.filter(({ ok }) => !ok)
  if (failed.length === 0) return
  throw new EvertokenError(
    'provider_unreachable',
    `${name}: ${failed.map(({ key, result }) => `${key}: ${result}`).join('; ')}`,
    {
      advice: 'Correct the address in the profile, or look at the network; EVERTOKEN_LOG=wire shows more.',
    },
  )
}

/** What to do with a profile that is in a file of its own: sound is not yet used. */
function used(profile: ProviderProfile, file: string | undefined, { cwd }: Environment): string {
  if (file === undefined || path.basename(file) === configurationName) return ''
  const place = path.relative(cwd, file)
  const { id, issuer, authorization_url: page, device_authorization_url: device, requests } = profile
  const forPeople = [issuer, page, device, requests?.login].some((way) => way !== undefined)
  return `Use it: evertoken ${forPeople ? 'login' : 'add'} NAME --profile-file ${place}, or under providers of ${configurationName}: ${id}: { profile_file: ${place} }\n`
}

async function asked(
  profile: ProviderProfile,
  { privateNetwork }: ProviderCheckOptions,
  environment: Environment,
): Promise<readonly Finding[]> {
  const { askAddresses } = await import('./provider-addresses.ts')
  return withProgress(
    `asking the addresses of ${profile.name}`,
    environment,
    askAddresses(profile, environment, privateNetwork),
  )
}

const textOf = (findings: readonly Finding[] | undefined): string =>
  findings === undefined
    ? ''
    : `\n${table(
        ['KEY', 'ADDRESS', 'RESULT'],
        findings.map(({ key, url, result }) => [key, url, result]),
      )}`

import path from 'node:path'
import { EvertokenError, Secret } from 'evertoken'
import type { ClientDescription, GrantDescription } from '../config/schema.ts'
import { secretLines } from '../config/secret-file.ts'
import type { Environment } from './environment.ts'
import { SecretReader } from './given-secret.ts'
import type { GrantsOptions } from './grants.ts'
import type { FoundProfile } from './named-profile.ts'

export type GrantTypeName = GrantDescription['grant_type']
export type Algorithm = NonNullable<ClientDescription['signing_key']>['algorithm']

/** The flags that describe a grant, as commander hands them over. Secrets only by file or environment variable. */
export interface GrantFlags extends GrantsOptions {
  type?: GrantTypeName | undefined
  /** The id of a profile, of the nearest evertoken.yaml or the catalogue, or the file it is in. */
  provider?: string | undefined
  /** `--profile-file FILE`: surely a file. */
  profileFile?: string | undefined
  /** Its variables. */
  variable?: Readonly<Record<string, string>> | undefined
  /** The same, by the environment variables that hold their values. */
  variableEnv?: Readonly<Record<string, string>> | undefined
  issuer?: string | undefined
  tokenUrl?: string | undefined
  authorizationUrl?: string | undefined
  deviceAuthorizationUrl?: string | undefined
  pushedAuthorization?: boolean | undefined
  pushedAuthorizationRequestUrl?: string | undefined
  dpop?: boolean | undefined
  revocationUrl?: string | undefined
  clientId?: string | undefined
  clientAuthentication?: ClientDescription['client_authentication']
  clientSecretFile?: string | undefined
  clientSecretEnv?: string | undefined
  clientAssertionFile?: string | undefined
  clientCertificateFile?: string | undefined
  clientKeyFile?: string | undefined
  refreshTokenFile?: string | undefined
  refreshTokenEnv?: string | undefined
  signingKeyFile?: string | undefined
  signingKeyEnv?: string | undefined
  algorithm?: Algorithm | undefined
  keyId?: string | undefined
  assertionIssuer?: string | undefined
  assertionSubject?: string | undefined
  assertionAudience?: string | undefined
  assertionLifetime?: number | undefined
  claim?: Readonly<Record<string, string>> | undefined
  subjectTokenFile?: string | undefined
  subjectTokenEnv?: string | undefined
  subjectTokenType?: string | undefined
  actorTokenFile?: string | undefined
  actorTokenEnv?: string | undefined
  actorTokenType?: string | undefined
  requestedTokenType?: string | undefined
  audience?: readonly string[] | undefined
  scope?: readonly string[] | undefined
  resource?: readonly string[] | undefined
  refreshBefore?: number | undefined
  replayClass?: GrantDescription['replay_class']
  reuseWindow?: number | undefined
  assumedLifetime?: number | undefined
  parameter?: Readonly<Record<string, string>> | undefined
  authorizationParameter?: Readonly<Record<string, string>> | undefined
  metadata?: readonly string[] | undefined
  label?: Readonly<Record<string, string>> | undefined
  insecureHttp?: boolean | undefined
  privateNetwork?: boolean | undefined
  endpointHost?: readonly string[] | undefined
}

/** What is known of a grant so far: flags first, answers to questions over them. Secrets are clear text in here. */
export interface GrantAnswers extends Omit<GrantFlags, keyof GrantsOptions | 'provider' | 'profileFile'> {
  /** The provider, where it is known by a profile. */
  profile?: FoundProfile | undefined
  /** Two while one is being rotated. */
  clientSecret?: string | string[] | undefined
  refreshToken?: string | undefined
  signingKey?: string | undefined
  subjectToken?: string | undefined
  actorToken?: string | undefined
}

/** The profile that the flags name. Throws ConfigurationError where there is none, and for what is wrong in one. */
export async function profileFrom(
  { provider, profileFile }: Pick<GrantFlags, 'provider' | 'profileFile'>,
  environment: Pick<Environment, 'cwd'>,
): Promise<FoundProfile | undefined> {
  if (provider === undefined && profileFile === undefined) return undefined
  const { namedProfile, profileInFile } = await import('./named-profile.ts')
  return profileFile === undefined
    ? namedProfile(provider as string, environment)
    : profileInFile(profileFile, environment)
}

function variablesOf(
  { variable = {}, variableEnv = {} }: GrantFlags,
  profile: FoundProfile['profile'] | undefined,
  { env }: Environment,
): GrantFlags['variable'] {
  const named = Object.entries(variableEnv)
  if (Object.keys(variable).length + named.length === 0) return undefined
  const declared = profile?.variables ?? {}
  for (const name of Object.keys(variable))
    if (Object.hasOwn(declared, name) && declared[name]?.secret === true)
      throw new EvertokenError('usage', `${name} is a secret, and everybody here can read the command line`, {
        advice: `Put it into an environment variable: --variable-env ${name}=VARIABLE`,
      })
  const held = named.map(([name, from]): [string, string] => {
    const value = env[from]
    if (value === undefined || value === '')
      throw new EvertokenError(
        'missing_environment_variable',
        `the environment variable ${from} is not set`,
        {
          advice: `Set it to ${name} of the provider.`,
        },
      )
    return [name, value]
  })
  return { ...variable, ...Object.fromEntries(held) }
}

const revealed = (secret: Secret | readonly Secret[]): string | string[] =>
  secret instanceof Secret ? secret.reveal() : secret.map((one) => one.reveal())

/** The flags with the secrets read that they point to. */
export async function answersFrom(
  flags: GrantFlags,
  environment: Environment,
  reader = new SecretReader(environment),
): Promise<GrantAnswers> {
  const secret = await reader.read({
    flag: '--client-secret',
    file: flags.clientSecretFile,
    variable: flags.clientSecretEnv,
  })
  const read = async (flag: string, file: string | undefined, variable: string | undefined) =>
    (await reader.read({ flag, file, variable }))?.reveal()
  // Read by whoever refreshes, whenever that is: what is needed of it now is its place.
  const placeOf = (file: string | undefined) => file && path.resolve(environment.cwd, file)
  const { provider: _, profileFile: __, ...rest } = flags
  const profile = await profileFrom(flags, environment)
  return {
    ...rest,
    profile,
    variable: variablesOf(flags, profile?.profile, environment),
    clientAssertionFile: placeOf(flags.clientAssertionFile),
    clientCertificateFile: placeOf(flags.clientCertificateFile),
    clientKeyFile: placeOf(flags.clientKeyFile),
    subjectTokenFile: placeOf(flags.subjectTokenFile),
    actorTokenFile: placeOf(flags.actorTokenFile),
    subjectToken: await read('--subject-token', undefined, flags.subjectTokenEnv),
    actorToken: await read('--actor-token', undefined, flags.actorTokenEnv),
    clientSecret: secret && revealed(secretLines(secret)),
    refreshToken: await read('--refresh-token', flags.refreshTokenFile, flags.refreshTokenEnv),
    signingKey: await read('--signing-key', flags.signingKeyFile, flags.signingKeyEnv),
  }
}

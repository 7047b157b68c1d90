import { existsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type Clock, EvertokenError, type GrantDefinition } from 'evertoken'
import {
  type LeftTokens,
  loginsOfClient,
  type Measurement,
  type MeasurementStep,
  measureServer,
} from 'evertoken/measurement'
import { type ConfiguredClient, configuredClient } from '../config/configured-client.ts'
import { configuredPlace } from './configured-place.ts'
import { durationText } from './duration.ts'
import type { Environment } from './environment.ts'
import { openKeeper } from './local-grants.ts'
import { configurationName, findPlace } from './place.ts'
import { consentedLogins, importedLogins, type ProbeConsentOptions } from './probe-logins.ts'
import { leftText, measurementBody, measurementText, profileLines, stepText } from './probe-text.ts'
import { withProgress } from './progress.ts'
import { confirmed } from './questions.ts'
import { transportOf } from './transport.ts'

export interface ProviderProbeOptions extends ProbeConsentOptions {
  config?: string | undefined
  scope?: readonly string[] | undefined
  resource?: readonly string[] | undefined
  authorizationParameter?: Readonly<Record<string, string>> | undefined
  /** A file with refresh tokens of logins made elsewhere, one a line. */
  refreshTokensFile?: string | undefined
  /** Milliseconds. */
  longestWindow?: number | undefined
  /** Milliseconds. */
  precision?: number | undefined
  mostLogins?: number | undefined
  output?: string | undefined
  /** Leaves what is left of the logins alive. */
  keep?: boolean | undefined
  yes?: boolean | undefined
  json?: boolean | undefined
}

/**
 * Measures what the provider of a client does with a used refresh token, on logins that are spent for it: says what was seen
 * on stderr, and writes the lines of a profile to stdout or a file. Never with a client that has logins in use.
 */
export async function probeProvider(
  name: string,
  options: ProviderProbeOptions,
  environment: Environment,
): Promise<void> {
  const { env, cwd, stdout, stderr, clock } = environment
  const output = outputFile(options, cwd)
  const file = await configurationOf(options, environment)
  const client = configuredClient(file, env, name)
  const imported =
    options.refreshTokensFile === undefined
      ? undefined
      : importedLogins(options.refreshTokensFile, environment)
  const definition = definitionOf(client, options, imported?.[0]?.refreshToken.reveal())
  await refuseUsed(name, client, definition, file, environment)
  if (!(await agreed(name, definition, imported?.length, options, environment))) {
    stderr.write('Nothing was sent.\n')
    return
  }
  const left = [...(imported ?? [])]
  const logins =
    imported === undefined ? consentedLogins(definition, options, environment) : async () => left.shift()
  const { measured, left: leftTokens } = await watched(definition, logins, options, environment)

  const provider = providerOf(definition)
  const lines = profileLines(provider, name, measured, clock.now())
  stderr.write(measurementText(provider, measured, environment))
  if (options.json === true)
    stdout.write(`${JSON.stringify(measurementBody(name, provider, measured, leftTokens, clock.now()))}\n`)
  else if (output === undefined) stdout.write(lines)
  if (output !== undefined) writeLines(output, lines, environment)
}

async function watched(
  definition: GrantDefinition,
  logins: Parameters<typeof measureServer>[1]['logins'],
  options: ProviderProbeOptions,
  environment: Environment,
): Promise<{ measured: Measurement; left?: LeftTokens | undefined }> {
  const { clock, stderr, signal } = environment
  let doing = ''
  let left: LeftTokens | undefined
  const onStep = (step: MeasurementStep): void => {
    doing = stepText[step]
    stderr.write(`Now: ${doing}.\n`)
  }
  const waiting: Clock = {
    now: () => clock.now(),
    boot: () => clock.boot(),
    bootId: clock.bootId,
    sleep(ms, how) {
      const end = clock.boot() + ms
      // As wide as it ever gets, so that nothing of a longer time stays behind a shorter one.
      const rest = (): string => durationText(Math.max(0, end - clock.boot())).padEnd('59 m 59 s'.length)
      return withProgress(() => `${doing}: ${rest()} to go`, environment, clock.sleep(ms, how))
    },
  }
  const measured = await measureServer(definition, {
    logins,
    longestWindow: inSeconds(options.longestWindow),
    precision: inSeconds(options.precision),
    mostLogins: options.mostLogins,
    onStep,
    keep: options.keep,
    onLeft(tokens) {
      left = tokens
      stderr.write(leftText(tokens))
    },
    clock: waiting,
    transport: transportOf(environment),
    signal,
  })
  return { measured, left }
}

const inSeconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000)

function definitionOf(
  client: ConfiguredClient,
  { scope, resource, authorizationParameter }: ProviderProbeOptions,
  refreshToken: string | undefined,
): GrantDefinition {
  const common = {
    ...(scope === undefined ? {} : { scope: [...scope] }),
    ...(resource === undefined ? {} : { resource: [...resource] }),
  }
  return refreshToken === undefined
    ? client.define({
        ...common,
        grant_type: 'authorization_code',
        ...(authorizationParameter === undefined
          ? {}
          : { authorization_parameters: { ...authorizationParameter } }),
      })
    : client.define({ ...common, grant_type: 'refresh_token', refresh_token: refreshToken })
}

async function configurationOf({ config }: ProviderProbeOptions, environment: Environment): Promise<string> {
  if (config !== undefined) return path.resolve(environment.cwd, config)
  const { configuration } = await findPlace({}, environment)
  if (configuration !== undefined) return configuration
  throw new EvertokenError(
    'usage',
    `there is no ${configurationName} here or above that describes the client`,
    {
      advice: `Write one with the client under clients, or name it: --config FILE`,
    },
  )
}

/** A login that is in use may end by what a probe does with another of the same client. */
async function refuseUsed(
  name: string,
  { logins }: ConfiguredClient,
  definition: GrantDefinition,
  file: string,
  environment: Environment,
): Promise<void> {
  const place = configuredPlace(file, environment)
  const stored =
    place.store.kind === 'sqlite' && !existsSync(place.store.file)
      ? []
      : await storedLogins(definition, place, environment)
  const used = [...new Set([...logins, ...stored])]
  if (used.length === 0) return
  const shown = used.slice(0, 5).join(', ')
  throw new EvertokenError(
    'usage',
    `client ${name} has logins in use, which a probe may end: ${shown}${used.length > 5 ? ` and ${used.length - 5} more` : ''}`,
    {
      advice:
        'Register a client of its own for the probe at the provider, with an account that nothing else depends on, and name that one.',
    },
  )
}

async function storedLogins(
  definition: GrantDefinition,
  place: Parameters<typeof openKeeper>[0],
  environment: Environment,
): Promise<readonly string[]> {
  await using keeper = await openKeeper(place, environment)
  return loginsOfClient(keeper.store, definition)
}

async function agreed(
  name: string,
  definition: GrantDefinition,
  imported: number | undefined,
  { yes }: ProviderProbeOptions,
  environment: Environment,
): Promise<boolean> {
  environment.stderr.write(
    `A probe sends used refresh tokens to ${providerOf(definition)} on purpose. That ends the logins it is given, may end every login that
this client and this person have there, and may look like a theft. Use a client and an account that nothing depends on.
${
  imported === undefined
    ? 'It asks for one consent after the other: one or two, and where used refresh tokens work again for a while ten or so.\n'
    : `It spends up to ${imported} refresh tokens of logins that must be in use nowhere.\n`
}`,
  )
  return confirmed(yes, environment, {
    question: `Probe ${providerOf(definition)} with the client ${name}?`,
    refusal: `a probe with ${name} ends logins, and nobody is here to ask`,
    command: `evertoken provider probe ${name} --yes`,
  })
}

const providerOf = ({ client: { provider } }: GrantDefinition): string =>
  provider.kind === 'issuer' ? provider.issuer : new URL(provider.metadata.tokenEndpoint).host

/** Asked before anything is spent: the lines must have where to go. */
function outputFile({ output }: ProviderProbeOptions, cwd: string): string | undefined {
  if (output === undefined) return undefined
  const file = path.resolve(cwd, output)
  if (existsSync(file))
    throw new EvertokenError('usage', `${file} is there already`, {
      advice: 'Name a file that is not there.',
    })
  if (!existsSync(path.dirname(file)))
    throw new EvertokenError(
      'usage',
      `there is no folder ${path.dirname(file)} for the lines of the profile`,
      {
        advice: 'Make it, or name another.',
      },
    )
  return file
}

function writeLines(file: string, lines: string, { stdout, stderr }: Environment): void {
  try {
    writeFileSync(file, lines, { flag: 'wx' })
  } catch (cause) {
    // What logins were spent for must not be lost with the file.
    stdout.write(lines)
    throw new EvertokenError('usage', `${file} cannot be written; its lines went to stdout`, {
      cause,
      advice: 'Copy them from there.',
    })
  }
  stderr.write(`The lines of the profile are in ${file}.\n`)
}

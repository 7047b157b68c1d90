import type { ClocklessEnvironment } from './environment.ts'
import { type GrantsOptions, openGrants, type TokenView } from './grants.ts'

export interface TokenOptions extends GrantsOptions {
  /** `--min-ttl SECONDS` */
  minTtl?: number | undefined
  /** `--scope SCOPE` */
  scope?: readonly string[] | undefined
  /** `--resource URI` */
  resource?: string | undefined
  /** `--show`: also where a person looks. */
  show?: boolean | undefined
}

/** Writes a token that works, and nothing else, to stdout; to a terminal only when told to. */
export async function token(
  id: string,
  options: TokenOptions,
  environment: ClocklessEnvironment,
): Promise<void> {
  if (environment.isTerminal.stdout && options.show !== true) throw await refusal(id)
  const { clock, found } = await read(id, options, environment)
  if (found.stale)
    environment.stderr.write(
      `evertoken: this token of ${id} ends sooner than was asked; there is no better one now\n`,
    )
  if (options.json === true) {
    const { tokenToJson } = await import('./grant-json.ts')
    environment.stdout.write(`${JSON.stringify(tokenToJson(found, clock.now()))}\n`)
  } else {
    environment.stdout.write(`${found.value}\n`)
  }
}

async function read(id: string, options: TokenOptions, clockless: ClocklessEnvironment) {
  const [{ systemClock: clock }, { withClock }] = await Promise.all([
    import('evertoken'),
    import('./environment.ts'),
  ])
  const environment = withClock(clockless, clock)
  const { minTtl, scope, resource } = options
  await using grants = await openGrants(options, environment)
  const found: TokenView = await grants.token(id, { minTtl, scope, resource, signal: environment.signal })
  return { clock, found }
}

async function refusal(id: string): Promise<Error> {
  const { EvertokenError } = await import('evertoken')
  return new EvertokenError(
    'usage',
    'a terminal shows and remembers what is written to it, and this is a secret',
    {
      grant: id,
      advice: `Pipe it to where it is needed, or say that you want to see it: evertoken token ${id} --show`,
    },
  )
}

import { EvertokenError } from 'evertoken'
import { refuseSenderConstrained } from '../broker/sender-constrained.ts'
import { secondsLeft, tokenBody } from '../broker/token-body.ts'
import type { Environment } from './environment.ts'
import { type GrantsOptions, openGrants } from './grants.ts'

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
export async function token(id: string, options: TokenOptions, environment: Environment): Promise<void> {
  if (environment.isTerminal.stdout && options.show !== true) throw refusal(id)
  await using grants = await openGrants(options, environment)
  const { minTtl, scope, resource } = options
  const found = await grants.token(id, { minTtl, scope, resource, signal: environment.signal })
  refuseSenderConstrained(id, found)
  if (found.stale)
    environment.stderr.write(
      `evertoken: this token of ${id} ends sooner than was asked; there is no better one now\n`,
    )
  if (options.json === true) {
    const body = tokenBody(found, secondsLeft(found, environment.clock.now()))
    environment.stdout.write(`${JSON.stringify(body)}\n`)
  } else {
    environment.stdout.write(`${found.value}\n`)
  }
}

const refusal = (id: string): EvertokenError =>
  new EvertokenError('usage', 'a terminal shows and remembers what is written to it, and this is a secret', {
    grant: id,
    advice: `Pipe it to where it is needed, or say that you want to see it: evertoken token ${id} --show`,
  })

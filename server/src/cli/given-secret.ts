import path from 'node:path'
import { EvertokenError, Secret } from 'evertoken'
import { readKeyFile } from 'evertoken/sqlite'
import type { Environment } from './environment.ts'

/** How a secret was given: in a file (`-` is stdin) or in an environment variable; never as an argument itself. */
export interface GivenSecret {
  /** For messages: `--client-secret`. */
  readonly flag: string
  readonly file?: string | undefined
  readonly variable?: string | undefined
}

/** Reads secrets from where the flags say. Stdin holds one at most. */
export class SecretReader {
  readonly #environment: Environment
  #stdinFor: string | undefined

  constructor(environment: Environment) {
    this.#environment = environment
  }

  /** Undefined when it is not given. */
  async read({ flag, file, variable }: GivenSecret): Promise<Secret | undefined> {
    if (file !== undefined && variable !== undefined)
      throw new EvertokenError('usage', `${flag}-file and ${flag}-env are both given`, {
        advice: 'Keep one of the two.',
      })
    if (variable !== undefined) return this.#fromVariable(variable)
    if (file === undefined) return undefined
    if (file === '-') return this.#fromStdin(flag)
    return readKeyFile(path.resolve(this.#environment.cwd, file))
  }

  #fromVariable(name: string): Secret {
    const value = this.#environment.env[name]
    if (value === undefined)
      throw new EvertokenError(
        'missing_environment_variable',
        `the environment variable ${name} is not set`,
        {
          advice: `Set ${name}, or give the secret in a file.`,
        },
      )
    return sound(value, `the environment variable ${name}`)
  }

  async #fromStdin(flag: string): Promise<Secret> {
    if (this.#stdinFor !== undefined)
      throw new EvertokenError(
        'usage',
        `stdin is asked for two secrets: ${this.#stdinFor}-file and ${flag}-file`,
        {
          advice: 'Put one of them into a file with mode 0600.',
        },
      )
    this.#stdinFor = flag
    const { isTerminal, stdin, signal } = this.#environment
    if (isTerminal.stdin)
      throw new EvertokenError(
        'usage',
        `${flag}-file - reads stdin, which is this terminal and would show the secret`,
        {
          advice: `Leave ${flag}-file away to be asked for it, or pipe it in.`,
        },
      )
    const parts: Buffer[] = []
    for await (const part of stdin) {
      signal.throwIfAborted()
      parts.push(Buffer.from(part as Uint8Array))
    }
    return sound(Buffer.concat(parts).toString('utf8'), 'stdin')
  }
}

function sound(text: string, where: string): Secret {
  const trimmed = text.trim()
  if (trimmed === '')
    throw new EvertokenError('empty_secret', `${where} is empty where a secret should be`, {
      advice: 'See whether what fills it worked.',
    })
  return new Secret(trimmed)
}

import path from 'node:path'
import { ConfigurationError, EvertokenError, Secret } from 'evertoken'
import { readKeyFile } from 'evertoken/sqlite'
import type { Environment } from './environment.ts'
import type { GrantsOptions } from './grants.ts'

/**
 * The API key for a broker: `--key-file FILE`, EVERTOKEN_KEY_FILE or EVERTOKEN_KEY. Never an argument, since
 * everybody on the machine can read those.
 */
export function brokerKey({ keyFile }: GrantsOptions, { env, cwd }: Environment): Secret {
  const file = keyFile ?? (env.EVERTOKEN_KEY_FILE || undefined)
  const key = file === undefined ? env.EVERTOKEN_KEY?.trim() : readKeyFile(path.resolve(cwd, file)).reveal()
  if (key === undefined || key === '')
    throw new EvertokenError('usage', 'a broker wants an API key, and none is given', {
      advice: 'Name a file that holds it: --key-file FILE or EVERTOKEN_KEY_FILE; or set EVERTOKEN_KEY.',
    })
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new ConfigurationError('invalid_configuration', 'the API key has characters that no API key has', {
      file,
      advice: 'It is one line that begins with evt_.',
    })
  return new Secret(key)
}

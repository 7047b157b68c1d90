import { readFileSync } from 'node:fs'
import {
  type PracticeServer,
  type RecordedExchange,
  type Rotation,
  startPracticeServer,
} from '@evertoken/testing'
import { EvertokenError } from 'evertoken'
import type { Environment } from './environment.ts'

/** `evertoken practice-server`; each option as it stands in `--help`. */
export interface PracticeServerFlags {
  /** `--port N`; without it the system chooses. */
  port?: number | undefined
  /** `--rotation NAME` */
  rotation?: Rotation | undefined
  /** `--reuse-window S` */
  reuseWindow?: number | undefined
  /** `--old-token-dies` */
  oldTokenDies?: boolean | undefined
  /** `--dpop-nonce` */
  dpopNonce?: boolean | undefined
  /** `--truth FILE` */
  truth?: string | undefined
  /** `--state FILE` */
  state?: string | undefined
  /** `--recorded FILE` */
  recorded?: string | undefined
  /** `--access-token-lifetime S` */
  accessTokenLifetime?: number | undefined
  json?: boolean | undefined
}

/** The practice authorization server in the foreground, until a signal ends it. */
export async function practiceServer(flags: PracticeServerFlags, environment: Environment): Promise<void> {
  const { signal, stdout } = environment
  await using server = await started(flags)
  stdout.write(flags.json === true ? `${JSON.stringify(description(server))}\n` : text(server))
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}

async function started(flags: PracticeServerFlags): Promise<PracticeServer> {
  try {
    return await startPracticeServer({
      port: flags.port,
      rotation: flags.rotation,
      reuseWindow: flags.reuseWindow,
      oldTokenDies: flags.oldTokenDies,
      dpopNonce: flags.dpopNonce,
      stateFile: flags.state,
      truthFile: flags.truth,
      recorded: flags.recorded === undefined ? undefined : recordedIn(flags.recorded),
      lifetimes: { accessToken: flags.accessTokenLifetime },
    })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new EvertokenError('usage', error.message, {
      cause: error,
      advice: 'evertoken practice-server --help shows what there is.',
    })
  }
}

/** The list in a file; whether it makes sense is for the server to say. */
function recordedIn(file: string): readonly RecordedExchange[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new EvertokenError('usage', `the recorded exchanges in ${file} cannot be read`, { cause: error })
  }
  const list = jsonList(text)
  if (list === undefined)
    throw new EvertokenError('usage', `${file} holds no JSON list of recorded exchanges`, {
      advice: 'docs/testing.md shows one.',
    })
  return list
}

function jsonList(text: string): readonly RecordedExchange[] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

// As documented at startPracticeServer. Everybody knows these secrets: the server guards nothing.
const clients = [
  { client_id: 'practice-service', client_secret: 'practice-service-secret', for: 'client credentials' },
  { client_id: 'practice-app', for: 'a login, public client' },
  { client_id: 'practice-web', client_secret: 'practice-web-secret', for: 'a login' },
]

const description = ({ issuer, port }: PracticeServer): object => ({ issuer, port, clients })

function text({ issuer, tokenEndpoint }: PracticeServer): string {
  const lines = clients.map(
    ({ client_id, client_secret = '(no secret)', for: use }) =>
      `  ${client_id.padEnd(18)}${client_secret.padEnd(25)}${use}`,
  )
  return `practice authorization server at ${issuer}; Ctrl-C ends it

Clients:
${lines.join('\n')}

Example:
  $ curl -u practice-service:practice-service-secret -d grant_type=client_credentials ${tokenEndpoint}
`
}

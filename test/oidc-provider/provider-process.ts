import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { clients, issuerKeys } from './clients.ts'

/** One request to the token endpoint, as the server saw it. Tokens stand as fingerprints. */
export interface TokenRequest {
  /** UTC ms of its arrival. */
  readonly at: number
  /** Milliseconds that the server took. */
  readonly duration: number
  readonly client: string | undefined
  readonly grantType: string | undefined
  /** Which of our processes sent it, as it says itself. */
  readonly sender: string | undefined
  readonly outcome: 'success' | 'error'
  /** The login, known for every success but client credentials, and for some refusals. */
  readonly login: string | undefined
  /** Counts what the login was given: 1 for its code, then one more for each refresh. */
  readonly generation?: number | undefined
  /** The refresh token that came, the one that was given, and the access token. */
  readonly spent?: string | undefined
  readonly issued?: string | undefined
  readonly accessToken?: string | undefined
  readonly error?: string | undefined
  /** What the server tells only its operator. */
  readonly reason?: string | undefined
}

export interface ServerOptions {
  readonly clients: readonly object[]
  readonly jwks: object
  readonly log: string
  /** Seconds that an access token lives. */
  readonly lifetime: number
  /** Whether a proof must hold its nonce. */
  readonly dpopNonce?: boolean | undefined
}

export type Command =
  | { readonly do: 'down' }
  | { readonly do: 'up' }
  | { readonly do: 'revoke'; readonly login: string }

/** RFC 7662 section 2.2, as far as it is looked at here. */
export interface Introspection {
  readonly active: boolean
  readonly client_id?: string
  readonly sub?: string
  readonly scope?: string
  /** UTC seconds. */
  readonly exp?: number
  /** The key that it is bound to (RFC 9449 section 6.2). */
  readonly cnf?: { readonly jkt?: string }
}

export interface OidcProvider extends AsyncDisposable {
  readonly issuer: string
  readonly tokenEndpoint: string
  /** Its log, oldest first. */
  requests(): readonly TokenRequest[]
  introspect(token: string): Promise<Introspection>
  /** Ends a login as an administrator would: the consent and every token of it. */
  revoke(login: string): Promise<void>
  /** Stops listening and breaks every connection; what it knows stays. */
  down(): Promise<void>
  /** Listens again on the same port. */
  up(): Promise<void>
}

/** Starts an oidc-provider, with more clients than there are if given; it ends with this process, however this process ends. */
export async function startOidcProvider({
  lifetime = 3,
  dpopNonce = false,
  more = [] as readonly object[],
} = {}): Promise<OidcProvider> {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-oidc-'))
  const log = join(folder, 'token-requests.jsonl')
  const options: ServerOptions = {
    clients: [...clients, ...more],
    jwks: issuerKeys,
    log,
    lifetime,
    dpopNonce,
  }
  const child = fork(fileURLToPath(import.meta.resolve('./server.ts')), {
    execArgv: ['--conditions=evertoken:source'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, OIDC_PROVIDER_OPTIONS: JSON.stringify(options) },
  })
  const { issuer } = await readyOf(child)
  const gone = once(child, 'exit')
  const tell = async (command: Command): Promise<void> => {
    const done = once(child, 'message')
    child.send(command)
    await done
  }
  return {
    issuer,
    tokenEndpoint: `${issuer}/token`,
    requests: () => (existsSync(log) ? readLines(log) : []),
    introspect: (token) => introspect(issuer, token),
    revoke: (login) => tell({ do: 'revoke', login }),
    down: () => tell({ do: 'down' }),
    up: () => tell({ do: 'up' }),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await gone
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The last line may be half written. */
export const readLines = <T>(file: string): T[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as T)

/** Asks as the resource server would. */
export async function introspect(issuer: string, token: string): Promise<Introspection> {
  const answer = await fetch(`${issuer}/token/introspection`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa('resource-server:resource-server-secret')}` },
    body: new URLSearchParams({ token }),
  })
  if (!answer.ok) throw new Error(`introspection was refused: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Introspection
}

async function readyOf(child: ChildProcess): Promise<{ issuer: string }> {
  let complaint = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-4_000)
  })
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as { issuer: string }))
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      reject(new Error(`oidc-provider did not start (${signal ?? code}): ${complaint}`)),
    )
  })
}

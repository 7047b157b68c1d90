import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** One request to the token endpoint, as the server saw it; tokens and assertions stand as fingerprints. */
export interface TokenRequest {
  readonly grantType: string | null
  readonly outcome: 'success' | 'error'
  readonly error: string | null
  readonly spent: string | null
  readonly issued: string | null
  readonly assertion: string | null
}

export interface AuthlibOptions {
  /** Public JWK of the client `signs`. */
  readonly clientKey: object
  /** JWK by the issuer of the assertions that it verifies. */
  readonly assertionKeys: Readonly<Record<string, object>>
  /** Seconds that an access token lives. */
  readonly lifetime: number
  /** Whether a refresh brings another refresh token. Default true. */
  readonly rotates?: boolean
}

export interface Authlib extends AsyncDisposable {
  readonly issuer: string
  /** Of Authlib. */
  readonly version: string
  readonly tokenEndpoint: string
  /** Oldest first. */
  requests(): readonly TokenRequest[]
  introspect(token: string): Promise<{ active: boolean; client_id?: string; scope?: string }>
  /** Plays a person with a browser: gives where it would be sent back to. */
  consent(authorizationUrl: string): Promise<URL>
}

/** Starts server.py; it ends with this process, however this process ends. */
export async function startAuthlib(
  python: string,
  { clientKey, assertionKeys, lifetime, rotates = true }: AuthlibOptions,
): Promise<Authlib> {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-authlib-'))
  const log = join(folder, 'token-requests.jsonl')
  const options = { lifetime, rotates, log, client_key: clientKey, assertion_keys: assertionKeys }
  const child = spawn(python, [fileURLToPath(import.meta.resolve('./server.py'))], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, AUTHLIB_OPTIONS: JSON.stringify(options), PYTHONDONTWRITEBYTECODE: '1' },
  })
  const gone = once(child, 'exit')
  const { issuer, version } = await readyOf(child)
  return {
    issuer,
    version,
    tokenEndpoint: `${issuer}/token`,
    requests: () =>
      existsSync(log)
        ? readFileSync(log, 'utf8')
            .split('\n')
            .slice(0, -1)
            .map((line) => JSON.parse(line) as TokenRequest)
        : [],
    async introspect(token) {
      const answer = await fetch(`${issuer}/introspect`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa('web:web-secret')}` },
        body: new URLSearchParams({ token }),
      })
      return (await answer.json()) as { active: boolean }
    },
    async consent(authorizationUrl) {
      const form = await fetch(authorizationUrl)
      if (!form.ok) throw new Error(`authlib shows no form: ${form.status} ${await form.text()}`)
      const answer = await fetch(authorizationUrl, {
        method: 'POST',
        redirect: 'manual',
        body: new URLSearchParams({ password: 'alice-password' }),
      })
      return new URL(answer.headers.get('location') ?? '')
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await gone
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function readyOf(child: ChildProcess): Promise<{ issuer: string; version: string }> {
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('authlib has no output')
  let complaint = ''
  stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-4_000)
  })
  return new Promise((resolve, reject) => {
    createInterface({ input: stdout }).once('line', (line) =>
      resolve(JSON.parse(line) as { issuer: string; version: string }),
    )
    child.once('error', reject)
    child.once('close', (code, signal) =>
      reject(new Error(`authlib did not start (${signal ?? code}): ${complaint}`)),
    )
  })
}

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { type PracticeProcess, spawnPracticeServer } from '@evertoken/testing'
import { ConfigurationError, EvertokenError } from 'evertoken'
import type { Environment } from './environment.ts'
import type { ServeOptions } from './options.ts'
import { RefreshLines } from './refresh-lines.ts'
import { serve, shortest, tokenLine, untilStopped } from './serve.ts'
import { configurationFile, portOf, whatToServe } from './served.ts'
import { type Service, startService } from './service.ts'
import { consentLikeABrowser } from './start/browser-consent.ts'
import { practiceSecrets } from './start/practice-secrets.ts'
import { practiceConfiguration, practiceGrants, practiceProvider } from './start/practice-setup.ts'

const defaultPort = 7420
/** How long a practice server of a start before, killed a moment ago, may still hold its port. */
const handOver = 5_000

/** The main job: serves evertoken.yaml where there is one, else a practice set-up that needs nobody's account. */
export async function start(options: ServeOptions, environment: Environment): Promise<void> {
  if (configurationFile(options, environment.cwd) !== undefined) return serve(options, environment)
  const { env, cwd, stdout, signal } = environment
  const say = (line = ''): void => void stdout.write(`${line}\n`)
  const folder = path.resolve(cwd, options.data ?? (env.EVERTOKEN_DATA || '.evertoken'))
  const port = practicePort(options, env.EVERTOKEN_PORT)

  // Asked first: what runs there is most likely this very command, whose practice provider must not be waited for.
  if (await isTaken(port)) throw taken(port, 'Is evertoken running already? Stop it, or choose other ports')

  const secrets = practiceSecrets(folder)
  const state = path.join(folder, 'practice.jsonl')
  const redirectUri = `http://127.0.0.1:${port}/oauth/callback`
  await using provider = await practiceServer(
    practiceProvider(port + 1, state, secrets, redirectUri),
    environment,
  )
  const configuration = path.join(folder, 'practice.yaml')
  const text = practiceConfiguration(`127.0.0.1:${port}`, provider.issuer, secrets)
  writePrivately(configuration, text)
  const served = await whatToServe({ config: configuration, data: folder }, environment)
  await using service = await startService(served, environment)
  const lines = new RefreshLines(service.keeper)
  const { person } = practiceGrants
  await consentOnce(service, person.id)

  const short = (file: string): string => shortest(file, cwd)
  say(
    `evertoken            ${service.url}   keeps three grants alive: ${Object.values(practiceGrants)
      .map(({ id }) => id)
      .join(', ')}`,
  )
  say(`practice provider    ${provider.issuer}   real OAuth 2, strict rotation, a process of its own`)
  say(`data                 ${short(folder)}   (SQLite; the keys are beside it, keep master.key safe)`)
  say(
    `configuration        ${short(configuration)}   copy it to ./evertoken.yaml to keep your own tokens alive`,
  )
  say()
  say('Read a token, from any language:')
  say(`  ${tokenLine(service.url, short(service.readerKey), person.id)}`)
  say()
  say(`Kill it (kill -9 ${process.pid}) and start again: nothing is lost. Ctrl-C ends it.`)
  signal.throwIfAborted()
  await untilStopped(service, lines, environment)
}

/** The broker's port; the practice provider takes the one after it, so there must be one. */
function practicePort({ listen }: ServeOptions, text: string | undefined): number {
  if (listen !== undefined)
    throw new EvertokenError('usage', '--listen is for an evertoken.yaml, and there is none here', {
      advice: 'The practice set-up stays on 127.0.0.1; EVERTOKEN_PORT=8420 chooses its ports, 8420 and 8421.',
    })
  const port = portOf(text) ?? defaultPort
  if (port > 0 && port < 65_535) return port
  throw new ConfigurationError(
    'invalid_configuration',
    `EVERTOKEN_PORT is ${port}, and the practice set-up needs that port and the next`,
    { advice: 'Use a number from 1 to 65534.' },
  )
}

/** Whoever starts again after a kill finds the port taken for a moment, until the old server has seen it. */
async function practiceServer(
  options: Parameters<typeof spawnPracticeServer>[0],
  { clock, signal }: Environment,
): Promise<PracticeProcess> {
  const until = clock.boot() + handOver
  for (;;) {
    try {
      return await spawnPracticeServer(options)
    } catch (cause) {
      const port = options?.port ?? 0
      const practice = await isPracticeServer(port)
      if (practice && clock.boot() < until && !signal.aborted) {
        await clock.sleep(200, { signal })
        continue
      }
      if (practice || (await isTaken(port)))
        throw taken(port, 'Stop what listens there, or choose other ports', cause)
      throw cause
    }
  }
}

const taken = (port: number, what: string, cause?: unknown): EvertokenError =>
  new EvertokenError('port_taken', `port ${port} is taken`, {
    cause,
    advice: `${what}: with EVERTOKEN_PORT=8420 it takes 8420 and 8421.`,
  })

/** Whether anything listens on the port. */
function isTaken(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(port, '127.0.0.1')
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}

async function isPracticeServer(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/practice/health`, {
      signal: AbortSignal.timeout(1000),
    })
    return ((await answer.json()) as { practice?: unknown }).practice === true
  } catch {
    return false
  }
}

/** The first start consents; a later one finds the login it had, unless the provider's state was thrown away. */
async function consentOnce({ keeper, url, adminKey }: Service, id: string): Promise<void> {
  const { state } = await keeper.show(id)
  if (state !== 'pending' && state !== 'reauthorization_required') return
  const { readKeyFile } = await import('evertoken/sqlite')
  const answer = await fetch(`${url}/v1/grants/${id}/connect`, {
    method: 'POST',
    headers: { authorization: `Bearer ${readKeyFile(adminKey).reveal()}` },
  })
  const { connect_url: connectUrl } = (await answer.json()) as { connect_url: string }
  await consentLikeABrowser(connectUrl)
}

/** The file holds the practice secrets. */
function writePrivately(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  writeFileSync(file, text, { mode: 0o600 })
  chmodSync(file, 0o600)
}

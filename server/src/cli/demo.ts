import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { consent, type PracticeProcess, spawnPracticeServer } from '@evertoken/testing'
import { authorizationCode, Keeper } from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'
import { Crew } from './demo/crew.ts'
import { ordinaryLogin } from './demo/ordinary-login.ts'
import type { Report } from './demo/report.ts'
import { countOf } from './demo/server-log.ts'
import type { Environment } from './environment.ts'

/** Seconds. Each half takes at most half a minute, so the whole takes one at most. */
const tokenLife = 4
const ordinaryAtMost = 26
const keptFor = 26
const killsAt = [5, 12, 19]
/** Milliseconds of a provider that is near. */
const latency = 30
const processes = 2

const client = (clientId: string) => ({
  clientId,
  authentication: { method: 'none' as const },
  redirectUris: ['http://127.0.0.1/callback'],
  grantTypes: ['authorization_code' as const, 'refresh_token' as const],
})

/**
 * The same work twice against one server with strict rotation: ordinary processes that lose their login, and processes
 * on evertoken that are killed and go on. The numbers at the end are the server's.
 */
export async function demo(environment: Environment): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'evertoken-demo-'))
  const server = await spawnPracticeServer({
    rotation: 'strict',
    latency,
    lifetimes: { accessToken: tokenLife },
    clients: [client('ordinary'), client('kept')],
  })
  const began = environment.clock.now()
  const say = (text: string): void => {
    const seconds = Math.round((environment.clock.now() - began) / 1000)
    environment.stdout.write(`${String(seconds).padStart(3)} s  ${text}\n`)
  }
  try {
    environment.stdout.write(
      `A practice authorization server: refresh tokens are single use, and one that comes twice ends the login.\nAccess tokens live ${tokenLife} s. ${processes} processes share each login. This takes a minute.\n\nOrdinary processes, each refreshing when it sees that the token has expired:\n`,
    )
    await ordinaryHalf(server, folder, environment, say)
    environment.stdout.write('\nThe same work on evertoken, killed three times:\n')
    await keptHalf(server, folder, environment, say)
    environment.stdout.write(`\n${await verdict(server)}`)
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

type Say = (text: string) => void

const named = (member: number): string => `process ${'ABCDEFGH'[member]}`

async function ordinaryHalf(
  server: PracticeProcess,
  folder: string,
  { clock, signal }: Environment,
  say: Say,
): Promise<void> {
  const file = path.join(folder, 'tokens.json')
  writeFileSync(file, JSON.stringify(await ordinaryLogin(server.issuer, 'ordinary')), { mode: 0o600 })
  const lost = new AbortController()
  const crew = new Crew('ordinary', processes, [server.issuer, 'ordinary', file], (member, report) => {
    if (report.kind === 'refreshed') say(`${named(member)} refreshed`)
    if (report.kind === 'refused' && !lost.signal.aborted) {
      say(`${named(member)} was refused: ${report.error}. It had sent the token the other had just used.`)
      say('The login is lost. A person has to log in again.')
      lost.abort()
    }
  })
  try {
    await clock.sleep(ordinaryAtMost * 1000, { signal: AbortSignal.any([signal, lost.signal]) })
    signal.throwIfAborted()
    // Long enough for the other process to find out too.
    if (lost.signal.aborted) await clock.sleep(1000, { signal })
    else say('They were lucky this time: no two of them refreshed at the same instant.')
  } finally {
    await crew.stop()
  }
}

async function keptHalf(
  server: PracticeProcess,
  folder: string,
  { clock, signal }: Environment,
  say: Say,
): Promise<void> {
  const file = path.join(folder, 'tokens.db')
  await login(server, file)
  const crew = new Crew('kept', processes, [server.issuer, 'person', file], (member, report: Report) => {
    if (report.kind === 'refreshed') say(`${named(member)} refreshed; all of them have the new token`)
    if (report.kind === 'refused') say(`${named(member)}: ${report.error}`)
  })
  try {
    let now = 0
    for (const at of [...killsAt, keptFor]) {
      await clock.sleep((at - now) * 1000, { signal })
      signal.throwIfAborted()
      now = at
      if (at === keptFor) break
      const member = Math.floor(Math.random() * processes)
      const pid = await crew.kill(member)
      say(`${named(member)} killed with SIGKILL (pid ${pid}); another takes its place`)
    }
  } finally {
    await crew.stop()
  }
}

async function login(server: PracticeProcess, file: string): Promise<void> {
  await using keeper = await Keeper.open({ store: sqliteStore(file) })
  await keeper.add('person', authorizationCode({ issuer: server.issuer, clientId: 'kept' }))
  const { url } = await keeper.beginConsent('person', { redirectUri: 'http://127.0.0.1/callback' })
  await keeper.finishConsent(new URL(await consent(url)))
}

async function verdict(server: PracticeProcess): Promise<string> {
  const requests = await server.requests()
  const columns = [countOf(requests, 'ordinary'), countOf(requests, 'kept')] as const
  const row = (what: string, cells: readonly unknown[]): string =>
    `  ${what.padEnd(34)}${cells.map((cell) => String(cell).padStart(12)).join('')}\n`
  return [
    "From the server's own log:\n",
    row('', ['ordinary', 'evertoken']),
    row('processes', [processes, processes]),
    row('killed with SIGKILL', [0, killsAt.length]),
    row(
      'refreshes that brought a token',
      columns.map(({ issued }) => issued),
    ),
    row(
      'refreshes that were refused',
      columns.map(({ refused }) => refused),
    ),
    row(
      'API calls that went through',
      columns.map(({ accepted }) => accepted),
    ),
    row(
      'login at the end',
      columns.map(({ alive }) => (alive ? 'alive' : 'lost')),
    ),
    columns[1].alive
      ? ''
      : `\nThe kill came in the ${latency} ms between the request and its answer: with strict rotation an answer that nobody\nreceived cannot be had again. evertoken says so (reauthorization_required) instead of guessing.\n`,
  ].join('')
}

import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  consent,
  fingerprint,
  historyOf,
  judgeLogin,
  type LoginHistory,
  type LoginVerdict,
  type LossEvidence,
  loginHistories,
  type PracticeServer,
  type PracticeServerOptions,
  type Rotation,
  refreshRequests,
  startPracticeServer,
} from '@evertoken/testing'
import { Keeper, type KeeperOptions, nodeTransport, type ReplayClass, refreshToken, Worker } from 'evertoken'
import { postgresStore } from 'evertoken/postgres'
import { sqliteStore } from 'evertoken/sqlite'
import { onTestFinished } from 'vitest'
import { type PostgresServer, query } from '../postgres/server.ts'
import { FileClock } from './file-clock.ts'
import { FaultProcess, type FaultTask, type ProcessOptions, type Stop, type StorePlace } from './processes.ts'

export const second = 1_000
export const minute = 60 * second
export const hour = 60 * minute

/** What the practice server calls each class. */
const rotationOf: Record<ReplayClass, Rotation> = {
  strict: 'strict',
  idempotent: 'idempotent',
  last_child_wins: 'last_child_wins',
  fork: 'fork',
  non_rotating: 'none',
}

const windowed = (replayClass: ReplayClass): boolean =>
  replayClass === 'idempotent' || replayClass === 'last_child_wins' || replayClass === 'fork'

/** Whether it is asked, and how, if a refresh token is alive. */
export type Probe = 'introspection' | 'canary' | 'none'

export interface WorldOptions {
  readonly replayClass?: ReplayClass | undefined
  readonly probe?: Probe | undefined
  /** A database, where the store is PostgreSQL; else a SQLite file. */
  readonly postgres?: Pick<PostgresServer, 'createDatabase'> | undefined
  readonly practice?: PracticeServerOptions | undefined
  readonly timing?: KeeperOptions['timing']
  /** Lifetime of access tokens, in seconds. Default: an hour. */
  readonly lifetime?: number | undefined
}

export type World = Awaited<ReturnType<typeof newWorld>>

/**
 * A store, a practice server, and the clock that they share. Times are those of production: an access token lives an hour,
 * is refreshed from its last 12 to 15 minutes on, and its mandatory window has five; the reuse window has 30 seconds.
 */
export async function newWorld({
  replayClass = 'strict',
  probe = 'none',
  postgres,
  practice,
  timing,
  lifetime = 3600,
}: WorldOptions = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'evertoken-faults-'))
  // PostgreSQL, which runs as somebody else, reads the clock there.
  chmodSync(folder, 0o755)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const clockFile = path.join(folder, 'clock')
  const clock = FileClock.create(clockFile)
  const server = await startPracticeServer({
    rotation: rotationOf[replayClass],
    oldTokenDies: probe === 'canary',
    now: clock.now,
    ...practice,
    lifetimes: { accessToken: lifetime, ...practice?.lifetimes },
  })
  onTestFinished(() => server.stop())
  const keyFile = path.join(folder, 'master.key')

  const url = await postgres?.createDatabase()
  if (url !== undefined) {
    const keys = [{ id: 'k1', file: keyFile }]
    const first = await postgresStore({ url, folder: path.join(folder, 'a'), keys, listen: false }).open()
    await first.close()
    await query(url, onClock(clockFile))
  }

  /** Where a host finds the store. Hosts have a spool of their own, and on PostgreSQL a copy of the key. */
  const place = (host: string): StorePlace => {
    if (url === undefined)
      return { kind: 'sqlite', file: path.join(folder, 'tokens.db'), spool: path.join(folder, host, 'spool') }
    return { kind: 'postgres', url, folder: path.join(folder, host) }
  }
  /** A keeper in this process, on a host; it is closed with the test. */
  const open = async (host = 'a', options: Partial<KeeperOptions> = {}): Promise<Keeper> => {
    const where = place(host)
    const keys = [{ id: 'k1', file: keyFile }]
    const store =
      where.kind === 'sqlite'
        ? sqliteStore(where.file, { spool: where.spool, keys, clock })
        : postgresStore({ url: where.url, folder: where.folder, clock, keys })
    const wire = nodeTransport()
    const keeper = await Keeper.open({ store, transport: wire, clock, timing, ...options })
    onTestFinished(async () => {
      await keeper.close()
      wire.close()
    })
    return keeper
  }

  let processes = 0
  /** A process of its own, on a host. */
  const start = async (
    options: {
      host?: string
      /** Another store than that of everybody. */
      store?: StorePlace
      stop?: Stop
      utcOffset?: number
      timing?: FaultTask['timing']
    } & ProcessOptions = {},
  ): Promise<FaultProcess> => {
    const { host = 'a', stop, utcOffset, node, wrapped } = options
    processes += 1
    const child = new FaultProcess(
      {
        name: `${host}-${processes}`,
        clockFile,
        utcOffset,
        stop,
        store: options.store ?? place(host),
        keyFile,
        timing: { ...timing, ...options.timing },
      },
      { node, wrapped },
    )
    await child.ready()
    return child
  }

  const logins = new Map<string, { readonly first: string; readonly done: number }>()

  const history = (id: string): LoginHistory =>
    historyOf(loginHistories(server.truth), logins.get(id)?.first ?? '') as LoginHistory

  return {
    folder,
    clock,
    server,
    url,
    place,
    open,
    start,
    pass: (ms: number): void => clock.pass(ms),
    history,

    /** A login with its first access token; what counts begins afterwards. */
    async login(
      keeper: Keeper,
      id: string,
      change: Partial<Parameters<typeof refreshToken>[0]> = {},
    ): Promise<void> {
      const token = await newRefreshToken(server, id)
      await keeper.add(
        id,
        refreshToken({
          issuer: server.issuer,
          clientId: 'practice-app',
          refreshToken: token,
          replayClass,
          reuseWindow: windowed(replayClass) ? (practice?.reuseWindow ?? 30) : undefined,
          introspection: probe === 'introspection',
          oldTokenDies: probe === 'canary',
          canary: probe === 'canary' ? `${server.issuer}/api/whoami` : undefined,
          // As with the others; without it, it would be due only in the mandatory window.
          refreshBefore: probe === 'canary' ? 720 : undefined,
          ...change,
        }),
      )
      await keeper.getToken(id)
      logins.set(id, { first: fingerprint(token), done: 0 })
      logins.set(id, { first: fingerprint(token), done: refreshRequests(history(id)).length })
    },

    /** Refresh requests of a login that the server has seen since then. */
    sends: (id: string) => refreshRequests(history(id)).slice(logins.get(id)?.done),

    /** What became of a login, by what the server knows and by what this keeper has of it. */
    async verdict(keeper: Keeper, id: string, evidence: Partial<LossEvidence> = {}): Promise<LoginVerdict> {
      return judgeLogin(history(id), {
        rotation: rotationOf[replayClass],
        reuseWindow: practice?.reuseWindow,
        held: await heldBy(keeper, id),
        ...evidence,
      })
    },
  }
}

/** PostgreSQL's own clock moves with everybody's. */
const onClock = (clockFile: string): string => `CREATE OR REPLACE FUNCTION evertoken.et_now() RETURNS bigint
  LANGUAGE sql VOLATILE AS $$
  SELECT (extract(epoch FROM clock_timestamp()) * 1000 + pg_read_file('${clockFile}')::float8)::bigint $$`

/** Fingerprints, as the practice server has them, of the refresh tokens that are in the row of a grant. */
export async function heldBy({ store }: Keeper, id: string): Promise<readonly string[]> {
  const record = await store.read(id)
  if (record === undefined) return []
  const all = [
    record.refreshToken,
    record.previousRefreshToken,
    ...record.candidates.map((candidate) => candidate.refreshToken),
  ]
  return all.flatMap((token) =>
    token === undefined
      ? []
      : [fingerprint(store.seal.open(token.sealed, { grant: id, field: 'refresh_token' }))],
  )
}

/** Does once what a worker does: whatever is due now. */
export async function workOnce(keeper: Keeper): Promise<number> {
  await using worker = new Worker(keeper)
  return worker.once()
}

const redirectUri = 'http://127.0.0.1:49152/callback'
const verifier = 'v'.repeat(43)

/** The refresh token of a login that somebody has just made, with the practice server's public client. */
async function newRefreshToken(
  { issuer }: Pick<PracticeServer, 'issuer'>,
  subject: string,
  scope = 'read write',
): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  const parameters = {
    response_type: 'code',
    client_id: 'practice-app',
    redirect_uri: redirectUri,
    scope,
    state: 'state',
    code_challenge: Buffer.from(digest).toString('base64url'),
    code_challenge_method: 'S256',
  }
  const callback = await consent(`${issuer}/authorize?${new URLSearchParams(parameters)}`, { subject })
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: 'practice-app',
      code: new URL(callback).searchParams.get('code') ?? '',
      redirect_uri: redirectUri,
      code_verifier: verifier,
    }),
  })
  const { refresh_token } = (await answer.json()) as { refresh_token: string }
  return refresh_token
}

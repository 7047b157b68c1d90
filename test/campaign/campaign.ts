import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fingerprint, readTruthFile } from '@evertoken/testing'
import { EvertokenError, refreshToken } from 'evertoken'
import { newMasterKey, writeKeyFile } from 'evertoken/sqlite'
import { canariesOf, searchSecrets, tokenCanaries } from './canaries.ts'
import { Dice } from './dice.ts'
import { type CampaignEvent, EventWriter, readEvents, type SeenEvent } from './event-file.ts'
import { drawFault } from './fault-plan.ts'
import { type Row, rowOf } from './findings-table.ts'
import { Fleet } from './fleet.ts'
import { buildKeeperProgram } from './keeper-program.ts'
import { type HeldLogin, Observer } from './observer.ts'
import { logIn, type Provider, startProvider } from './provider.ts'
import { lifetimeOptions, type ProviderClass } from './provider-class.ts'
import { type Findings, type Records, reconcile } from './reconciliation.ts'
import type { Scale } from './scale.ts'
import type { StorePlace } from './store-place.ts'

export interface CampaignOptions {
  readonly class: ProviderClass
  readonly kills: number
  readonly faults: number
  readonly seed: number
  readonly scale: Scale
  /** Logins that live at the same time; one that is over is replaced. */
  readonly logins: number
  readonly hosts: number
  readonly perHost: number
  /** An empty folder: everything that a run leaves stands there. */
  readonly folder: string
  /** An empty database; undefined for a SQLite file in the folder. */
  readonly postgres?: string | undefined
  /** Told of the state of things, every few seconds. */
  readonly progress: (line: string) => void
}

export interface CampaignResult {
  readonly row: Row
  readonly findings: Findings
  readonly records: Records
}

/** Runs one class of provider on one store, from the first login to the reckoning. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const run = await Run.begin(options)
  try {
    await run.quiet()
    await run.storm()
    await run.calm()
    return await run.reckon()
  } finally {
    await run.end()
  }
}

const folders = ['key', 'store', 'output', 'operator'] as const

class Run {
  readonly #options: CampaignOptions
  readonly #provider: Provider
  readonly #observer: Observer
  readonly #fleet: Fleet
  readonly #key: string
  readonly #writer: EventWriter<CampaignEvent>
  readonly #events: CampaignEvent[] = []
  /** Logins that are neither over nor being ended, by the client whose they are. */
  readonly #living = new Map<string, number>()
  readonly #began = Date.now()
  #count = 0
  #lastNotice = 0
  #posted = 0

  private constructor(
    options: CampaignOptions,
    provider: Provider,
    writer: EventWriter<CampaignEvent>,
    key: string,
    make: { fleet: (run: () => Run) => Fleet; observer: Observer },
  ) {
    this.#options = options
    this.#provider = provider
    this.#writer = writer
    this.#key = key
    this.#fleet = make.fleet(() => this)
    this.#observer = make.observer
  }

  static async begin(options: CampaignOptions): Promise<Run> {
    const { folder, scale, postgres } = options
    for (const name of folders) mkdirSync(path.join(folder, name), { recursive: true })
    const key = newMasterKey()
    const keyFile = path.join(folder, 'key', 'master.key')
    writeKeyFile(keyFile, key)
    const place: StorePlace =
      postgres === undefined
        ? { kind: 'sqlite', file: path.join(folder, 'store', 'tokens.db'), key: keyFile }
        : { kind: 'postgres', url: postgres, key: keyFile, lease: scale.timing.lease }
    const program = await buildKeeperProgram(path.join(folder, 'program'))
    const provider = await startProvider(options.class, scale, folder, options.seed, options.logins)
    const hosts = Array.from({ length: options.hosts }, (_, index) => String.fromCharCode(97 + index))
    const observer = await Observer.open(
      place,
      path.join(folder, 'operator'),
      new Map(hosts.map((host) => [host, path.join(folder, `host-${host}`)])),
    )
    const writer = new EventWriter<CampaignEvent>(path.join(folder, 'campaign.jsonl'))
    return new Run(options, provider, writer, key.reveal(), {
      observer,
      fleet: (run) =>
        new Fleet({
          hosts: options.hosts,
          perHost: options.perHost,
          place,
          folder,
          program,
          scale,
          spools: options.class !== 'non_rotating',
          seed: options.seed,
          record: (event) => run().#record(event),
          onDeath: (host) => run().#lookIntoSpool(host),
        }),
    })
  }

  /** Without faults every login is refreshed at least once by its time: for that exactly one request each is sent. */
  async quiet(): Promise<void> {
    const { logins, scale } = this.#options
    this.#record({ type: 'phase', at: Date.now(), phase: 'quiet' })
    await this.#fleet.start()
    // Spread over the time between two refreshes: all at once would be a fault of its own.
    const pause = (scale.refreshBefore * 1000) / logins
    while (this.#living.size < logins) {
      await this.#addLogin()
      await sleep(pause)
    }
    await this.#until('quiet', 3 * scale.accessToken * 1000, (all) =>
      all.every(({ generation }) => generation >= 2),
    )
  }

  async storm(): Promise<void> {
    const { kills, faults, seed, scale } = this.#options
    const dice = new Dice(seed, 'faults')
    this.#record({ type: 'phase', at: Date.now(), phase: 'storm' })
    this.#fleet.setStorm(true)
    const began = Date.now()
    // A quarter of the requests at most meets a fault: half of a token's life passes from one refresh to the next.
    const everyMs = (scale.refreshBefore * 1000) / this.#options.logins / 0.25
    let nextRevocation = 0
    let nextReading = 0
    for (let told = 0; this.#fleet.kills < kills || this.#posted < faults; ) {
      await sleep(25)
      const gone = Date.now() - began
      const share = kills === 0 ? 1 : Math.min(1, (this.#fleet.kills + 20) / kills)
      while (this.#posted < Math.min(faults * share, gone / everyMs)) await this.#fault(dice)
      if (this.#fleet.kills >= kills) this.#fleet.setStorm(false)
      if (gone > nextRevocation) {
        this.#revokeOne(dice)
        nextRevocation = gone + scale.timing.lease * 5
      }
      if (gone > nextReading) {
        await this.#readNotices()
        nextReading = gone + 250
      }
      while (this.#living.size < this.#options.logins) await this.#addLogin()
      if (gone - told < 5_000) continue
      told = gone
      this.#tell(
        `storm  ${this.#fleet.kills}/${kills} kills  ${this.#posted}/${faults} faults  ${this.#count} logins`,
      )
    }
  }

  /** Nothing goes wrong any more: every login that lives must be refreshed once more. */
  async calm(): Promise<void> {
    await this.#provider.server.clearFaults()
    this.#fleet.setStorm(false)
    const since = Date.now()
    this.#record({ type: 'phase', at: since, phase: 'calm' })
    await this.#until('calm', this.#options.scale.calm, (all) =>
      all.every(
        ({ state, refreshedAt = 0, unresolved }) =>
          state === 'reauthorization_required' ||
          state === 'revoked' ||
          (state === 'active' && unresolved === 0 && refreshedAt > since),
      ),
    )
  }

  async reckon(): Promise<CampaignResult> {
    const { folder, seed, scale, postgres } = this.#options
    await this.#fleet.stop()
    await this.#readNotices()
    this.#record({ type: 'phase', at: Date.now(), phase: 'end' })
    const logins = await patiently(() => this.#observer.logins())
    writeFileSync(path.join(folder, 'logins.json'), JSON.stringify(logins))
    const store = postgres === undefined ? 'sqlite' : 'postgres'
    const records: Records = {
      name: this.#options.class,
      store,
      scale,
      truth: readTruthFile(this.#provider.truthFile),
      campaign: this.#events,
      seen: seenIn(folder),
      logins,
    }
    const findings = reconcile(records)
    const row = rowOf(
      {
        contender: 'evertoken',
        class: this.#options.class,
        store,
        seed,
        kills: this.#fleet.kills,
        stops: this.#fleet.stops,
        faults: (await this.#provider.server.requests()).filter(({ fault }) => fault !== undefined).length,
        secrets: this.#searchSecrets(),
        crashes: this.#fleet.crashes,
        killsAt: killsByPoint(records),
        seconds: Math.round((Date.now() - this.#began) / 1000),
      },
      findings,
    )
    return { row, findings, records }
  }

  async end(): Promise<void> {
    await this.#fleet.stop()
    await this.#observer.close()
    await this.#provider.server.stop()
    this.#writer.close()
  }

  #record(event: CampaignEvent): void {
    this.#events.push(event)
    this.#writer.write(event)
  }

  #tell(line: string): void {
    const seconds = Math.round((Date.now() - this.#began) / 1000)
    this.#options.progress(`${String(seconds).padStart(5)} s  ${line}`)
  }

  async #addLogin(): Promise<void> {
    const { scale } = this.#options
    const grant = `login-${this.#count}`
    const { clients, server } = this.#provider
    const client = clients[this.#count % clients.length] as (typeof clients)[number]
    this.#count += 1
    const tokens = await logIn(this.#provider, client, grant)
    this.#record({ type: 'added', at: Date.now(), grant, refreshToken: fingerprint(tokens.refreshToken) })
    const definition = refreshToken({
      tokenUrl: server.tokenEndpoint,
      introspectionUrl: `${server.issuer}/introspect`,
      revocationUrl: `${server.issuer}/revoke`,
      clientId: client.clientId,
      clientSecret: client.clientSecret,
      clientAuthentication: 'client_secret_post',
      refreshToken: tokens.refreshToken,
      refreshBefore: scale.refreshBefore,
      ...lifetimeOptions(this.#options.class, scale.reuseWindow),
    })
    await patiently(() => this.#observer.keeper.add(grant, definition))
    this.#living.set(grant, Date.now())
    this.#fleet.setGrants([...this.#living.keys()])
  }

  async #fault(dice: Dice): Promise<void> {
    const fault = drawFault(dice, this.#options.class, this.#options.scale)
    this.#posted += 1
    await this.#provider.server.fault(fault)
    this.#record({ type: 'fault', at: Date.now(), fault: JSON.stringify(fault) })
  }

  #revokeOne(dice: Dice): void {
    const grant = dice.pick([...this.#living.keys()])
    if (!this.#fleet.revoke(grant, dice)) return
    this.#living.delete(grant)
    this.#record({ type: 'revoking', at: Date.now(), grant })
  }

  async #readNotices(): Promise<void> {
    for (;;) {
      const notices = await patiently(() => this.#observer.keeper.notices({ after: this.#lastNotice }))
      for (const { grant, kind, at, number } of notices) {
        this.#lastNotice = Math.max(this.#lastNotice, number)
        this.#record({ type: 'notice', at, grant, kind })
        if (kind === 'reauthorization_required') this.#living.delete(grant)
      }
      if (notices.length === 0) return
    }
  }

  async #lookIntoSpool(host: string): Promise<void> {
    const spooled = await patiently(async () => this.#observer.spooled(host))
    for (const { grant, refreshToken: token } of spooled)
      this.#record({ type: 'spooled', at: Date.now(), grant, refreshToken: token })
  }

  /** Waits until all logins are as they should be, or as long as is bearable: the reckoning tells which are not. */
  async #until(
    phase: string,
    longest: number,
    isDone: (logins: readonly HeldLogin[]) => boolean,
  ): Promise<void> {
    const until = Date.now() + longest
    for (;;) {
      const logins = await patiently(() => this.#observer.logins())
      await this.#readNotices()
      if (isDone(logins)) return
      if (Date.now() > until) {
        this.#tell(`${phase}: not every login came to rest`)
        return
      }
      this.#tell(`${phase}  ${logins.length} logins`)
      await sleep(2_000)
    }
  }

  /** In everything that the processes printed and stored. The key file and the provider's own files are secret by right. */
  #searchSecrets(): readonly string[] {
    const canaries = [
      ...tokenCanaries,
      ...canariesOf('master key', this.#key),
      { name: 'bytes of the master key', bytes: Buffer.from(this.#key, 'base64url') },
      ...this.#provider.clients.flatMap(({ clientId, clientSecret }) =>
        canariesOf(`secret of ${clientId}`, clientSecret),
      ),
    ]
    const { folder } = this.#options
    const searched = readdirSync(folder).filter((name) => /^(store|operator|output|host-)/.test(name))
    return searched.flatMap((name) => searchSecrets(path.join(folder, name), canaries))
  }
}

/** A process that was stopped in the middle of a transaction keeps everybody from a SQLite file until it goes on. */
async function patiently<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let left = 20; ; left -= 1)
    try {
      return await work()
    } catch (error) {
      if (left === 0 || !(error instanceof EvertokenError) || error.code !== 'store_unavailable') throw error
      await sleep(500)
    }
}

/** The point that a process wrote down last; `outside` where it wrote none. */
function killsByPoint({ campaign, seen }: Records): Record<string, number> {
  const points = new Map(seen.flatMap((event) => (event.type === 'die' ? [[event.sender, event.point]] : [])))
  const counts: Record<string, number> = {}
  for (const event of campaign) {
    if (event.type !== 'killed') continue
    const point = points.get(event.sender) ?? 'outside'
    counts[point] = (counts[point] ?? 0) + 1
  }
  return counts
}

/** What the processes wrote down, of all together in order of time. */
export function seenIn(folder: string): SeenEvent[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith('events-'))
    .flatMap((name) => readEvents<SeenEvent>(path.join(folder, name)))
    .sort((a, b) => a.at - b.at)
}

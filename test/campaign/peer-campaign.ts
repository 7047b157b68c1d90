import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fingerprint, readTruthFile } from '@evertoken/testing'
import { Dice } from './dice.ts'
import type { CampaignEvent, SeenEvent } from './event-file.ts'
import { drawFault } from './fault-plan.ts'
import { type Row, rowOf } from './findings-table.ts'
import type { HeldLogin } from './observer.ts'
import { writeLogin } from './peers/login-file.ts'
import { heldRefreshTokens, type Peer, PeerProcess } from './peers/peer-process.ts'
import { logIn, type Provider, startProvider } from './provider.ts'
import type { ProviderClass } from './provider-class.ts'
import { type Findings, reconcile } from './reconciliation.ts'
import type { Scale } from './scale.ts'

export interface PeerCampaignOptions {
  readonly peer: Peer
  readonly class: ProviderClass
  readonly kills: number
  readonly faults: number
  readonly seed: number
  readonly scale: Scale
  /** Logins at the same time, and processes that share each. */
  readonly logins: number
  readonly perLogin: number
  readonly folder: string
  readonly progress: (line: string) => void
}

/** A login of a peer, with the file in which its processes keep it. */
interface PeerLogin {
  readonly grant: string
  readonly file: string
  /** UTC ms. */
  readonly since: number
  /** All processes it ever had, the dead as well. */
  readonly processes: PeerProcess[]
  isOver: boolean
}

/** Seconds: a few processes refresh about as often as ours do for many logins. */
const lifetime = 4

/** The same faults, kills and stops from outside, and reckoning, for an ordinary way of keeping logins. */
export async function runPeerCampaign(
  options: PeerCampaignOptions,
): Promise<{ readonly row: Row; readonly findings: Findings }> {
  const run = await PeerRun.begin(options)
  try {
    return await run.run()
  } finally {
    await run.end()
  }
}

class PeerRun {
  readonly #options: PeerCampaignOptions
  readonly #provider: Provider
  readonly #events: CampaignEvent[] = []
  readonly #logins: PeerLogin[] = []
  readonly #slots: Promise<void>[] = []
  readonly #began = Date.now()
  #phase: 'quiet' | 'storm' | 'calm' | 'end' = 'quiet'
  #kills = 0
  #stops = 0
  #posted = 0

  private constructor(options: PeerCampaignOptions, provider: Provider) {
    this.#options = options
    this.#provider = provider
  }

  static async begin(options: PeerCampaignOptions): Promise<PeerRun> {
    mkdirSync(path.join(options.folder, 'logins'), { recursive: true })
    const { reuseWindow } = options.scale
    const provider = await startProvider(
      options.class,
      { accessToken: lifetime, reuseWindow },
      options.folder,
      options.seed,
      options.logins,
    )
    return new PeerRun(options, provider)
  }

  async run(): Promise<{ readonly row: Row; readonly findings: Findings }> {
    const { kills, faults, seed, logins, perLogin } = this.#options
    this.#enter('quiet')
    for (let index = 0; index < logins; index += 1) {
      let login = await this.#newLogin()
      for (let process = 0; process < perLogin; process += 1) {
        const dice = new Dice(seed, 'peers', index, process)
        this.#slots.push(this.#live(() => login, `${index}-${process}`, dice))
      }
      this.#slots.push(
        (async () => {
          while (this.#phase !== 'end') {
            await sleep(200)
            if (this.#phase !== 'calm' && this.#isDead(login)) login = await this.#replaced(login)
          }
        })(),
      )
    }
    await sleep(lifetime * 2_000)
    this.#enter('storm')
    const dice = new Dice(seed, 'faults')
    const everyMs = (lifetime * 500) / logins / 0.25
    const began = Date.now()
    for (let told = 0; this.#kills < kills || this.#posted < faults; ) {
      await sleep(25)
      const gone = Date.now() - began
      const share = kills === 0 ? 1 : Math.min(1, (this.#kills + 20) / kills)
      while (this.#posted < Math.min(faults * share, gone / everyMs)) {
        await this.#provider.server.fault(drawFault(dice, this.#options.class, this.#options.scale))
        this.#posted += 1
      }
      if (gone - told < 5_000) continue
      told = gone
      const line = `storm  ${this.#kills}/${kills} kills  ${this.#posted}/${faults} faults  ${this.#logins.length} logins`
      this.#options.progress(`${Math.round((Date.now() - this.#began) / 1000)} s  ${line}`)
    }
    await this.#provider.server.clearFaults()
    this.#enter('calm')
    await sleep(lifetime * 3_000)
    return this.#reckon()
  }

  async end(): Promise<void> {
    this.#phase = 'end'
    for (const { processes } of this.#logins) for (const process of processes) process.thaw()
    await Promise.all(this.#logins.flatMap(({ processes }) => processes.map((process) => process.stop())))
    await Promise.all(this.#slots)
    await this.#provider.server.stop()
  }

  #enter(phase: 'quiet' | 'storm' | 'calm' | 'end'): void {
    this.#phase = phase
    this.#events.push({ type: 'phase', at: Date.now(), phase })
  }

  async #newLogin(): Promise<PeerLogin> {
    const grant = `login-${this.#logins.length}`
    const client = this.#provider.clients[0] as Provider['clients'][number]
    const tokens = await logIn(this.#provider, client, grant)
    const file = path.join(this.#options.folder, 'logins', `${grant}.json`)
    writeLogin(file, {
      access_token: tokens.accessToken,
      refresh_token: tokens.refreshToken,
      expires_at: Date.now() / 1000 + tokens.expiresIn,
    })
    const login = { grant, file, since: Date.now(), processes: [], isOver: false }
    this.#logins.push(login)
    this.#events.push({
      type: 'added',
      at: login.since,
      grant,
      refreshToken: fingerprint(tokens.refreshToken),
    })
    return login
  }

  /** Nobody has got through to the API with it for two lifetimes of a token. */
  #isDead({ processes, since }: PeerLogin): boolean {
    const calls = processes.flatMap(({ lines }) =>
      lines.filter((line) => line.type === 'call' && line.status === 200),
    )
    const last = Math.max(since, ...calls.map(({ at }) => at))
    return Date.now() - last > lifetime * 2_000
  }

  async #replaced(login: PeerLogin): Promise<PeerLogin> {
    login.isOver = true
    for (const process of login.processes) process.thaw()
    await Promise.all(login.processes.map((process) => process.stop()))
    return this.#newLogin()
  }

  /** One process after the other in one place, on whatever login is there. */
  async #live(present: () => PeerLogin, place: string, dice: Dice): Promise<void> {
    const { peer, scale } = this.#options
    const { clientId, clientSecret } = this.#provider.clients[0] as Provider['clients'][number]
    const { deadline } = scale.timing
    for (let life = 1; this.#phase !== 'end'; life += 1) {
      const login = present()
      if (login.isOver) {
        await sleep(50)
        continue
      }
      const process = new PeerProcess(peer, {
        name: `${place}.${life}`,
        tokenUrl: this.#provider.server.tokenEndpoint,
        resourceUrl: `${this.#provider.server.issuer}/api/whoami`,
        clientId,
        clientSecret,
        file: login.file,
        refreshBefore: lifetime / 2,
        deadline,
        interval: 50,
        // As 10 s are to a patience of 15 s.
        stale: Math.round((deadline * 2) / 3),
      })
      login.processes.push(process)
      let isGone = false
      const gone = process.gone.then(() => {
        isGone = true
      })
      while (!isGone) {
        if (this.#phase !== 'storm') {
          await Promise.race([sleep(100), gone])
          continue
        }
        await Promise.race([sleep(dice.whole(0, 2 * scale.life)), gone])
        if (!isGone && this.#mayStrike() && !login.isOver)
          await (dice.next() < 0.1 ? this.#freeze(process) : this.#kill(process))
      }
    }
  }

  /** Kills keep step with faults, so that neither comes alone. */
  #mayStrike(): boolean {
    const { kills, faults } = this.#options
    const share = faults === 0 ? 1 : Math.min(1, (this.#posted + 5) / faults)
    return this.#phase === 'storm' && this.#kills < kills * share
  }

  async #kill(process: PeerProcess): Promise<void> {
    this.#events.push({ type: 'killed', at: Date.now(), sender: process.name })
    this.#kills += 1
    await process.kill()
  }

  async #freeze(process: PeerProcess): Promise<void> {
    const at = Date.now()
    process.freeze()
    await sleep(2 * this.#options.scale.timing.lease)
    process.thaw()
    this.#stops += 1
    this.#events.push({ type: 'stopped', at, until: Date.now(), sender: process.name, point: 'outside' })
  }

  async #reckon(): Promise<{ readonly row: Row; readonly findings: Findings }> {
    const { name, ...facts } = { name: this.#options.peer, seed: this.#options.seed }
    this.#phase = 'end'
    await Promise.all(this.#logins.flatMap(({ processes }) => processes.map((process) => process.stop())))
    this.#events.push({ type: 'phase', at: Date.now(), phase: 'end' })
    const findings = reconcile({
      name: this.#options.class,
      store: 'file',
      scale: this.#options.scale,
      truth: readTruthFile(this.#provider.truthFile),
      campaign: this.#events,
      seen: this.#logins.flatMap(seenBy),
      logins: this.#logins.map(heldOf),
    })
    const met = (await this.#provider.server.requests()).filter(({ fault }) => fault !== undefined)
    const row = rowOf(
      {
        ...facts,
        contender: `${name} x${this.#options.perLogin}`,
        class: this.#options.class,
        store: 'file',
        kills: this.#kills,
        stops: this.#stops,
        faults: met.length,
        secrets: [],
        crashes: [],
        killsAt: { outside: this.#kills },
        seconds: Math.round((Date.now() - this.#began) / 1000),
      },
      findings,
    )
    return { row, findings }
  }
}

/** A peer holds what stands in its file, and has held what it said it had written there. */
function heldOf({ grant, file, processes }: PeerLogin): HeldLogin {
  const kept = processes.flatMap(({ lines }) => lines.filter((line) => line.type === 'holds'))
  return {
    grant,
    state: 'active',
    generation: kept.length,
    refreshedAt: Math.max(0, ...kept.map(({ at }) => at)),
    held: heldRefreshTokens(file),
    kept: kept.map(({ refreshToken }) => refreshToken),
    unresolved: 0,
  }
}

/** Every call of the API is a token that was served. */
function seenBy({ grant, processes }: PeerLogin): readonly SeenEvent[] {
  return processes.flatMap(({ name: sender, lines }) =>
    lines.flatMap((line): SeenEvent[] => {
      const { at } = line
      if (line.type === 'ready') return [{ type: 'ready', at, sender }]
      if (line.type !== 'call') return []
      return [{ type: 'read', at, asked: at, grant, generation: 0, accessToken: line.accessToken, sender }]
    }),
  )
}

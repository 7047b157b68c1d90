import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Dice } from './dice.ts'
import type { CampaignEvent } from './event-file.ts'
import { HostProcess } from './host-process.ts'
import { drawFate, type Fate } from './kill-plan.ts'
import type { Scale } from './scale.ts'
import type { StorePlace } from './store-place.ts'

export interface FleetOptions {
  readonly hosts: number
  readonly perHost: number
  readonly place: StorePlace
  readonly folder: string
  /** keeper-process.ts as one file. */
  readonly program: string
  readonly scale: Scale
  /** Whether the provider replaces refresh tokens. */
  readonly spools: boolean
  readonly seed: number
  readonly record: (event: CampaignEvent) => void
  /** Told of a death before the process is started again. */
  readonly onDeath: (host: string) => Promise<void>
}

interface Slot {
  readonly host: string
  readonly name: string
  readonly dice: Dice
  process: HostProcess | undefined
  lives: number
  /** Told of a stop that has begun; resolves when the process goes on. */
  onStop: (over: Promise<void>) => void
}

/** The processes of all hosts: whoever dies is started again at once, on the same host. */
export class Fleet {
  /** SIGKILLs so far. */
  kills = 0
  /** SIGSTOPs that ended with SIGCONT. */
  stops = 0
  /** Ends of a process that nobody had ordered. */
  readonly crashes: string[] = []
  readonly #options: FleetOptions
  readonly #slots: readonly Slot[]
  #isStorm = false
  #isRunning = true
  #grants: readonly string[] = []
  readonly #lives: Promise<void>[] = []

  constructor(options: FleetOptions) {
    this.#options = options
    this.#slots = Array.from({ length: options.hosts }, (_, index) =>
      String.fromCharCode(97 + index),
    ).flatMap((host) =>
      Array.from({ length: options.perHost }, (_, index) => ({
        host,
        name: `${host}${index + 1}`,
        dice: new Dice(options.seed, 'kills', host, index),
        process: undefined,
        lives: 0,
        onStop: () => undefined,
      })),
    )
  }

  /** Where a host has its spool. */
  folderOf(host: string): string {
    return path.join(this.#options.folder, `host-${host}`)
  }

  get hosts(): readonly string[] {
    return [...new Set(this.#slots.map(({ host }) => host))]
  }

  /** Resolves when all processes are there. */
  async start(): Promise<void> {
    for (const host of this.hosts) mkdirSync(this.folderOf(host), { recursive: true })
    for (const slot of this.#slots) {
      this.#lives.push(this.#live(slot))
      await slot.process?.ready
    }
  }

  /** From now on processes are killed and stopped, or no longer. */
  setStorm(isStorm: boolean): void {
    this.#isStorm = isStorm
    if (!isStorm) for (const { process } of this.#slots) process?.send({ order: noOrder })
  }

  /** What readers read from now on. */
  setGrants(grants: readonly string[]): void {
    this.#grants = grants
    for (const { process } of this.#slots) process?.send({ grants })
  }

  /** Has one of the processes that live end a login; false when none lives. */
  revoke(grant: string, dice: Dice): boolean {
    const living = this.#slots.flatMap(({ process }) => (process?.isGone === false ? [process] : []))
    if (living.length === 0) return false
    dice.pick(living).send({ revoke: grant })
    return true
  }

  /** Every process finishes what it does. Those that do not within two minutes are killed, and count as crashed. */
  async stop(): Promise<void> {
    this.#isRunning = false
    for (const { process } of this.#slots) {
      process?.signal('SIGCONT')
      process?.signal('SIGTERM')
    }
    const late = setTimeout(() => {
      for (const { name, process } of this.#slots)
        if (process?.isGone === false) {
          this.crashes.push(`${name} did not stop`)
          process.signal('SIGKILL')
        }
    }, 120_000)
    await Promise.all(this.#lives)
    clearTimeout(late)
  }

  async #live(slot: Slot): Promise<void> {
    const { place, folder, program, scale, onDeath } = this.#options
    while (this.#isRunning) {
      slot.lives += 1
      const process = new HostProcess({
        name: `${slot.name}.${slot.lives}`,
        place,
        folder: this.folderOf(slot.host),
        timing: scale.timing,
        events: path.join(folder, `events-${slot.name}.jsonl`),
        output: path.join(folder, 'output', `${slot.name}.log`),
        program,
        readPause: 120,
      })
      slot.process = process
      // Whenever it comes: one that had stopped after its order was given up stood still until its death.
      process.onStopping = (point) => slot.onStop(this.#freeze(process, point))
      await process.ready
      process.send({ grants: this.#grants })
      await this.#struggle(slot, process)
      const { code, signal } = await process.gone
      if (signal === 'SIGKILL') this.#killed(process)
      if (signal !== 'SIGKILL' && (this.#isRunning || code !== 0))
        this.crashes.push(`${process.name} ended by ${signal ?? code}`)
      await onDeath(slot.host)
    }
  }

  /** One process meets its fates until it is dead. */
  async #struggle(slot: Slot, process: HostProcess): Promise<void> {
    const { scale, spools } = this.#options
    const { dice } = slot
    while (!process.isGone) {
      if (!this.#isStorm) {
        await Promise.race([sleep(100), process.gone])
        continue
      }
      await Promise.race([sleep(dice.whole(0, scale.life / 2)), process.gone])
      if (!process.isGone && this.#isStorm)
        await this.#meet(slot, process, drawFate(dice, scale.life, spools))
    }
  }

  async #meet(slot: Slot, process: HostProcess, fate: Fate): Promise<void> {
    const { scale } = this.#options
    if (fate.kind === 'outside') {
      await Promise.race([sleep(fate.after), process.gone])
      if (process.isGone || !this.#isStorm) return
      if (fate.does === 'stop') return this.#freeze(process, 'outside')
      process.signal('SIGKILL')
      await process.gone
      return
    }
    const stopped = new Promise<void>((resolve) => {
      slot.onStop = resolve
    })
    process.send({ order: fate.order })
    const late = sleep(scale.patience, 'late' as const)
    if ((await Promise.race([stopped, process.gone, late])) === 'late') process.send({ order: noOrder })
  }

  /** For two leases: so long that others take over what it held. */
  async #freeze(process: HostProcess, point: string): Promise<void> {
    if (point === 'outside') process.signal('SIGSTOP')
    const at = Date.now()
    await process.goOnAfter(2 * this.#options.scale.timing.lease)
    this.stops += 1
    this.#options.record({ type: 'stopped', at, until: Date.now(), sender: process.name, point })
  }

  #killed({ name: sender }: HostProcess): void {
    this.kills += 1
    this.#options.record({ type: 'killed', at: Date.now(), sender })
  }
}

/** In place of an order that is to be obeyed no more. */
const noOrder = { does: 'stop', at: 'never', time: 1 } as const

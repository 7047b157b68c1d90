import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { Keeper, type ReplayClass, refreshToken, type Timing } from 'evertoken'
import { type BenchOptions, type Question, type Report, shown } from './question.ts'
import { percentile, spread } from './rounds.ts'
import { opened, type Places, type StorePlace, startPlaces, storeNames } from './store-place.ts'
import type { TakeoverTask } from './takeover-process.ts'

/** One kind of death. The store and its two workers are its own. */
interface Death {
  readonly kind: StorePlace['kind']
  readonly replayClass: ReplayClass
  /** Before it could send; else while the provider has its request. */
  readonly unsent?: boolean
  /** The survivor has another spool, and cannot know who is alive. */
  readonly otherHost?: boolean
  /** The provider can be asked whether a refresh token is alive. */
  readonly introspection?: boolean
  readonly timing?: Partial<Timing>
  /** Milliseconds from the death to the next send. */
  readonly goal: number
}

/** Where a takeover waits for one of these, they are shorter than in production: 20 s and 120 s. */
const scaled = { deadline: 1_000, lease: 2_000, quiescence: 2_000 }

const deaths = (kinds: readonly StorePlace['kind'][]): readonly Death[] => [
  ...kinds.flatMap((kind): Death[] => [
    { kind, replayClass: 'idempotent', goal: 1_000 },
    { kind, replayClass: 'fork', goal: 1_000 },
    { kind, replayClass: 'non_rotating', goal: 1_000 },
    { kind, replayClass: 'strict', unsent: true, goal: 1_000 },
    { kind, replayClass: 'last_child_wins', timing: scaled, goal: scaled.lease + 2_000 },
    {
      kind,
      replayClass: 'strict',
      introspection: true,
      timing: scaled,
      goal: scaled.quiescence + 2_000,
    },
  ]),
  ...kinds
    .filter((kind) => kind === 'postgres')
    .flatMap((kind): Death[] => [
      { kind, replayClass: 'idempotent', otherHost: true, timing: scaled, goal: scaled.lease + 2_000 },
      {
        kind,
        replayClass: 'strict',
        unsent: true,
        otherHost: true,
        timing: scaled,
        goal: scaled.lease + 2_000,
      },
    ]),
]

const nameOf = ({ kind, replayClass, unsent, otherHost, introspection }: Death): string =>
  [
    storeNames[kind],
    replayClass,
    unsent ? 'before the send' : 'after the send',
    ...(introspection ? ['introspection'] : []),
    otherHost ? 'other host' : 'same host',
  ].join(', ')

const questionOf = ({ kind, replayClass, unsent, otherHost }: Death): string =>
  [kind, replayClass, ...(unsent ? ['unsent'] : []), ...(otherHost ? ['other-host'] : [])].join('/')

const windowed: ReadonlySet<ReplayClass> = new Set(['idempotent', 'last_child_wins', 'fork'])

interface Arrival {
  /** UTC ms. */
  readonly at: number
  readonly process: string
}

/** Answers whoever is not to die, and tells of every token request by the refresh token that it spends. */
async function startProvider() {
  const waiting = new Map<string, (arrival: Arrival) => void>()
  /** Refresh tokens whose next request gets no answer. */
  const unanswered = new Set<string>()
  let issued = 0
  const server = createServer(async (request, response) => {
    const at = Date.now()
    const body = new URLSearchParams(await textOf(request))
    const json = (value: object) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    if (request.url === '/introspect') return json({ active: true })
    const spent = body.get('refresh_token') ?? ''
    const told = waiting.get(spent)
    waiting.delete(spent)
    told?.({ at, process: String(request.headers['x-process']) })
    if (unanswered.delete(spent)) return
    issued += 1
    json({
      access_token: `at-${issued}`,
      token_type: 'Bearer',
      expires_in: 86_400,
      refresh_token: `rt-${issued}`,
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    unanswered,
    /** The next request that spends this refresh token. */
    request: (spent: string) => new Promise<Arrival>((resolve) => waiting.set(spent, resolve)),
    [Symbol.dispose]: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

type Provider = Awaited<ReturnType<typeof startProvider>>

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of request.setEncoding('utf8')) text += part
  return text
}

/** Two workers on one store. Whichever takes a grant dies of it, and another is started in its place afterwards. */
class Fleet implements AsyncDisposable {
  readonly #death: Death
  readonly #provider: Provider
  readonly #keeper: Keeper
  readonly #place: StorePlace
  readonly #died: string
  readonly #workers: (ChildProcess | undefined)[] = [undefined, undefined]
  #trials = 0

  private constructor(death: Death, provider: Provider, keeper: Keeper, place: StorePlace, died: string) {
    this.#death = death
    this.#provider = provider
    this.#keeper = keeper
    this.#place = place
    this.#died = died
  }

  static async start(death: Death, provider: Provider, places: Places): Promise<Fleet> {
    const place = await places.make(death.kind)
    const died = path.join(places.folder, `died: ${nameOf(death)}`)
    // Adds grants, and takes none.
    return new Fleet(death, provider, await Keeper.open({ store: opened(place) }), place, died)
  }

  /** Starts who is missing. */
  async fill(): Promise<void> {
    const { unsent, timing = {} } = this.#death
    const diesUnsent = unsent ? this.#died : undefined
    for (const [slot, present] of this.#workers.entries()) {
      if (present !== undefined) continue
      const task: TakeoverTask = { name: String(slot), place: this.#placeOf(slot), timing, diesUnsent }
      const child = fork(new URL('./takeover-process.ts', import.meta.url), [JSON.stringify(task)])
      await Promise.race([
        once(child, 'message'),
        once(child, 'exit').then(([code]) => Promise.reject(new Error(`a worker ended with ${code}`))),
      ])
      this.#workers[slot] = child
    }
  }

  /** Each slot is a host of its own, or both are one. */
  #placeOf(slot: number): StorePlace {
    const place = this.#place
    if (!this.#death.otherHost || place.kind === 'sqlite') return place
    return { ...place, folder: `${place.folder}-host-${slot}`, key: path.join(place.folder, 'master.key') }
  }

  /** Milliseconds from the death of whoever had the grant to the next send. */
  async takeover(): Promise<number> {
    const { unsent = false, replayClass, introspection } = this.#death
    const { url, request, unanswered } = this.#provider
    this.#trials += 1
    rmSync(this.#died, { force: true })
    const spent = `${nameOf(this.#death)} ${this.#trials}`
    if (!unsent) unanswered.add(spent)
    const first = request(spent)
    await this.#keeper.add(
      `grant-${this.#trials}`,
      refreshToken({
        tokenUrl: `${url}/token`,
        introspectionUrl: introspection ? `${url}/introspect` : undefined,
        introspection,
        clientId: nameOf(this.#death),
        clientSecret: 'bench',
        refreshToken: spent,
        replayClass,
        reuseWindow: windowed.has(replayClass) ? 30 : undefined,
      }),
    )
    const sent = await first
    if (unsent) {
      await this.#buried(1 - Number(sent.process))
      return sent.at - Number(readFileSync(this.#died, 'utf8'))
    }
    const second = request(spent)
    const slot = Number(sent.process)
    this.#workers[slot]?.kill('SIGKILL')
    const diedAt = Date.now()
    const { at } = await second
    await this.#buried(slot)
    return at - diedAt
  }

  async #buried(slot: number): Promise<void> {
    const dead = this.#workers[slot]
    if (dead !== undefined && dead.signalCode === null) await once(dead, 'exit')
    this.#workers[slot] = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) worker?.kill('SIGKILL')
    await this.#keeper.close()
  }
}

async function run({ rounds, quick, progress }: BenchOptions): Promise<Report> {
  await using places = await startPlaces()
  using provider = await startProvider()
  await using opening = new AsyncDisposableStack()
  const all = deaths(places.kinds).filter(
    ({ replayClass, timing }) => !quick || (timing === undefined && /idem|strict/.test(replayClass)),
  )
  const fleets: Fleet[] = []
  for (const death of all) fleets.push(opening.use(await Fleet.start(death, provider, places)))

  const kills = rounds ?? (quick ? 1 : 25)
  const took = new Map<Death, number[]>(all.map((death) => [death, []]))
  for (let round = 1; round <= kills; round++) {
    progress(`kill ${round} of ${kills}`)
    // Starting is work, waiting for a takeover is none: nobody starts while the others are watched.
    for (const fleet of fleets) await fleet.fill()
    const ms = await Promise.all(fleets.map((fleet) => fleet.takeover()))
    for (const [index, death] of all.entries()) took.get(death)?.push(ms[index] as number)
  }
  const of = (death: Death): readonly number[] => took.get(death) as readonly number[]
  return {
    table: [
      ['who died', 'ms to the next send', 'p99', 'goal'],
      ...all.map((death) => [
        nameOf(death),
        shown(spread(of(death))),
        percentile(of(death), 0.99).toFixed(0),
        String(death.goal),
      ]),
    ],
    notes: [
      `${kills} real SIGKILLs each, from the kill until the other worker's request is at the provider; two workers and one grant that is due`,
      'where somebody waits for the end of a lease or for quiescence these are 2 s instead of 20 s and 120 s; all else is as in production',
      await places.settings(),
    ],
    findings: all.map((death) => {
      const { min, max } = spread(of(death))
      return {
        question: `takeover/${questionOf(death)}`,
        what: `p99 of ${kills} kills: ${nameOf(death)}`,
        figure: { median: percentile(of(death), 0.99), min, max },
        goal: death.goal,
        unit: 'ms',
        digits: 0,
      }
    }),
  }
}

export const takeover: Question = {
  about: 'a worker is killed: how long until another one sends for its grant?',
  run,
}

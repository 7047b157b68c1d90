// The promise itself: one login, many processes on one store, readers that never stop, and kill -9 in between.

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EvertokenError, Keeper, nodeTransport } from 'evertoken'
import { expect, onTestFinished, test } from 'vitest'
import { missingPostgres } from '../postgres/binaries.ts'
import { startPostgres } from '../postgres/server.ts'
import { consent, login, testFolder } from './login.ts'
import { KeeperProcess, type KeeperProcessOptions, type Read } from './processes.ts'
import { type OidcProvider, readLines, startOidcProvider } from './provider-process.ts'
import { postgresHost, type StoreAddress, sqliteIn, storeAt } from './store-address.ts'

/** Refreshes that only the schedule caused, each after half of a token's three seconds; then quicker ones by hand. */
const byWorkers = 12
const inAll = 100

/** Waits in proportion to tokens of three seconds. A killed sender's request is over within a second. */
const timing = { deadline: 1_000, lease: 2_000 }
const known = { introspection: true, quiescence: 1 }

test('100 refreshes under readers, stops and kills: no token read is dead, no refresh token spent twice', async () => {
  const store = sqliteIn(testFolder())
  await hundredRefreshes({ own: store, others: [store] })
}, 240_000)

test.skipIf(missingPostgres)(
  'the same on PostgreSQL, by the processes of two machines',
  async () => {
    const server = await startPostgres({ durable: true })
    onTestFinished(() => server.close())
    const url = await server.createDatabase()
    const folder = testFolder()
    const [one, two] = [postgresHost(url, folder, 'one'), postgresHost(url, folder, 'two')]
    await hundredRefreshes({ own: one, others: [one, two] })
  },
  240_000,
)

interface Stores {
  /** Of this process. */
  readonly own: StoreAddress
  /** Of the others, in turn. */
  readonly others: readonly StoreAddress[]
}

async function hundredRefreshes(stores: Stores): Promise<void> {
  await using provider = await startOidcProvider({ lifetime: 3 })
  const fleet = await Fleet.launch(provider, stores)
  const refreshes = () => provider.requests().filter(({ grantType }) => grantType === 'refresh_token')
  const sentBy = (who: string) => refreshes().filter(({ sender }) => sender?.startsWith(who)).length
  const began = Date.now()

  while (sentBy('worker') < byWorkers) {
    await sleep(300 + Math.random() * 1_500)
    await fleet.disturb()
  }
  const byExpiry = refreshes()
  const paced = Date.now() - began
  while (refreshes().length < inAll) {
    for (let i = 0; i < 3; i++) await fleet.refreshByHand()
    await fleet.disturb('in the middle of a refresh')
  }
  await fleet.stop()

  const requests = provider.requests()
  const spent = requests.slice(1)
  expect(requests.filter(({ outcome }) => outcome !== 'success')).toEqual([])
  expect(requests.map(({ generation }) => generation)).toEqual(requests.map((_, index) => index + 1))
  expect(spent.map((request) => request.spent)).toEqual(requests.slice(0, -1).map(({ issued }) => issued))
  expect(new Set(spent.map((request) => request.spent)).size).toBe(spent.length)
  expect(spent.length).toBeGreaterThanOrEqual(inAll)
  expect(byExpiry.filter(({ sender }) => sender === 'hand')).toEqual([])
  expect(await fleet.keeper.show('work')).toMatchObject({ state: 'active', generation: requests.length })

  const reads = fleet.reads()
  expect(reads.filter(({ error }) => error !== undefined)).toEqual([])
  expect(reads.filter(({ generation, token }) => requests[generation! - 1]?.accessToken !== token)).toEqual(
    [],
  )
  const expiry = new Map(reads.filter(({ exp }) => exp).map(({ token, exp }) => [token, exp! * 1000]))
  // The question comes a moment after the read: a token may end in between, by the server's own word for when.
  // Nobody else may have asked about such a token: then its own last second counts, since the server's seconds are whole ones.
  const ended = ({ token, expiresAt, got }: Read) =>
    expiry.get(token) ?? (expiresAt! - got! <= 1_000 ? expiresAt! : 0)
  const late = reads.filter((read) => !read.active && read.got! < ended(read))
  expect(reads.filter((read) => !read.active && !late.includes(read))).toEqual([])
  const short = reads.filter(({ expiresAt, asked }) => expiresAt! - asked <= 1_000)
  expect(short.filter(({ stale }) => !stale)).toEqual([])
  expect(new Set(reads.map(({ reader }) => reader)).size).toBe(4)
  expect(reads.length).toBeGreaterThan(1_000)
  expect(fleet.complaints).toBe('')

  const waits = reads.map(({ asked, got }) => got! - asked).sort((a, b) => a - b)
  const at = (share: number) => waits[Math.floor((waits.length - 1) * share)]
  const scheduled = byExpiry.filter(({ sender }) => sender?.startsWith('worker')).length
  const { stops, quietKills, kills, cutOff, spared } = fleet
  console.log(
    `${spent.length} refreshes, none refused: ${byExpiry.length} paced by expiry in ${paced} ms (${scheduled} of them ` +
      `sent by workers), the rest asked for; ${stops} stops, ${quietKills} kills between requests, ${kills} at any ` +
      `moment (${cutOff} of them with a refresh begun; ${spared} more were put off, as they would have lost the login)`,
  )
  console.log(
    `${reads.length} tokens read, each active (${late.length} ended before the question arrived), ${short.length} ` +
      `of them with less than a second to live and marked so; wait median ` +
      `${at(0.5)} ms, 99 % ${at(0.99)} ms, longest ${at(1)} ms; in all ${Date.now() - began} ms`,
  )
}

/** Two workers, four readers and a hand, each a process of its own, and the ways to disturb them. */
class Fleet {
  readonly keeper: Keeper
  stops = 0
  quietKills = 0
  kills = 0
  /** Of those kills: how many cut off a refresh that had begun and had not reached the server. */
  cutOff = 0
  /** Moments at which a kill would have lost the login. */
  spared = 0
  complaints = ''
  readonly #provider: OidcProvider
  readonly #options: readonly KeeperProcessOptions[]
  readonly #processes = new Map<string, KeeperProcess>()
  /** When a process was frozen and let go again: what it says of that time says nothing. */
  readonly #frozen: { name: string; from: number; until: number }[] = []
  #turn = 0

  private constructor(keeper: Keeper, provider: OidcProvider, options: readonly KeeperProcessOptions[]) {
    this.keeper = keeper
    this.#provider = provider
    this.#options = options
  }

  static async launch(provider: OidcProvider, { own, others }: Stores): Promise<Fleet> {
    const { wire, close } = sentByHand()
    const keeper = await Keeper.open({ store: storeAt(own), transport: wire, timing })
    await keeper.add('work', login(provider.issuer, known))
    await consent(keeper, 'work')
    const journal = join(testFolder(), 'reads.jsonl')
    const common = { grant: 'work', issuer: provider.issuer, journal, timing }
    const names = ['worker-1', 'reader-1', 'reader-2', 'worker-2', 'reader-3', 'reader-4']
    const options = names.map((name, index): KeeperProcessOptions => {
      const store = others[index % others.length] as StoreAddress
      return { name, role: name.startsWith('worker') ? 'worker' : 'reader', store, ...common }
    })
    const fleet = new Fleet(keeper, provider, options)
    onTestFinished(async () => {
      for (const process of fleet.#processes.values()) await process.kill()
      await keeper.close()
      close()
    })
    await Promise.all(fleet.#options.map((options) => fleet.#start(options)))
    return fleet
  }

  async #start(options: KeeperProcessOptions): Promise<void> {
    const process = new KeeperProcess(options)
    this.#processes.set(options.name, process)
    await process.ready()
  }

  /** Stops the next process in turn, or kills it between requests or at any moment, and starts it again. */
  async disturb(moment?: 'in the middle of a refresh'): Promise<void> {
    const turn = this.#turn++
    const options = this.#options[turn % this.#options.length]!
    const process = this.#processes.get(options.name)!
    const way = (turn + Math.floor(turn / this.#options.length)) % 3
    if (way === 0) {
      expect(await process.stop()).toBe(0)
      this.stops++
    } else if (way === 1) await this.#killQuietly(process)
    else await this.#kill(process, moment)
    this.complaints += process.complaint
    await this.#start(options)
  }

  /** Kills when nobody's refresh is under way. */
  async #killQuietly(process: KeeperProcess): Promise<void> {
    await this.#killIf(process, async () => !(await this.keeper.show('work')).unresolved)
    this.quietKills++
  }

  /**
   * Kills at any moment but the one in which a strict login cannot be kept: when the server has processed a refresh
   * whose answer is not stored (kills.test.ts shows what that costs). The server's log tells.
   */
  async #kill(process: KeeperProcess, moment?: string): Promise<void> {
    await this.#killIf(
      process,
      async () => {
        for (const until = Date.now() + 500; ; await sleep(20)) {
          const { unresolved, generation } = await this.keeper.show('work')
          if (!unresolved) return true
          const last = this.#provider.requests().at(-1)
          if (last?.sender === process.name && last.generation! > generation) {
            this.spared++
            return false
          }
          if (Date.now() < until) continue
          this.cutOff++
          return true
        }
      },
      moment,
    )
    this.kills++
  }

  /** Freezes it, so that what is looked at stays true, and kills it or lets it go on for a while. */
  async #killIf(process: KeeperProcess, mayDie: () => Promise<boolean>, moment?: string): Promise<void> {
    for (;;) {
      if (moment !== undefined) {
        process.refresh()
        // From the written intent on, to a moment between the send and some time after the commit.
        for (let looks = 0; looks < 200 && !(await this.keeper.show('work')).unresolved; looks++)
          await sleep(1)
        await sleep(Math.random() * 8)
      }
      const from = Date.now()
      process.freeze()
      await sleep(20)
      if (await mayDie()) return process.kill()
      process.thaw()
      this.#frozen.push({ name: process.name, from, until: Date.now() })
      await sleep(50)
    }
  }

  async refreshByHand(): Promise<void> {
    const { generation } = await this.keeper.refresh('work').catch((error: unknown) => {
      // After a kill in the middle of a refresh nobody may send until the token is near its end.
      if (error instanceof EvertokenError && error.code === 'token_unavailable') return { generation: 0 }
      throw error
    })
    await sleep(generation === 0 ? 300 : 20)
  }

  async stop(): Promise<void> {
    for (const process of this.#processes.values()) {
      expect(await process.stop()).toBe(0)
      this.complaints += process.complaint
    }
  }

  reads(): Read[] {
    const all = readLines<Read>(this.#options[0]!.journal)
    return all.filter(
      ({ reader, asked, got = asked }) =>
        !this.#frozen.some(({ name, from, until }) => name === reader && from <= got + 500 && until >= asked),
    )
  }
}

/** The keeper of this process, told apart in the server's log. */
function sentByHand() {
  const transport = nodeTransport()
  return {
    wire: ((request) =>
      transport({ ...request, headers: { ...request.headers, 'x-sender': 'hand' } })) as typeof transport,
    close: () => transport.close(),
  }
}

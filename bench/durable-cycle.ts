import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Keeper, type ReplayClass, Worker } from 'evertoken'
import { BareClient } from './bare-request.ts'
import { addLogins, setDue } from './due-grants.ts'
import { type BenchOptions, type Finding, type Question, type Report, shown } from './question.ts'
import { type Contender, figureOf, interleaved } from './rounds.ts'
import { opened, type StorePlace, startPlaces, storeNames } from './store-place.ts'
import { startTokenEndpoint } from './token-endpoint.ts'

/** Requests under way at once, of the limit as of ours. */
const inFlight = 64

const limit = 'limit: node:http, HTTP only'
const wall = 'wall'
const cpu = 'cpu'

/** Of one refresh, in µs: of time, and of this process's processor time, all threads and the kernel's part. */
async function costOf(count: number, work: () => Promise<unknown>) {
  const used = process.cpuUsage()
  const began = performance.now()
  await work()
  const ms = performance.now() - began
  const { user, system } = process.cpuUsage(used)
  return { [wall]: (ms * 1000) / count, [cpu]: (user + system) / count }
}

async function httpOnly(client: BareClient, count: number): Promise<void> {
  let left = count
  const body = 'grant_type=refresh_token&refresh_token=rt-grant-0&client_id=bench'
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (left-- > 0) await client.send(body)
    }),
  )
}

/** A worker refreshes all of them once. */
async function refreshAll(keeper: Keeper, count: number): Promise<void> {
  const done = Promise.withResolvers<void>()
  let left = count
  const stops = [
    keeper.on('refreshed', () => {
      left -= 1
      if (left === 0) done.resolve()
    }),
    keeper.on('failing', ({ grant, message }) => done.reject(new Error(`${grant}: ${message}`))),
  ]
  await using _worker = new Worker(keeper, { concurrency: inFlight, onError: done.reject }).start()
  await done.promise
  for (const stop of stops) stop()
}

interface Cycle {
  readonly name: string
  readonly kind: StorePlace['kind']
  readonly replayClass: ReplayClass
}

async function run({ rounds, quick, progress }: BenchOptions): Promise<Report> {
  const count = quick ? 70 : 1_500
  await using places = await startPlaces()
  await using endpoint = await startTokenEndpoint({ latency: 0, lifetime: 3600 })
  using client = new BareClient(endpoint.url, inFlight)
  await using opening = new AsyncDisposableStack()

  const classes: readonly ReplayClass[] = ['strict', 'non_rotating']
  const cycles: Cycle[] = places.kinds.flatMap((kind) =>
    classes.map((replayClass) => ({ kind, replayClass, name: `${storeNames[kind]}, ${replayClass}` })),
  )
  const server = new Map<string, number[]>()
  const contenders: Contender[] = [{ name: limit, run: () => costOf(count, () => httpOnly(client, count)) }]
  for (const { name, kind, replayClass } of cycles) {
    const keeper = opening.use(await Keeper.open({ store: opened(await places.make(kind)) }))
    // A provider that does not rotate sends no new refresh token.
    const url = replayClass === 'non_rotating' ? endpoint.urlWithoutRotation : endpoint.url
    progress(`adding ${count} grants: ${name}`)
    const ids = await addLogins(keeper, count, url, replayClass)
    contenders.push({
      name,
      run: async () => {
        await setDue(keeper.store, ids, keeper.store.time().at)
        const before = serverCpu(places.server?.data)
        const cost = await costOf(count, () => refreshAll(keeper, count))
        const after = serverCpu(places.server?.data)
        if (kind === 'postgres' && before !== undefined && after !== undefined)
          server.set(name, [...(server.get(name) ?? []), (after - before) / count])
        return cost
      },
    })
  }

  const samples = await interleaved(contenders, rounds ?? (quick ? 1 : 15), progress)
  const of = (name: string, figure: string) => samples.of(figureOf(name, figure))
  const ratio = (name: string, figure: string) =>
    samples.ratio(figureOf(name, figure), figureOf(limit, figure))
  const settings = await places.settings()
  const serverNotes = [...server].map(([name, [, ...figures]]) => {
    const middle = figures.toSorted((a, b) => a - b)[figures.length >> 1] ?? 0
    return `beside it, in the database's own processes, for each refresh: ${middle.toFixed(0)} µs (${name})`
  })
  return {
    table: [
      ['path', 'µs', 'over the limit', 'µs of processor', 'over the limit'],
      ...contenders.map(({ name }) => [
        name,
        shown(of(name, wall)),
        shown(ratio(name, wall), 2),
        shown(of(name, cpu)),
        shown(ratio(name, cpu), 2),
      ]),
    ],
    notes: [
      `${count} refreshes a round, ${inFlight} in flight, by a worker: claim, unseal, intent, send, spool, commit; the endpoint is a process of its own and answers at once`,
      "judged by processor time of the process that refreshes, all threads and the kernel's part: 4 is a quarter of HTTP only per core",
      settings,
      ...serverNotes,
    ],
    findings: cycles.map(
      ({ name, kind, replayClass }): Finding => ({
        question: `durable-cycle/${kind}/${replayClass}`,
        what: `processor time of a refresh on ${name}, over HTTP only`,
        figure: ratio(name, cpu),
        goal: 4,
        unit: 'x',
      }),
    ),
  }
}

/** Processor time in µs of the database server at `data` and the processes it has started; Linux only. */
function serverCpu(data: string | undefined): number | undefined {
  if (data === undefined || process.platform !== 'linux') return undefined
  const [postmaster] = readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')
  const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8').trim().split(' ')
  let ticks = 0
  for (const pid of [postmaster, ...children])
    try {
      // proc_pid_stat(5): utime and stime are fields 14 and 15, those of children that ended 16 and 17, in 1/100 s.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      for (const field of pid === postmaster ? [11, 12, 13, 14] : [11, 12]) ticks += Number(fields[field])
    } catch {
      // It has just ended, and is counted among the postmaster's next time.
    }
  return ticks * 10_000
}

export const durableCycle: Question = {
  about: 'what does a refresh cost a worker that loses nothing, beside the HTTP request alone?',
  run,
}

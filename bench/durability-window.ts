import { AsyncLocalStorage } from 'node:async_hooks'
import { fdatasync, open, rm, write } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { Keeper, type KeeperOptions, nodeTransport } from 'evertoken'
import { addLogins } from './due-grants.ts'
import { type BenchOptions, type Question, type Report, shown } from './question.ts'
import { type Contender, figureOf, interleaved, percentile } from './rounds.ts'
import { opened, startPlaces, storeNames } from './store-place.ts'
import { startTokenEndpoint } from './token-endpoint.ts'

/** Refreshes under way at once where the worker has all it can do. */
const many = 64

const limit = 'limit: 4 KiB appended, fdatasync'

/** When what happened to one refresh, in ms. */
interface Moments {
  received?: number
  durable?: number
  committed?: number
}

const percentiles = (name: string, ms: readonly number[]): Record<string, number> => ({
  [`${name} p50`]: percentile(ms, 0.5),
  [`${name} p99`]: percentile(ms, 0.99),
})

/** Refreshes everybody once, `together` at a time, and looks at the clock in between. */
async function windows(
  keeper: Keeper,
  watch: AsyncLocalStorage<Moments>,
  ids: readonly string[],
  together: number,
) {
  const seen: Required<Moments>[] = []
  const rest = ids.values()
  await Promise.all(
    Array.from({ length: together }, async () => {
      for (const id of rest) {
        const moments: Moments = {}
        await watch.run(moments, () => keeper.refresh(id))
        seen.push(moments as Required<Moments>)
      }
    }),
  )
  return {
    ...percentiles(
      'durable',
      seen.map(({ received, durable }) => durable - received),
    ),
    ...percentiles(
      'committed',
      seen.map(({ received, committed }) => committed - received),
    ),
  }
}

/** Looks at the clock at the last byte of an answer, when the spool has it, and when the store has it. */
function watched(watch: AsyncLocalStorage<Moments>): Pick<KeeperOptions, 'transport' | 'faultPoint'> {
  const wire = nodeTransport()
  const note = (what: keyof Moments): void => {
    const moments = watch.getStore()
    if (moments !== undefined) moments[what] = performance.now()
  }
  return {
    transport: async (request) => {
      const answer = await wire(request)
      note('received')
      return answer
    },
    faultPoint: (point) => {
      if (point === 'post_append') note('durable')
      if (point === 'post_commit') note('committed')
    },
  }
}

async function appended(file: string, count: number) {
  const fs = { open: promisify(open), write: promisify(write), fdatasync: promisify(fdatasync) }
  const descriptor = await fs.open(file, 'a')
  const bytes = Buffer.alloc(4096, 'x')
  const ms: number[] = []
  for (let done = 0; done < count; done++) {
    const began = performance.now()
    await fs.write(descriptor, bytes)
    await fs.fdatasync(descriptor)
    ms.push(performance.now() - began)
  }
  await promisify(rm)(file)
  return percentiles('durable', ms)
}

async function run({ rounds, quick, progress }: BenchOptions): Promise<Report> {
  const count = quick ? 20 : 300
  await using places = await startPlaces()
  await using endpoint = await startTokenEndpoint({ latency: 0, lifetime: 3600 })
  await using opening = new AsyncDisposableStack()
  const file = path.join(places.folder, 'limit')
  const contenders: Contender[] = [{ name: limit, run: () => appended(file, count) }]
  for (const kind of places.kinds) {
    const watch = new AsyncLocalStorage<Moments>()
    const place = await places.make(kind)
    const keeper = opening.use(await Keeper.open({ store: opened(place), ...watched(watch) }))
    const ids = await addLogins(keeper, count, endpoint.url, 'strict')
    for (const together of [1, many])
      contenders.push({
        name: `${storeNames[kind]}, ${together} at a time`,
        run: () => windows(keeper, watch, ids, together),
      })
  }
  const samples = await interleaved(contenders, rounds ?? (quick ? 1 : 15), progress)
  const of = (name: string, figure: string) => samples.of(figureOf(name, figure))
  const figures = ['durable p50', 'durable p99', 'committed p50', 'committed p99']
  const row = (name: string) =>
    figures.map((figure) =>
      name === limit && !figure.startsWith('durable') ? '' : shown(of(name, figure), 2),
    )
  return {
    table: [
      ['', ...figures.map((figure) => `ms until ${figure}`)],
      ...contenders.map(({ name }) => [name, ...row(name)]),
    ],
    notes: [
      `from the last byte of the answer until the spool has it on the disk and until the store has; ${count} refreshes of strict grants a round`,
      'one at a time is what a refresh costs; 64 at a time without a pause is a worker that can do no more, in which they wait for each other',
      await places.settings(),
    ],
    findings: places.kinds.flatMap((kind) => {
      const name = `${storeNames[kind]}, 1 at a time`
      const finding = (share: string, goal: number) => ({
        question: `durability-window/${kind}/${share}`,
        what: `from the last byte of an answer until it is on the disk, ${share}, ${name}`,
        figure: of(name, `durable ${share}`),
        goal,
        unit: 'ms' as const,
      })
      return [finding('p50', 1), finding('p99', 10)]
    }),
  }
}

export const durabilityWindow: Question = {
  about: 'how long does an answer that arrived exist nowhere but in memory?',
  run,
}

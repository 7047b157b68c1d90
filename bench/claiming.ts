import type { GrantStore } from 'evertoken'
import { setDue } from './due-grants.ts'
import { copyName, fillWithIdle } from './idle-grants.ts'
import { type BenchOptions, type Finding, type Question, type Report, shown } from './question.ts'
import { type Contender, figureOf, interleaved, percentile } from './rounds.ts'
import { opened, type StorePlace, startPlaces, storeNames } from './store-place.ts'

/** Grants that are claimed at once. */
const due = 100

const claim = 'claim'
const poll = 'poll'

/** Between the smallest and the largest table. */
const goals = { sqlite: 6, postgres: 3 } as const

/** What T1 writes: a greater fence, a lease, an attempt, a later due time. */
async function claimDue(store: GrantStore): Promise<number> {
  const claimed = await store.updateDue(due, (record, { time }) => {
    const until = time.at + 20_000
    const fence = record.fence + 1
    const attempt = {
      id: crypto.randomUUID(),
      fence,
      parent: record.refreshToken?.fingerprint ?? 'none',
      owner: store.owner,
      boot: time.boot,
      localDone: false,
      spool: store.spool?.id ?? '',
    }
    return {
      result: record.id,
      record: {
        ...record,
        fence,
        lease: { owner: store.owner, until, boot: time.boot },
        attempts: [...record.attempts, attempt],
        schedule: { ...record.schedule, dueAt: until },
      },
    }
  })
  return claimed.length
}

/** Any `due` of the copies, each once. */
function someOf(copies: number): string[] {
  const chosen = new Set<string>()
  while (chosen.size < due) chosen.add(copyName(Math.floor(Math.random() * copies)))
  return [...chosen]
}

/** Milliseconds of one claim of 100 and of one look at a table in which nothing is due, each the median of several. */
async function measure(store: GrantStore, rows: number, claims: number): Promise<Record<string, number>> {
  const far = store.time().at + 20 * 86_400_000
  const claiming: number[] = []
  for (let done = 0; done < claims; done++) {
    const ids = someOf(rows - 1)
    await setDue(store, ids, store.time().at - 1)
    const began = performance.now()
    const claimed = await claimDue(store)
    claiming.push(performance.now() - began)
    if (claimed !== due) throw new Error(`${claimed} of ${due} grants were claimed`)
    await setDue(store, ids, far + Math.floor(Math.random() * 86_400_000))
  }
  const polling: number[] = []
  for (let done = 0; done < 20 * claims; done++) {
    const began = performance.now()
    if ((await claimDue(store)) !== 0) throw new Error('something was due')
    polling.push(performance.now() - began)
  }
  return { [claim]: percentile(claiming, 0.5), [poll]: percentile(polling, 0.5) }
}

const nameOf = (kind: StorePlace['kind'], rows: number): string => `${storeNames[kind]}, ${rows} grants`

async function run({ rounds, quick, progress }: BenchOptions): Promise<Report> {
  const sizes = quick ? [200, 1_000] : [1_000, 10_000, 100_000, 1_000_000]
  const [smallest, largest] = [Math.min(...sizes), Math.max(...sizes)]
  await using places = await startPlaces()
  await using opening = new AsyncDisposableStack()
  const contenders: Contender[] = []
  for (const kind of places.kinds)
    for (const rows of sizes) {
      progress(`filling ${nameOf(kind, rows)}`)
      const place = await places.make(kind)
      await fillWithIdle(place, { count: rows })
      const store = await opened(place).open()
      opening.defer(() => store.close())
      contenders.push({ name: nameOf(kind, rows), run: () => measure(store, rows, quick ? 1 : 10) })
    }
  const samples = await interleaved(contenders, rounds ?? (quick ? 1 : 15), progress)
  const ratio = (kind: StorePlace['kind'], rows: number, figure: string) =>
    samples.ratio(figureOf(nameOf(kind, rows), figure), figureOf(nameOf(kind, smallest), figure))
  const cells = (kind: StorePlace['kind'], rows: number, figure: string): string[] => [
    shown(samples.of(figureOf(nameOf(kind, rows), figure)), 2),
    shown(ratio(kind, rows, figure), 2),
  ]
  return {
    table: [
      [
        'table',
        `ms to claim ${due}`,
        `over ${smallest} grants`,
        'ms to find nothing due',
        `over ${smallest} grants`,
      ],
      ...places.kinds.flatMap((kind) =>
        sizes.map((rows) => [nameOf(kind, rows), ...cells(kind, rows, claim), ...cells(kind, rows, poll)]),
      ),
    ],
    notes: [
      `grants that come due are any of the table, so that their rows lie scattered; one transaction claims ${due} and is durable`,
      await places.settings(),
    ],
    findings: places.kinds.flatMap((kind): Finding[] => [
      {
        question: `claiming/${kind}`,
        what: `claiming ${due} of ${largest} grants, over ${due} of ${smallest}, ${storeNames[kind]}`,
        figure: ratio(kind, largest, claim),
        goal: goals[kind],
        unit: 'x',
      },
      {
        question: `claiming/${kind}/empty`,
        what: `finding nothing due among ${largest} grants, over ${smallest}, ${storeNames[kind]}`,
        figure: ratio(kind, largest, poll),
        goal: 1.5,
        unit: 'x',
      },
    ]),
  }
}

export const claiming: Question = {
  about: 'what does claiming what is due cost as the number of grants grows?',
  run,
}

import { writeFileSync } from 'node:fs'
import { Keeper, nodeTransport, type Timing, Worker } from 'evertoken'
import { opened, type StorePlace } from './store-place.ts'

/** What one process of the fleet is told at its start. */
export interface TakeoverTask {
  readonly name: string
  readonly place: StorePlace
  readonly timing: Partial<Timing>
  /** The first to make this file dies before it would send; in it is then the UTC ms of its death. */
  readonly diesUnsent?: string | undefined
}

/*
 * takeover-process TASK (JSON), started with an IPC channel: a worker whose requests say whose they are, in a header
 * `x-process`.
 */

const { name, place, timing, diesUnsent } = JSON.parse(process.argv[2] ?? '{}') as TakeoverTask
const wire = nodeTransport()
const keeper = await Keeper.open({
  store: opened(place),
  timing,
  transport: (request) => wire({ ...request, headers: { ...request.headers, 'x-process': name } }),
  faultPoint: (point) => {
    if (diesUnsent === undefined || point !== 'pre_mark') return
    try {
      writeFileSync(diesUnsent, String(Date.now()), { flag: 'wx' })
    } catch {
      return
    }
    process.kill(process.pid, 'SIGKILL')
  },
})
new Worker(keeper).start()
process.once('disconnect', () => process.exit())
process.send?.('ready')

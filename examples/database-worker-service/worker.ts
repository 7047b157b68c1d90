import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Worker } from 'evertoken'
import { end, openDatabase } from './accounts.ts'

// node worker.ts [--for 2h]: renews every token before it ends. Start as many as you like, on as many machines.

const { values } = parseArgs({ options: { for: { type: 'string' } } })
const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 }
const [, count, unit = ''] = /^(\d{1,4})([smh])$/.exec(values.for ?? '1h') ?? []
const time = Number(count) * (units[unit] ?? 0)
// A timer holds 24 days, and takes more for no time at all.
if (!(time < 2 ** 31)) {
  console.error('usage: node worker.ts [--for 90s | 15m | 2h]')
  process.exit(2)
}

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
process.once('SIGTERM', () => stop.abort())

const keeper = await openDatabase().catch(end)
keeper.on('refreshed', ({ grant, generation, expiresAt }) =>
  console.log(`${grant} has token ${generation}, good until ${new Date(expiresAt).toISOString()}`),
)
keeper.on('failing', ({ grant, message }) => console.error(`${grant}: ${message}`))
keeper.on('reauthorization_required', ({ grant }) => console.error(`${grant} has to log in again`))

console.log('waiting for tokens to renew')
const worker = new Worker(keeper, { onError: (error) => console.error(error) }).start()
do await sleep(time, undefined, { signal: stop.signal }).catch(() => undefined)
while (values.for === undefined && !stop.signal.aborted)
await worker.stop()
await keeper.close()

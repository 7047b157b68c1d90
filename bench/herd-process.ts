import { Keeper } from 'evertoken'
import { opened, type StorePlace } from './store-place.ts'

/*
 * herd-process PLACE (JSON) CALLERS, started with an IPC channel: says that it is ready, and on every message does what it says and
 * tells when that is done. `refresh`: refreshes the grant once, as a process has done that was there before. `read`: lets CALLERS ask for
 * the token at once, until all have it.
 */

const [place = '', callers = '1'] = process.argv.slice(2)
const keeper = await Keeper.open({ store: opened(JSON.parse(place) as StorePlace) })
await keeper.getToken('billing')
process.on('message', async (what: 'refresh' | 'read') => {
  if (what === 'refresh') await keeper.refresh('billing')
  else await Promise.all(Array.from({ length: Number(callers) }, () => keeper.getToken('billing')))
  process.send?.('done')
})
process.once('disconnect', async () => {
  await keeper.close()
  process.exit()
})
process.send?.('ready')

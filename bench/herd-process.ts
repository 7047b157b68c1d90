import { Keeper } from 'evertoken'
import { opened, type StorePlace } from './store-place.ts'

/*
 * herd-process PLACE (JSON) CALLERS, started with an IPC channel: says that it is ready, and on every message lets CALLERS ask
 * for the token at once and says when all have it.
 */

const [place = '', callers = '1'] = process.argv.slice(2)
const keeper = await Keeper.open({ store: opened(JSON.parse(place) as StorePlace) })
await keeper.getToken('billing')
process.on('message', async () => {
  await Promise.all(Array.from({ length: Number(callers) }, () => keeper.getToken('billing')))
  process.send?.('answered')
})
process.once('disconnect', async () => {
  await keeper.close()
  process.exit()
})
process.send?.('ready')

import { clientCredentials, Keeper, Worker } from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'

/*
 * refreshing-process FILE TOKEN_URL GRANT OTHERS, started with an IPC channel: a worker that keeps GRANT and OTHERS more
 * alive on the store FILE. Says that it is ready, and on every message how many refreshes there were since the last.
 */

const [file = '', tokenUrl = '', busy = '', others = '0'] = process.argv.slice(2)
const keeper = await Keeper.open({ store: sqliteStore(file) })
const definition = clientCredentials({
  tokenUrl,
  clientId: 'bench',
  clientSecret: 'bench',
  refreshBefore: 1.5,
})
const ids = [busy, ...Array.from({ length: Number(others) }, (_, index) => `other-${index}`)]
for (const id of ids) await keeper.add(id, definition)
await Promise.all(ids.map((id) => keeper.getToken(id)))

const refreshes = { all: 0, busy: 0 }
keeper.on('refreshed', ({ grant }) => {
  refreshes.all += 1
  if (grant === busy) refreshes.busy += 1
})
const worker = new Worker(keeper).start()
process.send?.('ready')
process.on('message', () => {
  process.send?.(refreshes)
  refreshes.all = 0
  refreshes.busy = 0
})
process.once('disconnect', async () => {
  await worker.stop()
  await keeper.close()
  process.exit()
})

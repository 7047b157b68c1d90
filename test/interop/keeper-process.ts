// One of many processes on one SQLite file: it works, and reads and asks the API about every token that it gets.

import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AccessToken, Keeper, nodeTransport, type Transport, Worker } from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'
import type { KeeperProcessOptions, Read } from './keepers.ts'

const options = JSON.parse(process.env.KEEPER_PROCESS_OPTIONS ?? '{}') as KeeperProcessOptions
const { name, grant, resource, journal, timing } = options

const wire = nodeTransport()
const transport: Transport = (request) => {
  if (request.method === 'POST') process.send?.('sending')
  return wire({ ...request, headers: { ...request.headers, 'x-sender': name } })
}

const keeper = await Keeper.open({ store: sqliteStore(options.database), transport, timing })
const worker = new Worker(keeper, { onError: (error) => console.error(error) }).start()
const stopping = new AbortController()
process.once('SIGTERM', () => stopping.abort())
process.on('disconnect', () => process.exit(1))
process.on('message', () => void keeper.refresh(grant).catch(() => undefined))
process.send?.('ready')

while (!stopping.signal.aborted) {
  appendFileSync(journal, `${JSON.stringify(await read())}\n`)
  await sleep(50)
}
await worker.stop()
await keeper.close()
wire.close()
process.removeAllListeners('disconnect')
process.disconnect?.()

/** A token and what the API says of it; one that has died on the way is reported and read anew, as a client would. */
async function read(): Promise<Read> {
  const statuses: number[] = []
  let generation = 0
  try {
    for (let times = 0; times < 10; times++) {
      const token = await keeper.getToken(grant)
      generation = token.generation
      const status = await ask(token)
      statuses.push(status)
      if (status !== 401) break
      await keeper.rejected(grant, { generation })
    }
    return { reader: name, generation, statuses }
  } catch (error) {
    return { reader: name, generation, statuses, error: String(error) }
  }
}

async function ask(token: AccessToken): Promise<number> {
  const answer = await fetch(resource, { headers: { authorization: `Bearer ${token.value}` } })
  await answer.arrayBuffer()
  return answer.status
}

// One of many processes on one store: a worker, or a reader that asks the server about every token it gets.

import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fingerprint } from '@evertoken/testing'
import { Keeper, nodeTransport, type Transport, Worker } from 'evertoken'
import type { KeeperProcessOptions, Read } from './processes.ts'
import { introspect } from './provider-process.ts'
import { storeAt } from './store-address.ts'

const options = JSON.parse(process.env.KEEPER_PROCESS_OPTIONS ?? '{}') as KeeperProcessOptions
const { name, grant, issuer, hold } = options

const wire = nodeTransport()
const hang = async (): Promise<never> => {
  process.send?.({ held: hold })
  return new Promise<never>(() => undefined)
}
const transport: Transport = async (request) => {
  const refreshes = request.method === 'POST'
  if (refreshes && hold === 'request') return hang()
  const response = await wire({ ...request, headers: { ...request.headers, 'x-sender': name } })
  if (refreshes && hold === 'answer') return hang()
  return response
}

const keeper = await Keeper.open({ store: storeAt(options.store), transport, timing: options.timing })
const stopping = new AbortController()
process.once('SIGTERM', () => stopping.abort())
process.on('disconnect', () => process.exit(1))
// Whoever asks for this kills in the middle of it; if not, the log tells what came of it.
process.on('message', () => void keeper.refresh(grant).catch(() => undefined))
process.send?.({ ready: true })

if (options.role === 'worker') await work()
else await read()
await keeper.close()
wire.close()
process.removeAllListeners('disconnect')
process.disconnect?.()

async function work(): Promise<void> {
  const worker = new Worker(keeper, { onError: (error) => console.error(error) }).start()
  await new Promise((resolve) => stopping.signal.addEventListener('abort', resolve))
  await worker.stop()
}

async function read(): Promise<void> {
  while (!stopping.signal.aborted) {
    appendFileSync(options.journal, `${JSON.stringify(await checked())}\n`)
    await sleep(20)
  }
}

/** Gets a token and asks the server, at that moment, whether it is active. */
async function checked(): Promise<Read> {
  const asked = Date.now()
  const reader = { reader: name, asked }
  try {
    const token = await keeper.getToken(grant, { minTtl: 1 })
    const got = Date.now()
    const { active, exp } = await introspect(issuer, token.value)
    const { generation, stale, expiresAt } = token
    return { ...reader, got, generation, stale, expiresAt, token: fingerprint(token.value), active, exp }
  } catch (error) {
    return { ...reader, got: Date.now(), error: String(error) }
  }
}

import path from 'node:path'
import { type Keeper, Worker } from 'evertoken'
import { ensureKeyFile } from '../broker/api-key.ts'
import { startBroker } from '../broker/broker.ts'
import { brokerLog } from '../broker/log.ts'
import { requestedDescription } from '../config/grant-description.ts'
import type { Environment } from './environment.ts'
import { openKeeper } from './local-grants.ts'
import type { Served } from './served.ts'
import { workerTrouble } from './worker-trouble.ts'

/** Keeper, worker and broker, running. */
export interface Service extends AsyncDisposable {
  readonly keeper: Keeper
  /** Where the broker listens. */
  readonly url: string
  /** Files that hold one API key each. */
  readonly adminKey: string
  readonly readerKey: string
  /** Takes no more requests, lets refreshes under way finish, closes the store. */
  stop(): Promise<void>
}

/** Starts all of it, or nothing: what was opened is closed again when a later step fails. */
export async function startService(served: Served, environment: Environment): Promise<Service> {
  const { place } = served
  const keeper = await openKeeper(place, environment)
  const { env, stderr } = environment
  const onError = workerTrouble((line) => stderr.write(line), environment.clock)
  const worker = new Worker(keeper, { onError })
  const adminKey = path.join(place.folder, 'admin.key')
  const readerKey = path.join(place.folder, 'reader.key')
  try {
    for (const { id, definition, labels } of served.grants) await keeper.ensure(id, definition, { labels })
    await ensureKeyFile(keeper.store, adminKey, { label: 'admin', rights: 'administer' })
    await ensureKeyFile(keeper.store, readerKey, { label: 'reader', rights: 'read' })
    const broker = await startBroker({
      keeper,
      grantDescription: requestedDescription(place),
      logger: env.EVERTOKEN_LOG === 'requests' ? brokerLog('debug', stderr) : undefined,
      host: served.listen.host,
      port: served.listen.port,
      publicUrl: served.publicUrl,
      tls: served.tls,
      behindTlsProxy: served.behindTlsProxy,
    })
    worker.start()
    let stopping: Promise<void> | undefined
    const stop = (): Promise<void> => {
      stopping ??= (async () => {
        await broker.close()
        await worker.stop()
        await keeper.close()
      })()
      return stopping
    }
    return { keeper, url: broker.url, adminKey, readerKey, stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await worker.stop()
    await keeper.close()
    throw error
  }
}

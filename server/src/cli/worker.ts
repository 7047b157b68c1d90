import { EvertokenError, type Keeper, type KeeperEvents, Worker } from 'evertoken'
import type { Environment } from './environment.ts'
import { openKeeper } from './local-grants.ts'
import type { PlaceOptions } from './options.ts'
import { findPlace, type Place } from './place.ts'
import { RefreshLines } from './refresh-lines.ts'
import { workerTrouble } from './worker-trouble.ts'

export interface WorkerOptions extends PlaceOptions {
  /** `--once`: what is due now, and no more. */
  once?: boolean | undefined
  /** `--for 2h`, in milliseconds. */
  for?: number | undefined
}

/** Refreshes the grants of a local store before they expire, without a broker: until a signal, for a while, or once. */
export async function worker(options: WorkerOptions, environment: Environment): Promise<void> {
  const { clock, signal, stdout, stderr } = environment
  const place = await findPlace(options, environment)
  await using keeper = await openKeeper(place, environment)
  await ensureConfigured(place, keeper, environment)
  new RefreshLines(keeper).writeTo((line) => stdout.write(`${line}\n`))
  await using working = new Worker(keeper, {
    onError: workerTrouble((line) => stderr.write(line), clock),
  })
  if (options.once === true) {
    await workOnce(working, keeper, environment)
    return
  }
  stderr.write(`evertoken: keeps the grants in ${keeper.store.location} alive; Ctrl-C ends it\n`)
  working.start()
  // A worker without an end is ended by a signal alone.
  while (!signal.aborted) {
    await clock.sleep(options.for ?? 86_400_000, { signal })
    if (options.for !== undefined) break
  }
}

/** For cron: the exit code says whether every grant that was due has a new token. */
async function workOnce(working: Worker, keeper: Keeper, { signal, stdout }: Environment): Promise<void> {
  const failed = new Map<string, KeeperEvents['failing']['code']>()
  keeper.on('failing', ({ grant, code }) => failed.set(grant, code))
  keeper.on('reauthorization_required', ({ grant }) => failed.set(grant, 'reauthorization_required'))
  keeper.on('refreshed', ({ grant }) => failed.delete(grant))
  const tended = await working.once()
  signal.throwIfAborted()
  const codes = [...failed.values()]
  const worst = codes.find((code) => code === 'reauthorization_required') ?? codes[0]
  if (worst !== undefined)
    throw new EvertokenError(
      worst,
      `${failed.size} of ${tended} grants that were due have no new token: ${[...failed.keys()].join(', ')}`,
      {
        advice: 'evertoken list shows why.',
      },
    )
  stdout.write(tended === 1 ? '1 grant was due\n' : `${tended} grants were due\n`)
}

/** What evertoken.yaml says of grants holds for the worker as for the broker. */
async function ensureConfigured(place: Place, keeper: Keeper, { env }: Environment): Promise<void> {
  if (place.configuration === undefined) return
  const { readConfiguration } = await import('../config/configuration.ts')
  for (const { id, definition, labels } of readConfiguration(place.configuration, env).grants)
    await keeper.ensure(id, definition, { labels })
}

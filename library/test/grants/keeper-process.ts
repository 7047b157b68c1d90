import { once } from 'node:events'
import { Keeper } from '../../src/grants/keeper.ts'
import { nodeTransport } from '../../src/oauth/node-transport.ts'
import type { Transport } from '../../src/oauth/transport.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'

/** Where a process stops for ever, to be killed there. */
export type Stop =
  /** The claim is written; nothing was marked or sent. */
  | 'claimed'
  /** The request is about to be sent; it is marked as sent. */
  | 'sending'
  /** The request is at the provider. */
  | 'sent'
  /** The provider has answered; nothing is stored. */
  | 'answered'
  /** The answer is in the spool, and not in the store. */
  | 'spooled'
  /** The new token is stored. */
  | 'committed'

/** What a process of keeper-processes.test.ts is to do, each time it is told to go. */
export interface KeeperTask {
  readonly file: string
  readonly rounds: readonly {
    readonly grant: string
    readonly calls: number
    readonly insist?: boolean
  }[]
  readonly stop?: Stop
}

export interface Round {
  readonly values: readonly string[]
  readonly generations: readonly number[]
  readonly errors: readonly string[]
}

const say = (what: object): void => void process.send?.(what)
const forEver = (at: Stop): Promise<never> => {
  say({ at })
  // The channel to the parent keeps the process alive.
  return new Promise(() => undefined)
}

function stoppingAt(stop: Stop | undefined): Transport {
  const wire = nodeTransport()
  return async (request) => {
    const isToken = request.method === 'POST'
    if (stop === 'claimed' && !isToken) return forEver(stop)
    if (stop === 'sending' && isToken) return forEver(stop)
    if (stop === 'sent' && isToken) say({ at: stop })
    const answer = await wire(request)
    return stop === 'answered' && isToken ? forEver(stop) : answer
  }
}

async function main({ file, rounds, stop }: KeeperTask): Promise<void> {
  const keeper = await Keeper.open({
    store: sqliteStore(file),
    transport: stoppingAt(stop),
    faultPoint: (point) => {
      if (stop !== 'spooled' || point !== 'post_append') return
      say({ at: stop })
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    },
  })
  for (const { grant, calls, insist = false } of rounds) {
    say({ ready: true })
    await once(process, 'message')
    const ask = () => (insist ? keeper.refresh(grant) : keeper.getToken(grant))
    const outcomes = await Promise.allSettled(Array.from({ length: calls }, ask))
    const tokens = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    if (stop === 'committed') await forEver(stop)
    say({
      values: [...new Set(tokens.map(({ value }) => value))],
      generations: [...new Set(tokens.map(({ generation }) => generation))],
      errors: outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason)] : [])),
    } satisfies Round)
  }
  await keeper.close()
  process.disconnect?.()
}

await main(JSON.parse(process.argv[2] ?? '{}') as KeeperTask)

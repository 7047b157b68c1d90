// One process of evertoken that does what it is told, and may come to its end at a named moment.

import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { EvertokenError, Keeper, nodeTransport, type Transport, Worker } from 'evertoken'
import { postgresStore } from 'evertoken/postgres'
import { sqliteStore } from 'evertoken/sqlite'
import { FileClock } from './file-clock.ts'
import type { Command, FaultTask, Reply, Stop } from './processes.ts'

const { name, clockFile, utcOffset, store, keyFile, timing, ...task } = JSON.parse(
  process.env.FAULT_TASK ?? '{}',
) as FaultTask
const clock = new FileClock(clockFile, utcOffset)
const cell = new Int32Array(new SharedArrayBuffer(4))
let stop: Stop | undefined = task.stop
let passed = stop?.after === undefined

// A disk that is full says so by this signal as well, which would end the process before its error is seen.
process.on('SIGXFSZ', () => undefined)

/** Written at once, by whatever state this process is in. */
const say = (what: object): void => void writeSync(1, `${JSON.stringify(what)}\n`)

function faultPoint(point: string): void {
  if (stop === undefined) return
  if (!passed) {
    passed = point === stop.after
    return
  }
  if (point !== stop.at) return
  const { how } = stop
  stop = undefined
  say({ at: point })
  end(how)
}

function end(how: Stop['how']): void {
  switch (how) {
    case 'kill':
      process.kill(process.pid, 'SIGKILL')
      Atomics.wait(cell, 0, 0)
      return
    case 'stop':
      process.kill(process.pid, 'SIGSTOP')
      // The signal reaches this thread in its wait, if it has not already.
      Atomics.wait(cell, 0, 0, 20)
      return
    case 'block': {
      // Nothing of this process goes on until the clock of all says that half a minute has passed.
      const until = clock.boot() + 30_000
      while (clock.boot() < until) Atomics.wait(cell, 0, 0, 5)
      return
    }
    case 'exhaust': {
      const all: unknown[] = []
      for (;;) all.push(new Array(100_000).fill(all.length))
    }
    case 'full':
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    default:
      how satisfies never
  }
}

const wire = nodeTransport()
const transport: Transport = (request) =>
  wire({ ...request, headers: { ...request.headers, 'x-practice-sender': name } })

const keys = [{ id: 'k1', file: keyFile }]
const opener =
  store.kind === 'sqlite'
    ? sqliteStore(store.file, { spool: store.spool, keys, clock, faultPoint })
    : postgresStore({ url: store.url, folder: store.folder, keys, clock, faultPoint })
const keeper = await Keeper.open({ store: opener, transport, clock, timing, faultPoint })
let worker: Worker | undefined

async function done(command: Command): Promise<unknown> {
  switch (command.do) {
    case 'stop_at':
      stop = command.stop
      passed = stop.after === undefined
      return undefined
    case 'tend':
      return (await keeper.tend(command.grant)).kind
    case 'get':
      return shown(await keeper.getToken(command.grant, command.request))
    case 'read': {
      const asked = Array.from({ length: command.calls }, (_, call) =>
        keeper.getToken(command.grant, { scope: command.scopes[call % command.scopes.length] }),
      )
      const outcomes = await Promise.allSettled(asked)
      const tokens = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      return {
        values: [...new Set(tokens.map(({ value }) => value))],
        errors: outcomes.flatMap((outcome) =>
          outcome.status === 'rejected' ? [String(outcome.reason)] : [],
        ),
      }
    }
    case 'refresh':
      return shown(await keeper.refresh(command.grant))
    case 'revoke':
      return (await keeper.revoke(command.grant)).state
    case 'once':
      return new Worker(keeper).once()
    case 'work':
      worker ??= new Worker(keeper, { onError: (error) => say({ trouble: String(error) }) }).start()
      return undefined
    case 'show':
      return keeper.show(command.grant)
    case 'adopt':
      return keeper.adopt()
    case 'close':
      await worker?.stop()
      await keeper.close()
      wire.close()
      return undefined
    default:
      return command satisfies never
  }
}

const shown = ({ value, generation, stale, expiresAt }: Awaited<ReturnType<Keeper['getToken']>>) => ({
  value,
  generation,
  stale,
  expiresAt,
})

process.on('message', (message: Command & { id: number }) => {
  const { id, ...command } = message
  done(command as Command).then(
    (value) => answer({ id, value }),
    (error: unknown) =>
      answer({
        id,
        error: {
          code: error instanceof EvertokenError ? error.code : 'none',
          message: error instanceof Error ? (error.stack ?? error.message) : String(error),
        },
      }),
  )
})

function answer(reply: Reply): void {
  process.send?.(reply)
}

process.once('disconnect', () => process.exit(1))
// Whoever is killed leaves no cache at its end, and the next would compile all of it again.
flushCompileCache()
say({ ready: true })

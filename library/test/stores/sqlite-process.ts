import { once } from 'node:events'
import { newRecord } from '@evertoken/testing/store-contract'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'

/** What a process of sqlite-processes.test.ts is to do. */
export type Task =
  /** Opens at a sign, says what it found, closes; then opens and closes a few times more. */
  | { readonly kind: 'open'; readonly file: string }
  /** Opens, and at a sign raises the fence of a grant many times. */
  | { readonly kind: 'increment'; readonly file: string; readonly id: string; readonly times: number }
  /** Raises the fence of a grant, and writes to stderr each time that it is durable: its system calls are recorded. */
  | { readonly kind: 'record'; readonly file: string; readonly id: string; readonly times: number }
  /** Puts a grant that it holds itself, says who it is, and stays. */
  | { readonly kind: 'hold'; readonly file: string; readonly id: string }

export interface Opened {
  readonly storeId: string
  readonly fingerprint: string
}

const say = (what: object): void => void process.send?.(what)
const sign = async (): Promise<void> => {
  say({ ready: true })
  await once(process, 'message')
}

async function main(task: Task): Promise<void> {
  switch (task.kind) {
    case 'open': {
      await sign()
      const store = await sqliteStore(task.file).open()
      say({ storeId: store.storeId, fingerprint: store.seal.fingerprint('text') } satisfies Opened)
      await store.close()
      // The last one to close tidies up, which must not disturb those that open meanwhile.
      for (let again = 0; again < 5; again++) await (await sqliteStore(task.file).open()).close()
      break
    }
    case 'increment': {
      const store = await sqliteStore(task.file).open()
      await sign()
      for (let time = 0; time < task.times; time++)
        await store.update(task.id, (record) => {
          if (record === undefined) throw new Error('no grant')
          return { result: undefined, record: { ...record, fence: record.fence + 1 } }
        })
      say({ done: true })
      await store.close()
      break
    }
    case 'record': {
      const store = await sqliteStore(task.file).open()
      for (let time = 1; time <= task.times; time++) {
        // Large enough that the write-ahead log is carried over a few times.
        const definition = new Uint8Array(30_000).fill(time)
        await store.update(task.id, (record) => {
          if (record === undefined) throw new Error('no grant')
          return { result: undefined, record: { ...record, definition, fence: time } }
        })
        process.stderr.write(`durable ${time}\n`)
      }
      await store.close()
      process.stderr.write('end\n')
      break
    }
    case 'hold': {
      const store = await sqliteStore(task.file).open()
      const { at, boot } = store.time()
      const held = newRecord(store, task.id, {
        lease: { owner: store.owner, until: at + 3_600_000, boot },
        schedule: { dueAt: at + 3_600_000, backoffUntil: 0, failures: 0 },
      })
      await store.update(task.id, () => ({ result: undefined, record: held }))
      say({ owner: store.owner })
      await once(process, 'message')
      break
    }
    default:
      task satisfies never
  }
  process.disconnect?.()
}

await main(JSON.parse(process.argv[2] ?? '{}') as Task)

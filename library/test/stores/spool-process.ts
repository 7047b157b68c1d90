import { once } from 'node:events'
import { openSpool } from '../../src/stores/spool/spool.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { answer, spoolOptions } from './spool-answers.ts'

/** What a process of the spool's tests is to do. */
export type Task =
  /** Appends one answer after the other and says each id once it is durable, until it is killed. */
  | { readonly kind: 'append'; readonly folder: string }
  /** Appends one answer and kills itself at the fault point. */
  | { readonly kind: 'die'; readonly folder: string; readonly at: string }
  /** Says what a store can still do where no file may grow beyond a size. */
  | { readonly kind: 'full'; readonly file: string; readonly grant: string }
  /** Appends and settles as fast as it goes, and ends: its system calls are recorded. */
  | { readonly kind: 'record'; readonly folder: string; readonly count: number }

const say = (what: object): void => void process.send?.(what)

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: { code?: unknown }) => error.code,
  )

async function main(task: Task): Promise<void> {
  switch (task.kind) {
    case 'append': {
      const spool = openSpool(spoolOptions(task.folder))
      say({ owner: spool.owner })
      for (let index = 0; ; index++) {
        await spool.append(answer(spool.owner, `${index}`))
        say({ durable: `${index}` })
        // The last few stay.
        if (index >= 3) spool.settle(`${index - 3}`)
      }
    }
    case 'die': {
      const spool = openSpool({
        ...spoolOptions(task.folder),
        faultPoint: (name) => {
          if (name === task.at) process.kill(process.pid, 'SIGKILL')
        },
      })
      say({ owner: spool.owner })
      // What it said has to be on its way before it dies.
      await once(process, 'message')
      await spool.append(answer(spool.owner, '1'))
      break
    }
    case 'full': {
      const store = await sqliteStore(task.file).open()
      const { spool, owner } = store
      if (spool === undefined) throw new Error('no spool')
      say({
        ready: await codeOf(spool.ready()),
        small: await codeOf(spool.append(answer(owner, '1'))),
        large: await codeOf(spool.append(answer(owner, '2', { bytes: 300_000 }))),
        after: await codeOf(spool.append(answer(owner, '3'))),
        read: (await store.read(task.grant))?.id,
        updated: await codeOf(
          store.update(task.grant, (record) => ({
            result: undefined,
            record: record === undefined ? undefined : { ...record, fence: record.fence + 1 },
          })),
        ),
      })
      await store.close()
      break
    }
    case 'record': {
      const spool = openSpool(spoolOptions(task.folder))
      const { owner } = spool
      say({ owner })
      for (let index = 0; index < task.count; index++) {
        await spool.append(answer(owner, `${index}`, { grant: `grant-${index}` }))
        // A system call that the record shows, so that what was promised stands at its place in it.
        process.stderr.write(`durable ${index}\n`)
        if (index % 3 !== 2) continue
        for (const back of [1, 2]) {
          process.stderr.write(`settled ${index - back}\n`)
          spool.settle(`${index - back}`)
        }
        if (index % 6 !== 5) continue
        for (const back of [0, 3]) {
          process.stderr.write(`settled ${index - back}\n`)
          spool.settle(`${index - back}`)
        }
      }
      process.stderr.write('end\n')
      break
    }
    default:
      task satisfies never
  }
  process.disconnect?.()
}

await main(JSON.parse(process.argv[2] ?? '{}') as Task)

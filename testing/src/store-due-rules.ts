import assert from 'node:assert/strict'
import type { GrantStore } from 'evertoken'
import { due, hour, newRecord, put, rejection, twoConnections } from './store-records.ts'
import type { Rule } from './store-rule.ts'

const unsettled = { fence: 1, parent: 'none', owner: 'owner', spool: '', localDone: true } as const

/** Who is given what is due. */
export const dueRules: readonly Rule[] = [
  {
    name: 'updateDue is given what is due, longest due first, and no more than asked',
    async check(subject) {
      const store = await subject.open()
      const { at } = store.time()
      const dues: [string, number | null][] = [
        ['a', at - 10],
        ['b', at - hour],
        ['c', at + hour],
        ['d', null],
        ['e', at - 1000],
      ]
      for (const [id, dueAt] of dues)
        await put(store, newRecord(store, id, { schedule: { dueAt, backoffUntil: 0, failures: 0 } }))
      assert.deepEqual(await due(store, 10), ['b', 'e', 'a'])
      assert.deepEqual(await due(store, 2), ['b', 'e'])
      assert.deepEqual(await due(store, 0), [])
      assert.equal(await store.nextDue(), at - hour)
    },
  },
  {
    name: 'updateDue is given first what has an attempt without a verdict: its reuse window may be closing',
    async check(subject) {
      const store = await subject.open()
      const { at, boot } = store.time()
      const add = async (id: string, dueAt: number, isSent: boolean) => {
        const attempts = isSent ? [{ ...unsettled, id: `attempt of ${id}`, boot, sentAt: at - hour }] : []
        await put(
          store,
          newRecord(store, id, { attempts, schedule: { dueAt, backoffUntil: 0, failures: 0 } }),
        )
      }
      await add('a', at - hour, false)
      await add('b', at - 10, true)
      await add('c', at - 1000, true)
      await add('d', at + hour, true)
      await add('e', at - 2000, false)
      assert.deepEqual(await due(store, 10), ['c', 'b', 'a', 'e'])
      assert.deepEqual(await due(store, 1), ['c'])
      assert.deepEqual(await due(store, 3), ['c', 'b', 'a'])
    },
  },
  {
    name: 'what is due follows every change',
    async check(subject) {
      const store = await subject.open()
      const { at } = store.time()
      const move = (dueAt: number | null) =>
        store.update('a', (record) => {
          const before = record ?? newRecord(store, 'a')
          return { result: undefined, record: { ...before, schedule: { ...before.schedule, dueAt } } }
        })
      await move(at + hour)
      assert.deepEqual([await due(store, 1), await store.nextDue()], [[], at + hour])
      await move(at)
      assert.deepEqual([await due(store, 1), await store.nextDue()], [['a'], at])
      await move(null)
      assert.deepEqual([await due(store, 1), await store.nextDue()], [[], undefined])
      await move(at)
      await store.update('a', () => ({ result: undefined, record: null }))
      assert.deepEqual([await due(store, 1), await store.nextDue()], [[], undefined])
    },
  },
  {
    name: 'updateDue writes what each decision wants, and all of it counts at once',
    async check(subject) {
      const store = await subject.open()
      for (const id of ['a', 'b', 'c', 'd']) await put(store, newRecord(store, id))
      const results = await store.updateDue(3, (record, moment) => {
        if (record.id === 'b') return { result: 'left' }
        if (record.id === 'c') return { result: 'removed', record: null }
        const schedule = { ...record.schedule, dueAt: moment.time.at + hour }
        return { result: record.id, record: { ...record, fence: record.fence + 1, schedule } }
      })
      assert.equal(results.length, 3)
      const seen = new Map((await store.list()).map((record) => [record.id, record.fence]))
      for (const id of results.filter((result) => result.length === 1)) assert.equal(seen.get(id), 2, id)
      assert.equal(seen.has('c'), !results.includes('removed'))
      assert.ok((await due(store, 10)).includes('d') || results.includes('d'))
    },
  },
  {
    name: 'a decision of updateDue that throws changes nothing',
    async check(subject) {
      const store = await subject.open()
      for (const id of ['a', 'b', 'c']) await put(store, newRecord(store, id))
      const mistake = new Error('mistake')
      let decided = 0
      const thrown = await rejection(() =>
        store.updateDue(10, (record) => {
          decided += 1
          if (decided === 2) throw mistake
          return { result: record.id, record: { ...record, fence: 99 } }
        }),
      )
      assert.equal(thrown, mistake)
      assert.deepEqual(
        (await store.list()).map(({ fence }) => fence),
        [1, 1, 1],
      )
      assert.equal((await due(store, 10)).length, 3)
    },
  },
  {
    name: 'of many that ask for what is due none is given a grant that another has taken',
    shared: true,
    async check(subject) {
      const [first, second] = await twoConnections(subject)
      for (let index = 0; index < 20; index++) await put(first, newRecord(first, `grant-${index}`))
      const take = (store: GrantStore) =>
        store.updateDue(5, (record, { time }) => ({
          result: record.id,
          record: { ...record, schedule: { ...record.schedule, dueAt: time.at + hour } },
        }))
      const taken: string[] = []
      for (let round = 0; round < 4; round++)
        taken.push(...(await Promise.all([take(first), take(second)])).flat())
      assert.equal(new Set(taken).size, taken.length, 'one was taken twice')
      assert.equal(taken.length, 20)
    },
  },
]

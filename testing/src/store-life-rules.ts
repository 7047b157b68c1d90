import assert from 'node:assert/strict'
import { codeOf, consent, due, increment, newRecord, put, rejection, utc } from './store-records.ts'
import type { Rule } from './store-rule.ts'

/** The store itself: its time, and its end. */
export const lifeRules: readonly Rule[] = [
  {
    name: 'the store time goes on, in one boot',
    async check(subject) {
      const store = await subject.open()
      const first = store.time()
      const second = await store.update('a', (_, moment) => ({ result: moment.time }))
      assert.ok(second.at >= first.at)
      assert.equal(second.boot, first.boot)
      assert.equal(store.owner, store.owner)
      assert.equal(
        await store.update('a', (_, { isGone }) => ({ result: isGone(store.owner) })),
        false,
        'a store thinks that it is gone',
      )
    },
  },
  {
    name: 'closing again is the same, and afterwards every call is refused with the code closed',
    async check(subject) {
      const store = await subject.open()
      await put(store, newRecord(store, 'a'))
      await Promise.all([store.close(), store.close()])
      await store.close()
      const calls: (() => Promise<unknown>)[] = [
        () => store.read('a'),
        () => store.update('a', () => ({ result: undefined })),
        () => due(store, 1),
        () => store.nextDue(),
        () => store.list(),
        () => store.superseded('a'),
        () => store.notices(),
        () => store.updateCircuit('c', () => ({ result: undefined })),
        () => store.readCircuit('c'),
        () => store.attemptedFrom('spool'),
        () => store.spools(),
        () => store.retireSpool('spool', utc),
        () => store.adopt(),
        () => consent(store, 'state', 'a'),
        () => store.takeConsent('state'),
        () => store.putApiKey({ id: 'k', label: '', rights: 'read', hash: '', createdAt: 0 }),
        () => store.findApiKey('k'),
      ]
      for (const call of calls) assert.equal(codeOf(await rejection(call)), 'closed', String(call))
      // A reader asks for the version before anything else, and must hear the same.
      assert.equal(codeOf(await rejection(async () => store.version())), 'closed')
    },
  },
  {
    name: 'what is asked for before closing is done or refused, never left without an answer',
    async check(subject) {
      const store = await subject.open()
      await put(store, newRecord(store, 'a'))
      const asked = increment(store, 'a')
      const closed = store.close()
      const outcome = await asked.then(
        () => 'done',
        (error: unknown) => codeOf(error),
      )
      await closed
      assert.ok(outcome === 'done' || outcome === 'closed', String(outcome))
    },
  },
]

import assert from 'node:assert/strict'
import type { GrantRecord, GrantStore } from 'evertoken'
import {
  bytes,
  change,
  circuit,
  consent,
  held,
  hour,
  newRecord,
  put,
  rejection,
  row,
  twoConnections,
  utc,
  withoutWriter,
} from './store-records.ts'
import type { Rule } from './store-rule.ts'

/** Circuits, spools, consents and API keys. */
export const registerRules: readonly Rule[] = [
  {
    name: 'a circuit comes back as it was written, and a decision without one leaves it',
    async check(subject) {
      const store = await subject.open()
      const seen = await store.updateCircuit('ü key', (found, time) => ({
        result: [found, time.boot === store.time().boot],
        circuit: circuit(1),
      }))
      assert.deepEqual(seen, [undefined, true])
      assert.deepEqual(await store.readCircuit('ü key'), circuit(1))
      assert.equal(await store.updateCircuit('ü key', (found) => ({ result: found?.straight })), 1)
      assert.deepEqual(await store.readCircuit('ü key'), circuit(1))
      assert.equal(await store.readCircuit('other'), undefined)
    },
  },
  {
    name: 'a decision on a circuit that throws writes nothing',
    async check(subject) {
      const store = await subject.open()
      await store.updateCircuit('c', () => ({ result: undefined, circuit: circuit(1) }))
      const mistake = new Error('mistake')
      const thrown = await rejection(() =>
        store.updateCircuit('c', () => {
          throw mistake
        }),
      )
      assert.equal(thrown, mistake)
      assert.deepEqual(await store.readCircuit('c'), circuit(1))
    },
  },
  {
    name: 'of many updates of a circuit over two connections none is lost',
    shared: true,
    async check(subject) {
      const [first, second] = await twoConnections(subject)
      const count = (store: GrantStore) =>
        store.updateCircuit('c', (found) => {
          const straight = (found?.straight ?? 0) + 1
          return { result: straight, circuit: circuit(straight) }
        })
      const seen = await Promise.all(
        Array.from({ length: 60 }, (_, index) => count(index % 2 === 0 ? first : second)),
      )
      assert.equal(new Set(seen).size, 60)
      assert.equal((await second.readCircuit('c'))?.straight, 60)
    },
  },
  {
    name: 'attemptedFrom names the grants whose answer would stand in that spool',
    async check(subject) {
      const store = await subject.open()
      const attempt = (id: string, spool: string): GrantRecord['attempts'][number] => ({
        id,
        fence: 1,
        parent: 'p',
        owner: 'o',
        boot: 'b',
        localDone: false,
        spool,
      })
      await change(store, 'a', { attempts: [attempt('1', 'spool-1'), attempt('2', 'spool-1')] })
      await change(store, 'b', { attempts: [attempt('3', 'spool-2')] })
      await change(store, 'c', { attempts: [attempt('4', ''), attempt('5', 'spool-1')] })
      assert.deepEqual(await store.attemptedFrom('spool-1'), ['a', 'c'])
      assert.deepEqual(await store.attemptedFrom('spool-2'), ['b'])
      assert.deepEqual(await store.attemptedFrom(''), [])
      await change(store, 'a', { attempts: [] })
      assert.deepEqual(await store.attemptedFrom('spool-1'), ['c'])
    },
  },
  {
    name: 'a store knows its spool from the moment that it has one, and an operator can give it up',
    async check(subject) {
      const store = await subject.open()
      assert.equal(typeof store.owner, 'string')
      const { spool } = store
      assert.equal(await store.retireSpool('no such spool', utc), false)
      if (spool === undefined) {
        assert.deepEqual(await store.spools(), [])
        return
      }
      await put(store, newRecord(store, 'a'))
      const [known, ...others] = await store.spools()
      assert.deepEqual(others, [])
      assert.equal(known?.id, spool.id)
      assert.equal(known?.folder, spool.folder)
      assert.equal(typeof known?.host, 'string')
      assert.ok((known?.seenAt ?? 0) > 0)
      assert.equal(known?.retiredAt, undefined)
      assert.equal(await store.retireSpool(spool.id, utc), true)
      assert.equal((await store.spools())[0]?.retiredAt, utc)
    },
  },
  {
    name: 'a new store is no copy, and stays the same grants under the same keys when it is adopted',
    async check(subject) {
      const store = await subject.open()
      assert.equal(store.foreign, undefined)
      await put(store, newRecord(store, 'a'))
      const place = { grant: 'a', field: 'definition' } as const
      const box = store.seal.seal('text', { ...place, fence: 1 })
      await store.adopt()
      assert.equal(store.foreign, undefined)
      assert.equal((await store.read('a'))?.id, 'a')
      assert.equal(store.seal.open(box, place), 'text')
      assert.equal((await subject.open()).foreign, undefined)
    },
  },
  {
    name: 'an answer in its spool is there until it is settled',
    async check(subject) {
      const store = await subject.open()
      const { spool, owner } = store
      if (spool === undefined) return
      await spool.ready()
      await spool.append({
        grant: 'a',
        attempt: { id: 'attempt', fence: 1, parent: 'p', owner },
        answered: { token: withoutWriter(row()), refreshToken: held('1') },
      } as Parameters<typeof spool.append>[0])
      // Nobody drains what a living process has.
      assert.deepEqual(spool.remains(), [])
      assert.equal(spool.isGone(owner), false)
      spool.settle('attempt')
      spool.settle('attempt')
      assert.deepEqual(spool.remains(), [])
    },
  },
  {
    name: 'a consent is given once, whoever asks at the same time',
    async check(subject) {
      const store = await subject.open()
      await put(store, newRecord(store, 'a'))
      const expiresAt = Date.now() + hour
      await consent(store, 'state-1', 'a', expiresAt)
      const taken = await Promise.all(Array.from({ length: 5 }, () => store.takeConsent('state-1')))
      assert.deepEqual(
        taken
          .filter((found) => found !== undefined)
          .map((found) => ({ ...found, sealed: [...found.sealed] })),
        [{ stateHash: 'state-1', grant: 'a', sealed: [...bytes('verifier')], expiresAt }],
      )
      assert.equal(await store.takeConsent('state-1'), undefined)
    },
  },
  {
    name: 'a consent that nobody finished in time is forgotten when another begins',
    async check(subject) {
      const store = await subject.open()
      await put(store, newRecord(store, 'a'))
      await consent(store, 'late', 'a', Date.now() - 1000)
      await consent(store, 'next', 'a')
      assert.equal(await store.takeConsent('late'), undefined)
      assert.equal((await store.takeConsent('next'))?.grant, 'a')
    },
  },
  {
    name: 'an API key is found by its id, and the newest of an id counts',
    async check(subject) {
      const store = await subject.open()
      const key = { id: 'key-1', label: 'ci', rights: 'read', hash: 'h1', createdAt: utc } as const
      await store.putApiKey(key)
      assert.deepEqual(await store.findApiKey('key-1'), key)
      await store.putApiKey({ ...key, rights: 'administer', hash: 'h2' })
      assert.deepEqual(await store.findApiKey('key-1'), { ...key, rights: 'administer', hash: 'h2' })
      assert.equal(await store.findApiKey('key-2'), undefined)
    },
  },
]

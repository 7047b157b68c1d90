import assert from 'node:assert/strict'
import type { GrantRecord, GrantStore } from 'evertoken'
import {
  bytes,
  change,
  consent,
  due,
  fullRecord,
  increment,
  newRecord,
  plain,
  put,
  row,
  twoConnections,
} from './store-records.ts'
import type { Rule } from './store-rule.ts'

/** What becomes of a record that is written, changed, listed and deleted. */
export const recordRules: readonly Rule[] = [
  {
    name: 'an empty store has no grants and nothing due',
    async check(subject) {
      const store = await subject.open()
      assert.equal(await store.read('a'), undefined)
      assert.deepEqual(await store.list(), [])
      assert.deepEqual(await store.superseded('a'), [])
      assert.deepEqual(await store.notices(), [])
      assert.equal(await store.readCircuit('circuit'), undefined)
      assert.deepEqual(await store.attemptedFrom('spool'), [])
      assert.deepEqual(await due(store, 10), [])
      assert.equal(await store.nextDue(), undefined)
      assert.equal(await store.takeConsent('state'), undefined)
      assert.equal(await store.findApiKey('key'), undefined)
    },
  },
  {
    name: 'a record comes back with every member as it was written',
    async check(subject) {
      const store = await subject.open()
      const record = fullRecord(store, 'a')
      await put(store, record)
      assert.deepEqual(plain(await store.read('a')), plain(record))
      assert.deepEqual((await store.list()).map(plain), [plain(record)])
      const seen = await store.update('a', (found) => ({ result: found }))
      assert.deepEqual(plain(seen), plain(record))
      assert.equal(await store.read('b'), undefined)
    },
  },
  {
    name: 'every member of a record can be changed alone, set and taken away',
    async check(subject) {
      const store = await subject.open()
      const bare = newRecord(store, 'a')
      const full = fullRecord(store, 'a')
      await put(store, bare)
      const { notices } = full
      for (const [from, to] of [
        [{ ...bare, notices }, full],
        [full, { ...bare, notices }],
      ] as const)
        for (const name of new Set([...Object.keys(full), ...Object.keys(bare)]) as Set<keyof GrantRecord>) {
          // Notices are only ever added to.
          if (name === 'id' || name === 'createdAt' || name === 'notices') continue
          await put(store, from)
          const expected = await store.update('a', (record) => {
            const next = { ...(record as GrantRecord), [name]: to[name] }
            return { result: next, record: next }
          })
          assert.deepEqual(plain(await store.read('a')), plain(expected), `${name} was not written`)
        }
      for (const name of Object.keys(full.schedule)) {
        await put(store, { ...bare, notices })
        const expected = await store.update('a', (record) => {
          const before = record as GrantRecord
          const schedule = { ...before.schedule, [name]: full.schedule[name as keyof typeof full.schedule] }
          return { result: { ...before, schedule }, record: { ...before, schedule } }
        })
        assert.deepEqual(plain(await store.read('a')), plain(expected), `schedule.${name} was not written`)
      }
    },
  },
  {
    name: 'tokens and attempts are added, replaced and taken away one by one',
    async check(subject) {
      const store = await subject.open()
      const steps: Partial<GrantRecord>[] = [
        { tokens: [row()] },
        { tokens: [row({ generation: 2, sealed: bytes('access-2') }), row({ scope: 'read' })] },
        { tokens: [row({ scope: 'read', resource: 'r' }), row({ scope: 'read' })] },
        { tokens: [] },
        { attempts: fullRecord(store, 'a').attempts },
        { attempts: fullRecord(store, 'a').attempts.slice(1) },
        {
          attempts: fullRecord(store, 'a')
            .attempts.slice(1)
            .map((open) => ({ ...open, sentAt: 5 })),
        },
        { attempts: [] },
      ]
      await put(store, newRecord(store, 'a'))
      for (const change of steps) {
        const expected = await store.update('a', (record) => {
          const next = { ...(record as GrantRecord), ...change }
          return { result: next, record: next }
        })
        assert.deepEqual(plain(await store.read('a')), plain(expected))
      }
    },
  },
  {
    name: 'a record that was given out does not change with the store, nor the store with it',
    async check(subject) {
      const store = await subject.open()
      const given = fullRecord(store, 'a')
      await put(store, given)
      const before = await store.read('a')
      const shown = plain(before)
      await increment(store, 'a')
      assert.deepEqual(plain(before), shown)
      assert.equal((await store.read('a'))?.fence, given.fence + 1)
    },
  },
  {
    name: 'a decision that throws writes nothing, and its error comes through',
    async check(subject) {
      const store = await subject.open()
      await put(store, newRecord(store, 'a'))
      const mistake = new Error('mistake')
      const [before, thrown, after] = await Promise.allSettled([
        increment(store, 'a'),
        store.update('a', () => {
          throw mistake
        }),
        increment(store, 'a'),
      ])
      assert.equal(before.status === 'fulfilled' && before.value, 2)
      assert.equal(thrown.status === 'rejected' && thrown.reason, mistake)
      assert.equal(after.status === 'fulfilled' && after.value, 3)
      assert.equal((await store.read('a'))?.fence, 3)
    },
  },
  {
    name: 'a decision without a record leaves the row as it was',
    async check(subject) {
      const store = await subject.open()
      await put(store, newRecord(store, 'a'))
      const version = store.version()
      assert.equal(await store.update('a', () => ({ result: 'nothing' })), 'nothing')
      assert.equal(await store.update('missing', (record) => ({ result: record })), undefined)
      assert.deepEqual(plain(await store.read('a')), plain(newRecord(store, 'a', await store.read('a'))))
      if (version !== undefined) assert.equal(typeof store.version(), 'number')
    },
  },
  {
    name: 'of many updates at once none is lost and each sees the one before',
    async check(subject) {
      const store = await subject.open()
      await put(store, newRecord(store, 'a'))
      await put(store, newRecord(store, 'b'))
      const seen = await Promise.all(
        Array.from({ length: 200 }, (_, index) => increment(store, index % 2 === 0 ? 'a' : 'b')),
      )
      assert.deepEqual(
        seen.filter((_, index) => index % 2 === 0),
        Array.from({ length: 100 }, (_, index) => index + 2),
      )
      assert.equal((await store.read('a'))?.fence, 101)
      assert.equal((await store.read('b'))?.fence, 101)
    },
  },
  {
    name: 'of many updates over two connections none is lost',
    shared: true,
    async check(subject) {
      const [first, second] = await twoConnections(subject)
      await put(first, newRecord(first, 'a'))
      const all = Array.from({ length: 100 }, (_, index) => increment(index % 2 === 0 ? first : second, 'a'))
      const seen = await Promise.all(all)
      assert.equal(new Set(seen).size, 100)
      assert.equal((await first.read('a'))?.fence, 101)
      assert.equal((await second.read('a'))?.fence, 101)
    },
  },
  {
    name: 'one connection reads what another has written',
    shared: true,
    async check(subject) {
      const [first, second] = await twoConnections(subject)
      assert.equal(first.storeId, second.storeId)
      assert.notEqual(first.owner, second.owner)
      await put(first, newRecord(first, 'a'))
      assert.equal((await second.read('a'))?.fence, 1)
      await increment(first, 'a')
      assert.equal((await second.read('a'))?.fence, 2)
      await first.update('a', () => ({ result: undefined, record: null }))
      assert.equal(await second.read('a'), undefined)
    },
  },
  {
    name: 'each connection is told which grants another has changed, whatever of them a reader may have to see',
    shared: true,
    async check(subject) {
      const [first, second] = await twoConnections(subject)
      await put(first, newRecord(first, 'a'))
      const full = fullRecord(first, 'a')
      const parts = ['status', 'facts', 'refreshBefore', 'proofKey', 'tokens', 'lease'] as const
      const changes: [string, Partial<GrantRecord> | null][] = [
        ...parts.map((name): [string, Partial<GrantRecord>] => ['a', { [name]: full[name] }]),
        ['a', { tokens: full.tokens.map((token) => ({ ...token, sealed: bytes('newer') })) }],
        ['a', { tokens: [] }],
        ['b', {}],
        ['a', null],
      ]
      for (const [id, part] of changes) {
        const before = [first, second].map((store) => ({ store, version: store.version() }))
        for (const { store, version } of before) assert.equal(store.version(), version)
        if (part === null) await first.update(id, () => ({ result: undefined, record: null }))
        else await change(first, id, part)
        for (const { store, version } of before) {
          if (version === undefined) continue
          const what = JSON.stringify([id, part && Object.keys(part)])
          assert.notEqual(store.version(), version, `no version tells of ${what}`)
          assert.notEqual(store.changedSince?.(version)?.includes(id), false, `nobody is told of ${what}`)
        }
      }
    },
  },
  {
    name: 'two connections agree on the time and on what opens',
    shared: true,
    async check(subject) {
      const [first, second] = await twoConnections(subject)
      assert.equal(first.time().boot, second.time().boot)
      assert.ok(Math.abs(first.time().at - second.time().at) < 1000)
      const place = { grant: 'a', field: 'definition' } as const
      assert.equal(second.seal.open(first.seal.seal('text', { ...place, fence: 1 }), place), 'text')
      assert.equal(first.seal.fingerprint('text'), second.seal.fingerprint('text'))
    },
  },
  {
    name: 'its own writes change the version',
    async check(subject) {
      const store = await subject.open()
      const version = store.version()
      await put(store, newRecord(store, 'a'))
      if (version !== undefined) assert.notEqual(store.version(), version)
    },
  },
  {
    name: 'null deletes a grant with its tokens, attempts and consents',
    async check(subject) {
      const store = await subject.open()
      await put(store, fullRecord(store, 'a'))
      await put(store, newRecord(store, 'b'))
      await consent(store, 'state-a', 'a')
      await consent(store, 'state-b', 'b')
      assert.equal(await store.update('a', () => ({ result: 'gone', record: null })), 'gone')
      assert.equal(await store.read('a'), undefined)
      assert.deepEqual(
        (await store.list()).map(({ id }) => id),
        ['b'],
      )
      await put(store, newRecord(store, 'a'))
      assert.deepEqual(plain(await store.read('a')), plain(newRecord(store, 'a', await store.read('a'))))
      assert.deepEqual((await store.read('a'))?.tokens, [])
      assert.deepEqual((await store.read('a'))?.attempts, [])
      // A consent to the old grant must not finish as one to the new grant of that name.
      assert.equal(await store.takeConsent('state-a'), undefined)
      assert.equal((await store.takeConsent('state-b'))?.grant, 'b')
      await store.update('never there', () => ({ result: undefined, record: null }))
    },
  },
  {
    name: 'list goes by id, after one, up to a limit',
    async check(subject) {
      const store = await subject.open()
      const ids = ['b', 'a', 'A', '10', '9', 'a-1', 'a.1', 'a_1', 'Z', 'z']
      for (const id of ids) await put(store, newRecord(store, id))
      const listed = async (page?: Parameters<GrantStore['list']>[0]) =>
        (await store.list(page)).map(({ id }) => id)
      const sorted = ids.toSorted()
      assert.deepEqual(await listed(), sorted)
      assert.deepEqual(await listed({ limit: 3 }), sorted.slice(0, 3))
      assert.deepEqual(await listed({ after: 'a', limit: 2 }), ['a-1', 'a.1'])
      assert.deepEqual(await listed({ after: 'a+' }), sorted.slice(sorted.indexOf('a-1')))
      assert.deepEqual(await listed({ after: 'z' }), [])
      const paged: string[] = []
      for (let after: string | undefined; ; after = paged.at(-1)) {
        const page = await listed({ after, limit: 4 })
        paged.push(...page)
        if (page.length < 4) break
      }
      assert.deepEqual(paged, sorted)
    },
  },
]

import assert from 'node:assert/strict'
import type { GrantRecord } from 'evertoken'
import {
  bytes,
  candidate,
  change,
  held,
  hour,
  newRecord,
  notice,
  plain,
  put,
  row,
  supersededOf,
  utc,
} from './store-records.ts'
import type { Rule } from './store-rule.ts'

/** What stays of a login: superseded refresh tokens, candidates, notices. */
export const loginRules: readonly Rule[] = [
  {
    name: 'a refresh token that leaves the record can be had for a day after it was received',
    async check(subject) {
      const store = await subject.open()
      await change(store, 'a', { refreshToken: held('1', utc - 3000) })
      assert.deepEqual(await supersededOf(store, 'a'), [])
      await change(store, 'a', {
        refreshToken: held('2', utc - 2000),
        previousRefreshToken: held('1', utc - 3000),
      })
      assert.deepEqual(await supersededOf(store, 'a'), [], 'the previous one has not left')
      const spent = { at: 77, boot: 'boot-1' }
      await change(store, 'a', { previousRefreshToken: held('1', utc - 3000, { spent }) })
      await change(store, 'a', {
        refreshToken: held('3', utc - 1000),
        previousRefreshToken: held('2', utc - 2000),
      })
      assert.deepEqual(
        (await store.superseded('a')).map((token) => ({ ...token, sealed: [...token.sealed] })),
        [{ ...held('1', utc - 3000, { spent }), sealed: [...held('1').sealed] }],
      )
      await change(store, 'a', { candidates: [candidate('x', { refreshToken: held('x', utc - 500) })] })
      await change(store, 'a', { candidates: [] })
      assert.deepEqual(await supersededOf(store, 'a'), ['x', '1'])
      await change(store, 'a', { previousRefreshToken: held('x', utc - 500) })
      assert.deepEqual(await supersededOf(store, 'a'), ['2', '1'], 'one came back, another left')
      assert.deepEqual(await supersededOf(store, 'b'), [])
    },
  },
  {
    name: 'the key that tokens are bound to stays as it is through refreshes, consents and another definition',
    async check(subject) {
      const store = await subject.open()
      const proofKey = bytes('the private key')
      await put(store, newRecord(store, 'a', { proofKey }))
      await put(store, newRecord(store, 'b'))
      for (const part of [
        { tokens: [row({ type: 'DPoP' })], refreshToken: held('1') },
        { refreshToken: held('2'), previousRefreshToken: held('1') },
        { definition: bytes('another'), definitionFingerprint: 'another print' },
        { epoch: 2, tokens: [], refreshToken: held('3') },
        { status: { state: 'revoking', since: utc } },
      ] satisfies Partial<GrantRecord>[]) {
        await change(store, 'a', part)
        const { proofKey: kept } = (await store.read('a')) as GrantRecord
        assert.deepEqual([...(kept ?? [])], [...proofKey], Object.keys(part).join())
      }
      const [{ proofKey: none }] = (await store.list({ after: 'a' })) as [GrantRecord]
      assert.equal(none, undefined, 'a grant got a key from nowhere')
      await change(store, 'b', { proofKey })
      assert.deepEqual([...((await store.read('b'))?.proofKey ?? [])], [...proofKey])
    },
  },
  {
    name: 'a refresh token that was received more than a day ago is not kept when it leaves',
    async check(subject) {
      const store = await subject.open()
      await change(store, 'a', { refreshToken: held('old', utc - 25 * hour) })
      await change(store, 'a', { refreshToken: held('new') })
      assert.deepEqual(await supersededOf(store, 'a'), [])
      await change(store, 'a', { refreshToken: held('newer') })
      assert.deepEqual(await supersededOf(store, 'a'), ['new'])
    },
  },
  {
    name: 'a login that is revoked, and a grant that is deleted, leave no refresh token behind',
    async check(subject) {
      const store = await subject.open()
      for (const id of ['a', 'b']) {
        await change(store, id, { refreshToken: held('1') })
        await change(store, id, { refreshToken: held('2') })
        assert.deepEqual(await supersededOf(store, id), ['1'])
      }
      await change(store, 'a', {
        status: { state: 'revoked', since: utc, upstream: 'revoked' },
        refreshToken: undefined,
      })
      assert.deepEqual(await supersededOf(store, 'a'), [])
      await store.update('b', () => ({ result: undefined, record: null }))
      assert.deepEqual(await supersededOf(store, 'b'), [])
      await put(store, newRecord(store, 'b'))
      assert.deepEqual(await supersededOf(store, 'b'), [])
    },
  },
  {
    name: 'candidates are added, replaced and taken away one by one, and keep their order',
    async check(subject) {
      const store = await subject.open()
      const [one, two, three] = [candidate('z'), candidate('a', { fence: 1 }), candidate('m', { fence: 9 })]
      const proved = { ...two, refreshToken: held('of a', utc, { spent: { at: 1, boot: 'b' } }) }
      for (const candidates of [
        [one],
        [one, two],
        [one, proved],
        [one, proved, three],
        [proved, three],
        [],
      ]) {
        await change(store, 'a', { candidates })
        assert.deepEqual(
          plain(await store.read('a')),
          plain({ ...((await store.read('a')) as GrantRecord), candidates }),
        )
      }
    },
  },
  {
    name: 'notices are numbered over all grants, only ever added to, and outlive their grant',
    async check(subject) {
      const store = await subject.open()
      await change(store, 'a', { notices: [notice('connected')] })
      await change(store, 'b', { notices: [notice('connected', 1, utc + 1), notice('at_risk', 1, utc + 2)] })
      await change(store, 'a', { notices: [notice('connected'), notice('recovered', 1, utc + 3)] })
      await change(store, 'a', { notices: [] })
      assert.deepEqual((await store.read('a'))?.notices, [
        notice('connected'),
        notice('recovered', 1, utc + 3),
      ])
      await store.update('b', () => ({ result: undefined, record: null }))
      const all = await store.notices()
      assert.deepEqual(
        all.map(({ number: _, ...rest }) => rest),
        [
          { grant: 'a', ...notice('connected') },
          { grant: 'b', ...notice('connected', 1, utc + 1) },
          { grant: 'b', ...notice('at_risk', 1, utc + 2) },
          { grant: 'a', ...notice('recovered', 1, utc + 3) },
        ],
      )
      for (const [index, { number }] of all.entries())
        if (index > 0) assert.ok(number > (all[index - 1]?.number ?? 0), 'numbers grow')
      assert.deepEqual(await store.notices({ after: all[1]?.number, limit: 1 }), [all[2]])
      assert.deepEqual(await store.notices({ after: all[3]?.number }), [])
      // A grant of the same name is another grant.
      await put(store, newRecord(store, 'b'))
      assert.deepEqual((await store.read('b'))?.notices, [])
      await change(store, 'b', { notices: [notice('connected')] })
      assert.equal((await store.notices()).length, 5)
    },
  },
  {
    name: 'a record is loaded with its last notices only, and the others stay',
    async check(subject) {
      const store = await subject.open()
      await put(store, newRecord(store, 'a'))
      for (let epoch = 1; epoch <= 60; epoch++)
        await store.update('a', (record) => {
          const before = record as GrantRecord
          return {
            result: undefined,
            record: { ...before, notices: [...before.notices, notice('connected', epoch)] },
          }
        })
      const loaded = (await store.read('a'))?.notices ?? []
      assert.ok(loaded.length >= 1 && loaded.length <= 50, String(loaded.length))
      assert.equal(loaded.at(-1)?.epoch, 60)
      assert.equal(loaded[0]?.epoch, 61 - loaded.length)
      assert.equal((await store.notices()).length, 60)
    },
  },
]

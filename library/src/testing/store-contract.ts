import assert from 'node:assert/strict'
import type { Circuit } from '../grants/circuit.ts'
import type { Candidate, GrantRecord, HeldRefreshToken, TokenRow } from '../grants/grant.ts'
import type { Notice } from '../grants/notice.ts'
import type { GrantStore } from '../grants/store.ts'

/*
 * What every store must do (the rules of grants/store.ts), as a list of named checks that need no test framework.
 * They move no clock: a store may have a clock of its own, so every time is counted from `store.time()`, and UTC from now.
 */

/** One store that is empty at first. Whoever makes it closes what was opened, and takes it away. */
export interface StoreUnderTest {
  /** Opens it; again gives another connection, as another process has it, where the store is `shared`. */
  open(): Promise<GrantStore>
  readonly shared: boolean
}

export interface Rule {
  readonly name: string
  /** Needs two connections to one store. */
  readonly shared?: true
  readonly check: (subject: StoreUnderTest) => Promise<void>
}

const hour = 3_600_000
/** Whole seconds, so that no store rounds it. */
const utc = Math.floor(Date.now() / 1000) * 1000
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A grant as it is added: due at once. */
export function newRecord(store: GrantStore, id: string, change: Partial<GrantRecord> = {}): GrantRecord {
  return {
    id,
    labels: {},
    grantType: 'client_credentials',
    provider: 'auth.example',
    circuit: 'auth.example client-1',
    facts: {
      replayClass: 'non_rotating',
      reuseWindow: 0,
      oldTokenDies: false,
      introspection: false,
      refresh: 'ahead',
    },
    createdAt: utc,
    updatedAt: utc,
    definition: bytes('definition'),
    definitionFingerprint: 'print',
    status: { state: 'active' },
    epoch: 1,
    fence: 1,
    candidates: [],
    schedule: { dueAt: store.time().at, backoffUntil: 0, failures: 0 },
    tokens: [],
    attempts: [],
    notices: [],
    ...change,
  }
}

const row = (change: Partial<TokenRow> = {}): TokenRow => ({
  scope: '',
  resource: '',
  generation: 1,
  sealed: bytes('access'),
  type: 'Bearer',
  obtainedAt: utc,
  expiresAt: utc + hour,
  lifetime: hour,
  lifetimeFrom: 'stated',
  grantedScope: ['read', 'ü'],
  fence: 1,
  ...change,
})

const held = (name: string, receivedAt = utc, change: Partial<HeldRefreshToken> = {}): HeldRefreshToken => ({
  sealed: bytes(`refresh ${name}`),
  fingerprint: `print ${name}`,
  receivedAt,
  ...change,
})

const candidate = (id: string, change: Partial<Candidate> = {}): Candidate => ({
  id,
  fence: 3,
  parent: 'print 0',
  refreshToken: held(`of ${id}`),
  ...change,
})

const notice = (kind: Notice['kind'], epoch = 1, at = utc): Notice => ({
  kind,
  epoch,
  at,
  message: `${kind}, "ü"`,
})

const withoutWriter = ({ generation: _, fence: __, ...token }: TokenRow): NonNullable<Candidate['token']> =>
  token

/** Every member that a record can have. */
export const fullRecord = (store: GrantStore, id: string): GrantRecord =>
  newRecord(store, id, {
    labels: { team: 'money', 'näme "quoted"': "it's\n" },
    grantType: 'authorization_code',
    provider: 'https://auth.example',
    circuit: 'https://auth.example ünder client',
    facts: {
      replayClass: 'last_child_wins',
      reuseWindow: 30_000,
      quiescence: 90_000,
      oldTokenDies: true,
      canary: 'https://api.example/me',
      introspection: true,
      refreshTokenLifetime: 90 * 24 * hour,
      refreshTokenIdle: 24 * hour,
      refresh: 'on_demand',
      refreshRate: 2.5,
    },
    refreshBefore: 60_000,
    updatedAt: utc + 5,
    definition: Uint8Array.from({ length: 256 }, (_, index) => index),
    status: { state: 'reauthorization_required', reason: 'refused', since: utc },
    epoch: 3,
    fence: 9,
    lease: { owner: 'owner-1', until: store.time().at + hour, boot: 'boot-1' },
    refreshToken: held('2', utc + 2, { spent: { at: store.time().at, boot: 'boot-1' } }),
    previousRefreshToken: held('1', utc + 1, { spent: { at: store.time().at - 5, boot: 'boot-0' } }),
    candidates: [
      candidate('c1', { fence: 4, token: withoutWriter(row({ scope: 'read' })) }),
      candidate('c2', { fence: 2, refreshToken: held('3', utc - 1, { spent: { at: 5, boot: 'b' } }) }),
    ],
    subject: 'print of somebody',
    loginAt: utc - hour,
    refreshTokenExpiresAt: utc + 24 * hour,
    schedule: {
      dueAt: store.time().at + hour,
      backoffUntil: store.time().at + 7,
      failures: 4,
      lastError: { code: 'provider_error', message: 'because', at: utc, error: 'flux', status: 418 },
      lastAttemptAt: utc + 3,
      lastSuccessAt: utc + 4,
      lastRejectionAt: utc + 6,
    },
    tokens: [
      row({ rejectedAt: utc + 9 }),
      row({ scope: 'read', resource: 'https://api.example/ü', generation: 7, lifetimeFrom: 'jwt' }),
    ],
    attempts: [
      {
        id: 'a',
        fence: 8,
        parent: 'print 1',
        owner: 'owner-1',
        boot: 'boot-1',
        localDone: true,
        sentAt: 77,
        spool: '',
      },
      {
        id: 'b',
        fence: 9,
        parent: 'print 2',
        owner: 'owner-2',
        boot: 'boot-2',
        localDone: false,
        spool: 'spool-1',
      },
    ],
    notices: [notice('connected', 3), notice('at_risk', 3)],
  })

/** What is compared: absent and undefined members are one, and bytes are bytes of whatever class. */
export const plain = (record: GrantRecord | undefined): unknown =>
  record === undefined
    ? undefined
    : JSON.parse(
        JSON.stringify(
          { ...record, tokens: record.tokens.toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1)) },
          (_name, value: unknown) =>
            value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
        ),
      )
const placeOf = ({ scope, resource }: TokenRow): string => `${scope}\n${resource}`

const put = (store: GrantStore, record: GrantRecord): Promise<void> =>
  store.update(record.id, () => ({ result: undefined, record }))

const increment = (store: GrantStore, id: string): Promise<number> =>
  store.update(id, (record) => {
    if (record === undefined) throw new Error(`no ${id}`)
    return { result: record.fence + 1, record: { ...record, fence: record.fence + 1 } }
  })

/** Ids of what is due, in order; nothing is changed. */
const due = (store: GrantStore, limit: number): Promise<readonly string[]> =>
  store.updateDue(limit, ({ id }) => ({ result: id }))

const rejection = async (work: () => Promise<unknown>): Promise<unknown> => {
  try {
    await work()
  } catch (error) {
    return error
  }
  throw new assert.AssertionError({ message: 'it was not refused' })
}
const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code

const consent = (store: GrantStore, stateHash: string, grant: string, expiresAt = Date.now() + 10 * hour) =>
  store.putConsent({ stateHash, grant, sealed: bytes('verifier'), expiresAt })

/** Both, and a way to close them. */
async function twoConnections(subject: StoreUnderTest): Promise<[GrantStore, GrantStore]> {
  const first = await subject.open()
  return [first, await subject.open()]
}

const change = (store: GrantStore, id: string, part: Partial<GrantRecord>): Promise<void> =>
  store.update(id, (record) => ({
    result: undefined,
    record: { ...(record ?? newRecord(store, id)), ...part },
  }))

/** Names of the superseded refresh tokens, newest first. */
const supersededOf = async (store: GrantStore, id: string): Promise<string[]> =>
  (await store.superseded(id)).map(({ fingerprint }) => fingerprint.replace('print ', ''))

const circuit = (straight: number): Circuit => ({
  breaker: { state: 'half_open', until: 5, times: 2 },
  straight,
  window: { since: 1, failures: 2, total: 3 },
  lanes: { anchor: 4.5, interval: 105, background: 1, interactive: 2, latest: 109.5 },
  refusals: [{ grant: 'ü', at: 6 }],
  asked: { since: 1, grants: 2, before: 3 },
  incident: { since: 7, until: 8, seen: 7 },
  ages: [9, 10],
})

/**
 * The rules, each to be checked on a store of its own:
 *
 * ```ts
 * import { test } from 'node:test'
 * import { storeContract } from 'evertoken/testing/store-contract'
 * import { myStore } from '../src/my-store.ts'
 *
 * for (const rule of storeContract)
 *   test(rule.name, async (t) => {
 *     const place = await emptyPlace()
 *     const open = async () => {
 *       const store = await myStore(place).open()
 *       t.after(() => store.close())
 *       return store
 *     }
 *     await rule.check({ open, shared: true })
 *   })
 * ```
 *
 * A store for one process says `shared: false` and leaves out the rules with `shared`.
 */
export const storeContract: readonly Rule[] = [
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
    name: 'one connection reads what another has written, and its version tells of it',
    shared: true,
    async check(subject) {
      const [first, second] = await twoConnections(subject)
      assert.equal(first.storeId, second.storeId)
      assert.notEqual(first.owner, second.owner)
      await put(first, newRecord(first, 'a'))
      assert.equal((await second.read('a'))?.fence, 1)
      const version = second.version()
      assert.equal(second.version(), version)
      await increment(first, 'a')
      if (version !== undefined) assert.notEqual(second.version(), version)
      assert.equal((await second.read('a'))?.fence, 2)
      await first.update('a', () => ({ result: undefined, record: null }))
      assert.equal(await second.read('a'), undefined)
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

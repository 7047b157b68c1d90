import assert from 'node:assert/strict'
import type { GrantRecord, TokenRow } from '../../src/grants/grant.ts'
import type { GrantStore } from '../../src/grants/store.ts'

/*
 * What every store must do (the rules of grants/store.ts), as a list of named checks that need no test framework.
 * They move no clock: a store may have a clock of its own, so every time is counted from `store.time()`.
 */

/** One store that is empty at first. */
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
const utc = 1_800_000_000_000
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A grant as it is added: due at once. */
export function newRecord(store: GrantStore, id: string, change: Partial<GrantRecord> = {}): GrantRecord {
  return {
    id,
    labels: {},
    grantType: 'client_credentials',
    provider: 'auth.example',
    replayClass: 'non_rotating',
    createdAt: utc,
    updatedAt: utc,
    definition: bytes('definition'),
    definitionFingerprint: 'print',
    status: { state: 'active' },
    epoch: 1,
    fence: 1,
    schedule: { dueAt: store.time().at, backoffUntil: 0, failures: 0 },
    tokens: [],
    attempts: [],
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

/** Every member that a record can have. */
export const fullRecord = (store: GrantStore, id: string): GrantRecord =>
  newRecord(store, id, {
    labels: { team: 'money', 'näme "quoted"': "it's\n" },
    grantType: 'authorization_code',
    provider: 'https://auth.example',
    replayClass: 'strict',
    refreshBefore: 60_000,
    updatedAt: utc + 5,
    definition: Uint8Array.from({ length: 256 }, (_, index) => index),
    status: { state: 'reauthorization_required', reason: 'refused', since: utc },
    epoch: 3,
    fence: 9,
    lease: { owner: 'owner-1', until: store.time().at + hour, boot: 'boot-1' },
    refreshToken: { sealed: bytes('refresh-2'), fingerprint: 'print-2', receivedAt: utc + 2 },
    previousRefreshToken: { sealed: bytes('refresh-1'), fingerprint: 'print-1', receivedAt: utc + 1 },
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
      { id: 'a', fence: 8, parent: 'print-1', owner: 'owner-1', boot: 'boot-1', localDone: true, sentAt: 77 },
      { id: 'b', fence: 9, parent: 'print-2', owner: 'owner-2', boot: 'boot-2', localDone: false },
    ],
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

export const storeContract: readonly Rule[] = [
  {
    name: 'an empty store has no grants and nothing due',
    async check(subject) {
      const store = await subject.open()
      assert.equal(await store.read('a'), undefined)
      assert.deepEqual(await store.list(), [])
      assert.deepEqual(await store.due(10), [])
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
      for (const [from, to] of [
        [bare, full],
        [full, bare],
      ] as const)
        for (const name of new Set([...Object.keys(full), ...Object.keys(bare)]) as Set<keyof GrantRecord>) {
          if (name === 'id' || name === 'createdAt') continue
          await put(store, from)
          const expected = await store.update('a', (record) => {
            const next = { ...(record as GrantRecord), [name]: to[name] }
            return { result: next, record: next }
          })
          assert.deepEqual(plain(await store.read('a')), plain(expected), `${name} was not written`)
        }
      for (const name of Object.keys(full.schedule)) {
        await put(store, bare)
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
    name: 'due gives what is due, longest due first, and no more than asked',
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
      assert.deepEqual(await store.due(10), ['b', 'e', 'a'])
      assert.deepEqual(await store.due(2), ['b', 'e'])
      assert.deepEqual(await store.due(0), [])
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
      assert.deepEqual([await store.due(1), await store.nextDue()], [[], at + hour])
      await move(at)
      assert.deepEqual([await store.due(1), await store.nextDue()], [['a'], at])
      await move(null)
      assert.deepEqual([await store.due(1), await store.nextDue()], [[], undefined])
      await move(at)
      await store.update('a', () => ({ result: undefined, record: null }))
      assert.deepEqual([await store.due(1), await store.nextDue()], [[], undefined])
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
        await store.update('a', (_, { isDead }) => ({ result: isDead(store.owner) })),
        false,
        'a store thinks that it is dead',
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
        () => store.due(1),
        () => store.nextDue(),
        () => store.list(),
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

import assert from 'node:assert/strict'
import type {
  Candidate,
  Circuit,
  GrantRecord,
  GrantStore,
  HeldRefreshToken,
  Notice,
  TokenRow,
} from 'evertoken'
import type { StoreUnderTest } from './store-rule.ts'

/* Records of every kind for the rules of the store's contract, and short words for what is done with them. */

export const hour = 3_600_000
/** Whole seconds, so that no store rounds it. */
export const utc = Math.floor(Date.now() / 1000) * 1000
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

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

export const row = (change: Partial<TokenRow> = {}): TokenRow => ({
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

export const held = (
  name: string,
  receivedAt = utc,
  change: Partial<HeldRefreshToken> = {},
): HeldRefreshToken => ({
  sealed: bytes(`refresh ${name}`),
  fingerprint: `print ${name}`,
  receivedAt,
  ...change,
})

export const candidate = (id: string, change: Partial<Candidate> = {}): Candidate => ({
  id,
  fence: 3,
  parent: 'print 0',
  refreshToken: held(`of ${id}`),
  ...change,
})

export const notice = (kind: Notice['kind'], epoch = 1, at = utc): Notice => ({
  kind,
  epoch,
  at,
  message: `${kind}, "ü"`,
})

export const withoutWriter = ({
  generation: _,
  fence: __,
  ...token
}: TokenRow): NonNullable<Candidate['token']> => token

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
    proofKey: Uint8Array.from({ length: 256 }, (_, index) => 255 - index),
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

export const put = (store: GrantStore, record: GrantRecord): Promise<void> =>
  store.update(record.id, () => ({ result: undefined, record }))

export const increment = (store: GrantStore, id: string): Promise<number> =>
  store.update(id, (record) => {
    if (record === undefined) throw new Error(`no ${id}`)
    return { result: record.fence + 1, record: { ...record, fence: record.fence + 1 } }
  })

/** Ids of what is due, in order; nothing is changed. */
export const due = (store: GrantStore, limit: number): Promise<readonly string[]> =>
  store.updateDue(limit, ({ id }) => ({ result: id }))

export const rejection = async (work: () => Promise<unknown>): Promise<unknown> => {
  try {
    await work()
  } catch (error) {
    return error
  }
  throw new assert.AssertionError({ message: 'it was not refused' })
}
export const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code

export const consent = (
  store: GrantStore,
  stateHash: string,
  grant: string,
  expiresAt = Date.now() + 10 * hour,
) => store.putConsent({ stateHash, grant, sealed: bytes('verifier'), expiresAt })

/** Both, and a way to close them. */
export async function twoConnections(subject: StoreUnderTest): Promise<[GrantStore, GrantStore]> {
  const first = await subject.open()
  return [first, await subject.open()]
}

export const change = (store: GrantStore, id: string, part: Partial<GrantRecord>): Promise<void> =>
  store.update(id, (record) => ({
    result: undefined,
    record: { ...(record ?? newRecord(store, id)), ...part },
  }))

/** Names of the superseded refresh tokens, newest first. */
export const supersededOf = async (store: GrantStore, id: string): Promise<string[]> =>
  (await store.superseded(id)).map(({ fingerprint }) => fingerprint.replace('print ', ''))

export const circuit = (straight: number): Circuit => ({
  breaker: { state: 'half_open', until: 5, times: 2 },
  straight,
  window: { since: 1, failures: 2, total: 3 },
  lanes: { anchor: 4.5, interval: 105, background: 1, interactive: 2, latest: 109.5 },
  refusals: [{ grant: 'ü', at: 6 }],
  asked: { since: 1, grants: 2, before: 3 },
  incident: { since: 7, until: 8, seen: 7 },
  ages: [9, 10],
})

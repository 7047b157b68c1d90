import type {
  Attempt,
  Candidate,
  GrantRecord,
  GrantStatus,
  HeldRefreshToken,
  Lease,
  TokenRow,
} from '../../src/grants/grant.ts'
import type { LifetimeFacts, ReplayClass } from '../../src/grants/lifetime-facts.ts'
import type { Moment } from '../../src/grants/store.ts'

/** UTC of every record here unless it says otherwise. */
export const utc = 1_800_000_000_000
/** Store time of every record here. */
export const storeNow = 5_000_000

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export const held = (text: string, change: Partial<HeldRefreshToken> = {}): HeldRefreshToken => ({
  sealed: bytes(text),
  fingerprint: `print of ${text}`,
  receivedAt: utc,
  ...change,
})

/** An access token that was obtained just now and lives an hour. */
export const tokenRow = (change: Partial<TokenRow> = {}): TokenRow => ({
  scope: '',
  resource: '',
  generation: 1,
  sealed: bytes('access-1'),
  type: 'Bearer',
  obtainedAt: utc,
  expiresAt: utc + 3_600_000,
  lifetime: 3_600_000,
  lifetimeFrom: 'stated',
  grantedScope: [],
  fence: 1,
  ...change,
})

/** One whose life of an hour has `left` ms to go. */
export const tokenWith = (left: number, change: Partial<TokenRow> = {}): TokenRow =>
  tokenRow({ expiresAt: utc + left, obtainedAt: utc + left - 3_600_000, ...change })

/** What an answer brings: a row before the store numbers it. */
export function brought(change: Partial<TokenRow> = {}): Omit<TokenRow, 'generation' | 'fence'> {
  const { generation: _, fence: __, ...token } = tokenRow({ sealed: bytes('access-2'), ...change })
  return token
}

export const attempt = (change: Partial<Attempt> = {}): Attempt => ({
  id: 'attempt-1',
  fence: 2,
  parent: 'none',
  owner: 'owner-1',
  boot: 'boot-1',
  localDone: false,
  spool: 'spool-1',
  ...change,
})

export const candidate = (text: string, change: Partial<Candidate> = {}): Candidate => ({
  id: `attempt of ${text}`,
  fence: 2,
  parent: 'print of refresh-1',
  refreshToken: held(text),
  ...change,
})

export const lease = (change: Partial<Lease> = {}): Lease => ({
  owner: 'owner-1',
  until: storeNow + 20_000,
  boot: 'boot-1',
  ...change,
})

/** `gone`: owners of whom nothing more can come. */
export const moment = (at = storeNow, change: { boot?: string; gone?: readonly string[] } = {}): Moment => ({
  time: { at, boot: change.boot ?? 'boot-1' },
  isGone: (owner) => change.gone?.includes(owner) ?? false,
})

export const statuses: { readonly [S in GrantStatus['state']]: Extract<GrantStatus, { state: S }> } = {
  pending: { state: 'pending' },
  active: { state: 'active' },
  suspect: { state: 'suspect', refusals: 1, countsFrom: storeNow + 60_000 },
  reauthorization_required: { state: 'reauthorization_required', reason: 'refused', since: utc },
  paused: { state: 'paused' },
  quarantined: { state: 'quarantined', reason: 'does not decrypt' },
  revoking: { state: 'revoking', since: utc },
  revoked: { state: 'revoked', since: utc, upstream: 'revoked' },
}

export const facts = (replayClass: ReplayClass, change: Partial<LifetimeFacts> = {}): LifetimeFacts => ({
  replayClass,
  reuseWindow: replayClass === 'strict' || replayClass === 'non_rotating' ? 0 : 60_000,
  oldTokenDies: false,
  introspection: false,
  refresh: 'ahead',
  ...change,
})

/** A minted grant that is due now and has no token yet. */
export const grantRecord = (change: Partial<GrantRecord> = {}): GrantRecord => ({
  id: 'billing',
  labels: {},
  grantType: 'client_credentials',
  provider: 'auth.example',
  circuit: 'auth.example client-1',
  facts: facts('non_rotating'),
  createdAt: utc,
  updatedAt: utc,
  definition: bytes('definition'),
  definitionFingerprint: 'print of definition',
  status: { state: 'active' },
  epoch: 1,
  fence: 1,
  candidates: [],
  schedule: { dueAt: storeNow, backoffUntil: 0, failures: 0 },
  tokens: [],
  attempts: [],
  notices: [],
  ...change,
})

/** A login at a provider of that class; the refresh token is `refresh-1`. */
export const loginRecord = (replayClass: ReplayClass, change: Partial<GrantRecord> = {}): GrantRecord =>
  grantRecord({
    grantType: 'refresh_token',
    facts: facts(replayClass),
    refreshToken: held('refresh-1'),
    loginAt: utc - 86_400_000,
    ...change,
  })

/** A login whose refresh token rotates strictly. */
export const strictRecord = (change: Partial<GrantRecord> = {}): GrantRecord => loginRecord('strict', change)

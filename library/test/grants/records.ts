import type { Attempt, GrantRecord, GrantStatus, HeldRefreshToken, TokenRow } from '../../src/grants/grant.ts'
import type { Moment } from '../../src/grants/store.ts'

/** UTC of every record here unless it says otherwise. */
export const utc = 1_800_000_000_000
/** Store time of every record here. */
export const storeNow = 5_000_000

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export const held = (text: string, receivedAt = utc): HeldRefreshToken => ({
  sealed: bytes(text),
  fingerprint: `print of ${text}`,
  receivedAt,
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

export const attempt = (change: Partial<Attempt> = {}): Attempt => ({
  id: 'attempt-1',
  fence: 2,
  parent: 'none',
  owner: 'owner-1',
  boot: 'boot-1',
  localDone: false,
  ...change,
})

export const moment = (at = storeNow, change: { boot?: string; dead?: readonly string[] } = {}): Moment => ({
  time: { at, boot: change.boot ?? 'boot-1' },
  isDead: (owner) => change.dead?.includes(owner) ?? false,
})

export const statuses: { readonly [S in GrantStatus['state']]: Extract<GrantStatus, { state: S }> } = {
  pending: { state: 'pending' },
  active: { state: 'active' },
  suspect: { state: 'suspect', refusals: 1, countsFrom: storeNow + 60_000 },
  reauthorization_required: { state: 'reauthorization_required', reason: 'refused', since: utc },
  paused: { state: 'paused' },
  quarantined: { state: 'quarantined', reason: 'does not decrypt' },
}

/** A minted grant that is due now and has no token yet. */
export const grantRecord = (change: Partial<GrantRecord> = {}): GrantRecord => ({
  id: 'billing',
  labels: {},
  grantType: 'client_credentials',
  provider: 'auth.example',
  replayClass: 'non_rotating',
  createdAt: utc,
  updatedAt: utc,
  definition: bytes('definition'),
  definitionFingerprint: 'print of definition',
  status: { state: 'active' },
  epoch: 1,
  fence: 1,
  schedule: { dueAt: storeNow, backoffUntil: 0, failures: 0 },
  tokens: [],
  attempts: [],
  ...change,
})

/** A login whose refresh token rotates strictly. */
export const strictRecord = (change: Partial<GrantRecord> = {}): GrantRecord =>
  grantRecord({
    grantType: 'refresh_token',
    replayClass: 'strict',
    refreshToken: held('refresh-1'),
    ...change,
  })

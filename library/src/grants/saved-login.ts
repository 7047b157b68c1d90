import type { Secret } from '../secret.ts'
import { sealRefreshToken } from './answer.ts'
import { dueAt, type GrantRecord, ownToken } from './grant.ts'
import type { GrantStore, Moment } from './store.ts'
import { sealPayload } from './token-payload.ts'

/** A login as a program with its own storage kept it. Times are UTC ms. */
export interface SavedLogin {
  readonly refreshToken: Secret | undefined
  readonly accessToken: Secret
  readonly tokenType: string
  readonly obtainedAt: number
  readonly expiresAt: number
  readonly scope: readonly string[]
  readonly metadata: Readonly<Record<string, unknown>>
}

/** A new grant goes on where that login was left: nothing is sent while its access token lives. */
export function withSavedLogin(
  { seal }: Pick<GrantStore, 'seal'>,
  record: GrantRecord,
  saved: SavedLogin,
  utc: number,
  { time }: Moment,
): GrantRecord {
  const fence = record.fence + 1
  const payload = { value: saved.accessToken.reveal(), metadata: saved.metadata }
  const going: GrantRecord = {
    ...record,
    status: { state: 'active' },
    epoch: Math.max(record.epoch, 1),
    fence,
    refreshToken:
      saved.refreshToken === undefined
        ? record.refreshToken
        : sealRefreshToken(
            { seal, record, attempt: { fence }, askedAt: saved.obtainedAt },
            saved.refreshToken,
          ),
    loginAt: record.loginAt ?? saved.obtainedAt,
    tokens: [
      {
        ...ownToken,
        generation: 1,
        fence,
        sealed: sealPayload(seal, record.id, fence, ownToken, payload),
        type: saved.tokenType,
        obtainedAt: saved.obtainedAt,
        expiresAt: saved.expiresAt,
        lifetime: Math.max(saved.expiresAt - saved.obtainedAt, 0),
        lifetimeFrom: 'stated',
        grantedScope: saved.scope,
      },
    ],
  }
  return { ...going, schedule: { ...going.schedule, dueAt: dueAt(going, utc, time.at) } }
}

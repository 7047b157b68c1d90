import type { SQLOutputValue } from 'node:sqlite'
import type {
  Attempt,
  Candidate,
  GrantRecord,
  GrantStatus,
  GrantType,
  HeldRefreshToken,
  LastError,
  TokenRow,
} from '../../grants/grant.ts'
import type { LifetimeFacts } from '../../grants/lifetime-facts.ts'
import type { Notice } from '../../grants/notice.ts'
import { definedColumns, loginColumns, scheduleColumns } from './columns.ts'

/** A row as node:sqlite gives it. */
export type Row = Record<string, SQLOutputValue>

const text = (value: SQLOutputValue | undefined): string => String(value)
const number = (value: SQLOutputValue | undefined): number => Number(value)
const optional = (value: SQLOutputValue | undefined): number | undefined =>
  value === null || value === undefined ? undefined : Number(value)
const bytes = (value: SQLOutputValue | undefined): Uint8Array => value as Uint8Array
const json = <T>(value: SQLOutputValue | undefined): T => JSON.parse(String(value)) as T

/** The same object for the same text: most grants have no labels and are active, and many share a client. */
const parsed = new Map<string, unknown>()
function shared<T>(text: string): T {
  const known = parsed.get(text)
  if (known !== undefined) return known as T
  if (parsed.size >= 1000) parsed.clear()
  const value: unknown = Object.freeze(JSON.parse(text))
  parsed.set(text, value)
  return value as T
}

function heldFrom(sealed: Uint8Array, row: Row): HeldRefreshToken {
  const held = {
    sealed,
    fingerprint: text(row.fingerprint),
    receivedAt: number(row.received_at),
  }
  const at = optional(row.spent_at)
  return at === undefined ? held : { ...held, spent: { at, boot: text(row.spent_boot) } }
}

/** A row of `superseded`. */
export const supersededFrom = (row: Row): HeldRefreshToken => heldFrom(bytes(row.sealed), row)

/** The columns that `Statements.load` reads, by their places. */
type Columns = readonly SQLOutputValue[]

const definedAt = 1
const loginAt = definedAt + definedColumns.length
const scheduleAt = loginAt + loginColumns.length
const candidatesAt = scheduleAt + scheduleColumns.length
const noticesAt = candidatesAt + 1
const tokenAt = noticesAt + 1

/** A refresh token whose first column stands there; undefined where there is none. */
function heldAt(row: Columns, at: number): HeldRefreshToken | undefined {
  if (row[at] === null) return undefined
  const held = {
    sealed: bytes(row[at]),
    fingerprint: text(row[at + 1]),
    receivedAt: number(row[at + 2]),
  }
  const spentAt = optional(row[at + 3])
  return spentAt === undefined ? held : { ...held, spent: { at: spentAt, boot: text(row[at + 4]) } }
}

/** Puts a record together from its rows as `Statements.load` reads them; undefined when there are none. */
export function recordFrom(rows: readonly Columns[]): GrantRecord | undefined {
  const row = rows[0]
  if (row === undefined) return undefined
  const login = loginAt
  const at = scheduleAt
  return {
    id: text(row[0]),
    labels: shared(text(row[1])),
    grantType: text(row[2]) as GrantType,
    provider: text(row[3]),
    circuit: text(row[4]),
    facts: shared<LifetimeFacts>(text(row[5])),
    refreshBefore: optional(row[6]),
    createdAt: number(row[7]),
    updatedAt: number(row[8]),
    definition: bytes(row[9]),
    definitionFingerprint: text(row[10]),
    proofKey: row[11] === null ? undefined : bytes(row[11]),
    status: shared<GrantStatus>(text(row[login])),
    epoch: number(row[login + 1]),
    fence: number(row[at + 7]),
    lease:
      row[at + 8] === null
        ? undefined
        : { owner: text(row[at + 8]), until: number(row[at + 9]), boot: text(row[at + 10]) },
    refreshToken: heldAt(row, login + 2),
    previousRefreshToken: heldAt(row, login + 7),
    candidates: row[candidatesAt] === '[]' ? [] : json<Row[]>(row[candidatesAt]).map(candidateFrom),
    subject: row[login + 12] === null ? undefined : text(row[login + 12]),
    loginAt: optional(row[login + 13]),
    refreshTokenExpiresAt: optional(row[login + 14]),
    schedule: {
      dueAt: row[at] === null ? null : number(row[at]),
      backoffUntil: number(row[at + 1]),
      failures: number(row[at + 2]),
      lastError: row[at + 3] === null ? undefined : json<LastError>(row[at + 3]),
      lastAttemptAt: optional(row[at + 4]),
      lastSuccessAt: optional(row[at + 5]),
      lastRejectionAt: optional(row[at + 6]),
    },
    tokens: row[tokenAt] === null ? [] : rows.map(tokenFrom),
    attempts: row[at + 11] === null ? [] : json<Attempt[]>(row[at + 11]),
    // Newest first, as the last ones are found.
    notices: row[noticesAt] === '[]' ? [] : json<Notice[]>(row[noticesAt]).reverse(),
  }
}

const tokenFrom = (row: Columns): TokenRow => ({
  scope: text(row[tokenAt]),
  resource: text(row[tokenAt + 1]),
  generation: number(row[tokenAt + 2]),
  sealed: bytes(row[tokenAt + 3]),
  type: text(row[tokenAt + 4]),
  obtainedAt: number(row[tokenAt + 5]),
  expiresAt: number(row[tokenAt + 6]),
  lifetime: number(row[tokenAt + 7]),
  lifetimeFrom: text(row[tokenAt + 8]) as TokenRow['lifetimeFrom'],
  grantedScope: shared(text(row[tokenAt + 9])),
  fence: number(row[tokenAt + 10]),
  rejectedAt: optional(row[tokenAt + 11]),
})

/** Bytes come as hexadecimal digits here, since JSON has none. */
function candidateFrom(row: Row): Candidate {
  const fromHex = (value: SQLOutputValue | undefined) => new Uint8Array(Buffer.from(text(value), 'hex'))
  const candidate = {
    id: text(row.id),
    fence: number(row.fence),
    parent: text(row.parent),
    refreshToken: heldFrom(fromHex(row.refresh_token), row),
  }
  if (row.token === null) return candidate
  const token = json<NonNullable<Candidate['token']>>(row.token)
  return { ...candidate, token: { ...token, sealed: fromHex(row.token_sealed) } }
}

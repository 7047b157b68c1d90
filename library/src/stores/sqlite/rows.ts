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

/** A row as node:sqlite gives it. */
export type Row = Record<string, SQLOutputValue>

const text = (value: SQLOutputValue | undefined): string => String(value)
const number = (value: SQLOutputValue | undefined): number => Number(value)
const optional = (value: SQLOutputValue | undefined): number | undefined =>
  value === null || value === undefined ? undefined : Number(value)
const bytes = (value: SQLOutputValue | undefined): Uint8Array => value as Uint8Array
const json = <T>(value: SQLOutputValue | undefined): T => JSON.parse(String(value)) as T

/** The same object for the same text: many grants of one client share it. */
const parsedFacts = new Map<string, LifetimeFacts>()
function factsFrom(text: string): LifetimeFacts {
  const known = parsedFacts.get(text)
  if (known !== undefined) return known
  if (parsedFacts.size >= 1000) parsedFacts.clear()
  const facts = Object.freeze(JSON.parse(text) as LifetimeFacts)
  parsedFacts.set(text, facts)
  return facts
}

/** From columns of these names; undefined where there is none. */
function heldToken(row: Row, sealed: string, prefix: string): HeldRefreshToken | undefined {
  if (row[sealed] === null || row[sealed] === undefined) return undefined
  return heldFrom(bytes(row[sealed]), row, prefix)
}

function heldFrom(sealed: Uint8Array, row: Row, prefix = ''): HeldRefreshToken {
  const held = {
    sealed,
    fingerprint: text(row[`${prefix}fingerprint`]),
    receivedAt: number(row[`${prefix}received_at`]),
  }
  const at = optional(row[`${prefix}spent_at`])
  return at === undefined ? held : { ...held, spent: { at, boot: text(row[`${prefix}spent_boot`]) } }
}

/** A row of `superseded`. */
export const supersededFrom = (row: Row): HeldRefreshToken => heldFrom(bytes(row.sealed), row)

/** Puts a record together from its rows as `Statements.load` reads them; undefined when there are none. */
export function recordFrom(rows: readonly Row[]): GrantRecord | undefined {
  const row = rows[0]
  if (row === undefined) return undefined
  return {
    id: text(row.id),
    labels: json(row.labels),
    grantType: text(row.grant_type) as GrantType,
    provider: text(row.provider),
    circuit: text(row.circuit),
    facts: factsFrom(text(row.facts)),
    refreshBefore: optional(row.refresh_before),
    createdAt: number(row.created_at),
    updatedAt: number(row.updated_at),
    definition: bytes(row.definition),
    definitionFingerprint: text(row.definition_fingerprint),
    status: json<GrantStatus>(row.status),
    epoch: number(row.epoch),
    fence: number(row.fence),
    lease:
      row.owner === null
        ? undefined
        : { owner: text(row.owner), until: number(row.lease_until), boot: text(row.lease_boot) },
    refreshToken: heldToken(row, 'refresh_token', 'refresh_token_'),
    previousRefreshToken: heldToken(row, 'previous_refresh_token', 'previous_'),
    candidates: row.candidates === '[]' ? [] : json<Row[]>(row.candidates).map(candidateFrom),
    subject: row.subject === null ? undefined : text(row.subject),
    loginAt: optional(row.login_at),
    refreshTokenExpiresAt: optional(row.refresh_token_expires_at),
    schedule: {
      dueAt: row.due_at === null ? null : number(row.due_at),
      backoffUntil: number(row.backoff_until),
      failures: number(row.failures),
      lastError: row.last_error === null ? undefined : json<LastError>(row.last_error),
      lastAttemptAt: optional(row.last_attempt_at),
      lastSuccessAt: optional(row.last_success_at),
      lastRejectionAt: optional(row.last_rejection_at),
    },
    tokens: row.generation === null ? [] : rows.map(tokenFrom),
    attempts: row.attempts === '[]' ? [] : json<Row[]>(row.attempts).map(attemptFrom),
    // Newest first, as the last ones are found.
    notices: row.notices === '[]' ? [] : json<Notice[]>(row.notices).reverse(),
  }
}

const tokenFrom = (row: Row): TokenRow => ({
  scope: text(row.scope),
  resource: text(row.resource),
  generation: number(row.generation),
  sealed: bytes(row.sealed),
  type: text(row.type),
  obtainedAt: number(row.obtained_at),
  expiresAt: number(row.expires_at),
  lifetime: number(row.lifetime),
  lifetimeFrom: text(row.lifetime_from) as TokenRow['lifetimeFrom'],
  grantedScope: json(row.granted_scope),
  fence: number(row.token_fence),
  rejectedAt: optional(row.rejected_at),
})

const attemptFrom = (row: Row): Attempt => ({
  id: text(row.id),
  fence: number(row.fence),
  parent: text(row.parent),
  owner: text(row.owner),
  sentAt: optional(row.sent_at),
  boot: text(row.boot),
  localDone: number(row.local_done) === 1,
  spool: text(row.spool),
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

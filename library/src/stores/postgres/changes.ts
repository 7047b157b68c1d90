import type { GrantRecord, HeldRefreshToken } from '../../grants/grant.ts'
import { newNotices } from '../new-notices.ts'
import { departures, supersededFor } from '../superseded.ts'
import {
  grantRow,
  loginRow,
  noticeRow,
  scheduleRow,
  supersededRow,
  tokenRow,
  type Written,
} from './columns.ts'

/** What a transaction writes, over all its grants. Equal parts of two records are the same objects, and not written. */
export class Changes {
  readonly removed: string[] = []
  readonly newGrants: Written[] = []
  readonly newSchedules: Written[] = []
  readonly grants: Written[] = []
  /** Grants of which nothing changed that describes them. */
  readonly logins: Written[] = []
  readonly schedules: Written[] = []
  readonly tokens: Written[] = []
  readonly removedTokens: Written[] = []
  readonly superseded: Written[] = []
  /** By grant and fingerprint: a grant has it again; with them goes what is old enough. */
  readonly regained: Written[] = []
  /** Grants of which nothing superseded stays. */
  readonly forgotten: string[] = []
  readonly notices: Written[] = []
  /** Whether a reader or worker of another process may be waiting for something in it. */
  awaited = false
  readonly #utc: number

  constructor(utc: number) {
    this.#utc = utc
  }

  get isEmpty(): boolean {
    return this.removed.length + this.newGrants.length + this.grants.length + this.schedules.length === 0
      ? this.logins.length +
          this.tokens.length +
          this.removedTokens.length +
          this.notices.length +
          this.superseded.length ===
          0
      : false
  }

  /** Every record a grant has been from the first to the last, so that nothing is lost that was there in between. */
  add(steps: readonly (GrantRecord | undefined)[], removed: boolean): void {
    const before = steps[0]
    const after = steps.at(-1)
    if (after === undefined || removed) {
      const known = steps.findLast((step) => step !== undefined)
      if (known === undefined) return
      this.#addNotices(known.id, before, known)
      this.removed.push(known.id)
      this.awaited = true
      return
    }
    if (after === before) return
    const { id } = after
    if (before === undefined) {
      this.newGrants.push(grantRow(after))
      this.newSchedules.push(scheduleRow(after))
    } else {
      const differs = (part: keyof GrantRecord): boolean => before[part] !== after[part]
      if (descriptionParts.some(differs)) this.grants.push(grantRow(after))
      else if (loginParts.some(differs)) this.logins.push(loginRow(after))
      if (scheduleParts.some(differs)) this.schedules.push(scheduleRow(after))
    }
    this.#addTokens(id, before, after)
    this.#addSuperseded(id, steps)
    this.#addNotices(id, before, after)
    this.awaited ||=
      before === undefined ||
      before.tokens !== after.tokens ||
      before.status !== after.status ||
      (before.lease !== undefined && after.lease === undefined) ||
      (after.schedule.dueAt ?? Number.POSITIVE_INFINITY) < (before.schedule.dueAt ?? Number.POSITIVE_INFINITY)
  }

  #addTokens(id: string, before: GrantRecord | undefined, after: GrantRecord): void {
    const old = before?.tokens ?? []
    if (old === after.tokens) return
    for (const { scope, resource } of old)
      if (!after.tokens.some((token) => token.scope === scope && token.resource === resource))
        this.removedTokens.push({ grant_id: id, scope, resource })
    for (const token of after.tokens) if (!old.includes(token)) this.tokens.push(tokenRow(id, token))
  }

  #addSuperseded(id: string, steps: readonly (GrantRecord | undefined)[]): void {
    const left = new Map<string, HeldRefreshToken>()
    const present = new Set<string>()
    let forgetsAll = false
    for (let to = 1; to < steps.length; to += 1) {
      const change = departures(steps[to - 1], steps[to] as GrantRecord)
      if (change === undefined) continue
      for (const token of change.left) left.set(token.fingerprint, token)
      for (const fingerprint of change.present) {
        left.delete(fingerprint)
        present.add(fingerprint)
      }
      forgetsAll ||= change.forgetsAll
    }
    if (forgetsAll) this.forgotten.push(id)
    const old = this.#utc - supersededFor
    for (const fingerprint of present) this.regained.push({ grant_id: id, fingerprint, received_at: old })
    for (const token of left.values())
      if (token.receivedAt > old) this.superseded.push(supersededRow(id, token))
  }

  #addNotices(id: string, before: GrantRecord | undefined, after: GrantRecord): void {
    for (const notice of newNotices(before, after)) this.notices.push(noticeRow(id, notice))
  }
}

/** What `schedule` holds of a record, and what `grants` does: what describes it, and how its login stands. */
const scheduleParts: readonly (keyof GrantRecord)[] = ['schedule', 'fence', 'lease', 'attempts']
const descriptionParts: readonly (keyof GrantRecord)[] = [
  'labels',
  'grantType',
  'provider',
  'circuit',
  'facts',
  'refreshBefore',
  'createdAt',
  'definition',
  'definitionFingerprint',
  'proofKey',
]
const loginParts: readonly (keyof GrantRecord)[] = [
  'updatedAt',
  'status',
  'epoch',
  'refreshToken',
  'previousRefreshToken',
  'candidates',
  'subject',
  'loginAt',
  'refreshTokenExpiresAt',
]

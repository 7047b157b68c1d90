/**
 * Something a person must know.
 *
 * - `connected`: a consent was finished.
 * - `at_risk`: a refresh was sent, nobody knows what became of it, and sending it again could end the login.
 * - `reauthorization_required`: a person has to consent again.
 * - `recovered`: a login that was given up, or at risk, goes on.
 * - `refresh_token_expires_30d`, `_7d`, `_1d`: the refresh token dies by age within that time.
 * - `quarantined`: an operator has to decide.
 * - `scope_reduced`: the provider granted less than before.
 * - `store_regression`: the store had lost a commit, which the spool repaired.
 */
export type NoticeKind =
  | 'connected'
  | 'at_risk'
  | 'reauthorization_required'
  | 'recovered'
  | 'refresh_token_expires_30d'
  | 'refresh_token_expires_7d'
  | 'refresh_token_expires_1d'
  | 'quarantined'
  | 'scope_reduced'
  | 'store_regression'

/** One notice: at most one of a kind for each epoch of a grant. */
export interface Notice {
  readonly kind: NoticeKind
  readonly epoch: number
  /** UTC ms. */
  readonly at: number
  /** For people, without secrets. */
  readonly message: string
}

interface Noticed {
  readonly epoch: number
  readonly notices: readonly Notice[]
}

/** The record with a notice more, or the same record when it has one of that kind in this epoch. */
export function notify<R extends Noticed>(record: R, kind: NoticeKind, message: string, at: number): R {
  const { epoch, notices } = record
  if (notices.some((notice) => notice.kind === kind && notice.epoch === epoch)) return record
  return { ...record, notices: [...notices, { kind, epoch, at, message }] }
}

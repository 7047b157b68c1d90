/**
 * Something a person must know.
 *
 * - `connected`: a consent was finished.
 * - `at_risk`: a refresh was sent, nobody knows what became of it, and sending it again could end the login; or the
 *   provider refused the refresh token, and is asked again before that is believed.
 * - `reauthorization_required`: a person has to consent again.
 * - `recovered`: a login that was given up, or at risk, goes on.
 * - `refresh_token_expires_30d`, `_7d`, `_1d`: the refresh token dies by age within that time.
 * - `quarantined`: an operator has to decide.
 * - `scope_reduced`: the provider granted less than before.
 * - `lifetime_assumed`: the provider's profile says where the lifetime of a token stands, and the answer had none there.
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
  | 'lifetime_assumed'
  | 'store_regression'

/** One notice. Times are UTC ms. */
export interface Notice {
  readonly kind: NoticeKind
  /** Which login of the grant it is about. */
  readonly epoch: number
  readonly at: number
  /** For people, without secrets. */
  readonly message: string
}

interface Noticed {
  readonly epoch: number
  readonly notices: readonly Notice[]
}

const endings: ReadonlySet<NoticeKind> = new Set(['recovered', 'connected'])
const troubles: ReadonlySet<NoticeKind> = new Set(['at_risk', 'reauthorization_required', 'quarantined'])
const oncePerLogin = (kind: NoticeKind): boolean =>
  kind.startsWith('refresh_token_expires') || kind === 'lifetime_assumed'

/**
 * The record with a notice more, or the same record when that was said already: a trouble is said once until it is over,
 * `recovered` only where there was trouble, and an age or an assumed lifetime once for a login.
 */
export function notify<R extends Noticed>(record: R, kind: NoticeKind, message: string, at: number): R {
  const { epoch, notices } = record
  const ofLogin = notices.filter((notice) => notice.epoch === epoch)
  const open = ofLogin.slice(ofLogin.findLastIndex((notice) => endings.has(notice.kind)) + 1)
  const said =
    kind === 'recovered'
      ? !open.some((notice) => troubles.has(notice.kind))
      : (oncePerLogin(kind) ? ofLogin : open).some((notice) => notice.kind === kind)
  if (said) return record
  return { ...record, notices: [...notices, { kind, epoch, at, message }] }
}

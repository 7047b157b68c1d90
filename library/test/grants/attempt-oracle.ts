import {
  type Attempt,
  findToken,
  type GrantRecord,
  type HeldRefreshToken,
  ownToken,
  refreshes,
} from '../../src/grants/grant.ts'
import { isWindowed, type ReplayClass } from '../../src/grants/lifetime-facts.ts'
import { mandatoryAt, unresolvedOf } from '../../src/grants/recovery.ts'
import { effectiveClass, limitsOf, defaultTiming as timing } from '../../src/grants/timing.ts'
import type { TokenAnswer } from '../../src/oauth/token-answer.ts'
import { loginOf, type ProviderModel } from './provider-model.ts'

/** `minted`: a grant without a refresh token. */
export type GrantKind = ReplayClass | 'minted'

export interface Request {
  readonly attempt: Attempt
  readonly presents: number
  /** UTC ms of the send. */
  readonly askedAt: number
  /** Store time of the send, as the record has it. */
  readonly sentAt: number
  /** From here on it is taken as dead if it was not processed. */
  readonly quietAt: number
  /** Index of the worker. */
  readonly sender: number
  listening: boolean
  /** It will not be processed any more. */
  over: boolean
  /** Its sender knows for certain that it spent nothing. */
  harmless: boolean
  answer?: TokenAnswer & { issued?: number | undefined }
}

/** The moment of a judgement. */
export interface Judged {
  readonly now: number
  readonly utc: number
  /** Refresh tokens that somebody has in hand, or on its way, or in a spool. */
  readonly underWay: readonly number[]
}

export const numbered = ({ fingerprint }: HeldRefreshToken): number => Number(/\d+$/.exec(fingerprint)?.[0])

/** Every refresh token in a record. */
export const heldBy = (record: GrantRecord): readonly HeldRefreshToken[] =>
  [
    record.refreshToken,
    record.previousRefreshToken,
    ...record.candidates.map(({ refreshToken }) => refreshToken),
  ].filter((token) => token !== undefined)

/** Two sends of the present refresh token have no verdict. */
const isOverlapped = (record: GrantRecord): boolean => unresolvedOf(record).length > 1

export function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

/**
 * Judges what workers do by what is true at the provider, which they cannot see. P1 to P6 are the properties of
 * model/README.md, I1 to I6 the invariants of the refresh protocol.
 */
export class AttemptOracle {
  readonly #kind: GrantKind
  readonly #provider: ProviderModel
  readonly requests: Request[] = []
  /** Logins that the provider refused out of nothing. */
  readonly #doubted = new Set<number>()
  /** Logins of which a child was refused while another send of it had no verdict. */
  readonly #overlapped = new Set<number>()
  /** When another copy of the store used a refresh token. */
  readonly #usedElsewhere = new Map<number, number>()

  constructor(kind: GrantKind, provider: ProviderModel) {
    this.#kind = kind
    this.#provider = provider
  }

  /** The provider says that a refresh token is dead although it is not. */
  doubt(number: number): void {
    this.#doubted.add(loginOf(number))
  }

  usedElsewhere(number: number, now: number): void {
    this.#usedElsewhere.set(number, this.#usedElsewhere.get(number) ?? now)
  }

  /** Whether a person who is asked for this login would be asked for nothing. */
  isAlive(token: HeldRefreshToken): boolean {
    const number = numbered(token)
    return this.#provider.isLive(number) && !this.#doubted.has(loginOf(number))
  }

  /** Whether a worker that lives and does what is due keeps it, whatever else happens. */
  cannotBeLost({ facts, refreshToken }: GrantRecord): boolean {
    if (refreshToken === undefined || this.#kind === 'non_rotating') return true
    return isWindowed(facts) && !this.#overlapped.has(loginOf(numbered(refreshToken)))
  }

  /** What must hold of every single change. */
  judgeChange(before: GrantRecord, after: GrantRecord, at: Judged): void {
    expectThat(after.fence >= before.fence, 'I1: the fence shrank')
    const [from, to] = [before.status.state, after.status.state]
    if (from === 'revoking' || from === 'revoked') {
      expectThat(to === 'revoking', `P3: a revoked login became ${to}`)
      expectThat(after.refreshToken === before.refreshToken, 'P3: a revoked login got a refresh token')
      expectThat(after.tokens === before.tokens, 'P3: a revoked login got an access token')
    }
    if (from === 'paused' && to !== 'paused' && to !== 'revoking')
      expectThat(after.fence > before.fence && after.tokens === before.tokens, 'an answer ended a pause')
    const held = heldBy(after).map(({ fingerprint }) => fingerprint)
    expectThat(new Set(held).size === held.length, 'a refresh token is held twice')
    this.#judgeRefreshToken(before.refreshToken, after.refreshToken, at.now)
    this.#judgeToken(before, after)
    if (after.schedule.dueAt === null) expectThat(!refreshes(after.status), 'P4: it is never due again')
    const doubts = from === 'active' && to === 'suspect'
    const givesUp = from !== 'reauthorization_required' && to === 'reauthorization_required'
    if (doubts || givesUp) this.#judgeVerdict(before, after, at)
  }

  #judgeRefreshToken(
    old: HeldRefreshToken | undefined,
    young: HeldRefreshToken | undefined,
    now: number,
  ): void {
    if (old === undefined) return
    if (young === undefined) throw new Error('the refresh token vanished')
    if (old.fingerprint === young.fingerprint || loginOf(numbered(old)) !== loginOf(numbered(young))) return
    // Of two children of last_child_wins nobody can tell which one lives, so their parent is asked for a third.
    const isForgiven = this.#kind === 'last_child_wins' && this.#provider.isForgiven(numbered(young), now)
    if (this.isAlive(old) && !isForgiven)
      expectThat(this.isAlive(young), `P2: ${young.fingerprint}, which is dead, replaced a live one`)
  }

  #judgeToken(before: GrantRecord, after: GrantRecord): void {
    const [old, present] = [findToken(before, ownToken), findToken(after, ownToken)]
    expectThat(!(old !== undefined && present === undefined), 'a token vanished')
    if (old === undefined || present === undefined || present.generation === old.generation) return
    expectThat(present.generation === old.generation + 1, 'a generation was left out, or came again')
    const rotating = this.#kind !== 'minted' && this.#kind !== 'non_rotating'
    expectThat(rotating || present.fence > old.fence, 'an older token replaced a newer')
  }

  /** P5: a login is doubted or given up only when nothing that is alive could have been had by waiting. */
  #judgeVerdict(before: GrantRecord, after: GrantRecord, { now, utc, underWay }: Judged): void {
    const login = before.refreshToken === undefined ? 0 : loginOf(numbered(before.refreshToken))
    if (this.#doubted.has(login)) return
    // Where a second send of the same child has no verdict the child may be spent, and then nothing else is used. Should it
    // have been killed by a sibling instead, all within one window, that costs the login.
    if (this.#kind === 'last_child_wins' && isOverlapped(before)) this.#overlapped.add(login)
    if (this.#overlapped.has(login)) return
    const losable = this.#kind !== 'non_rotating' && this.#kind !== 'minted'
    expectThat(losable, 'P5: what cannot be lost was given up')
    for (const token of [after.refreshToken, ...after.candidates.map((one) => one.refreshToken)])
      expectThat(token === undefined || !this.isAlive(token), `P5: given up beside ${token?.fingerprint}`)
    const rotated = this.#provider.lastRotated(login)
    expectThat(this.#handledAsStrict(before, rotated, now), 'P5: given up inside its window')
    // To doubt costs nothing: what is on its way ends it.
    if (after.status.state === 'suspect') return
    for (const number of underWay)
      if (this.#provider.isLive(number) && loginOf(number) === login)
        expectThat(
          now >= mandatoryAt(before, utc, now),
          `P5: given up before the mandatory window although ${number} was on its way`,
        )
  }

  /** Whether a refresh token that was sent before must not simply be sent again: strict, or past its window. */
  #handledAsStrict({ facts }: GrantRecord, number: number | undefined, now: number): boolean {
    if (effectiveClass(facts, timing) === 'strict') return true
    const sends = this.requests.filter(({ presents, harmless }) => presents === number && !harmless)
    const first = Math.min(
      this.#usedElsewhere.get(number ?? 0) ?? Number.POSITIVE_INFINITY,
      ...sends.map(({ sentAt }) => sentAt),
    )
    return first === Number.POSITIVE_INFINITY || now >= first + limitsOf(facts, timing).replay
  }

  /** P1 and P6: what a send of a refresh token that was sent before may meet. */
  judgeSend(
    presents: number,
    record: GrantRecord,
    probed: 'alive' | 'unknown' | undefined,
    { now, utc }: Pick<Judged, 'now' | 'utc'>,
  ): void {
    if (this.#kind === 'minted' || this.#kind === 'non_rotating') return
    const earlier = this.requests.filter((request) => request.presents === presents)
    if (earlier.length === 0 || !this.#handledAsStrict(record, presents, now)) return
    // invalid_grant is the verdict on every send of a refresh token, also where the provider says so for nothing.
    if (this.#doubted.has(loginOf(presents))) return
    const open = earlier.some(({ over, answer }) => !over && answer === undefined)
    expectThat(!open, `P1: ${presents} was sent again while a request with it may still arrive`)
    // What a refusal said to everybody is said again when it is confirmed.
    if (record.status.state === 'suspect') return
    if (!this.#provider.isSpent(presents)) return
    expectThat(probed !== 'alive', 'P6: a refresh token that a probe called alive was spent')
    expectThat(
      now >= mandatoryAt(record, utc, now),
      `P6: ${presents}, which is spent, was sent before the mandatory window`,
    )
  }
}

import { commit, markSent, release, settle } from '../../src/grants/attempt.ts'
import { type Claim, claim, type Why } from '../../src/grants/claim.ts'
import {
  type Attempt,
  findToken,
  type GrantRecord,
  ownFreshness,
  ownToken,
  pause,
  refreshes,
  resume,
} from '../../src/grants/grant.ts'
import { judge } from '../../src/grants/outcome.ts'
import type { Change, Moment } from '../../src/grants/store.ts'
import { defaultTiming as timing } from '../../src/grants/timing.ts'
import type { TokenAnswer } from '../../src/oauth/token-answer.ts'
import { Secret } from '../../src/secret.ts'
import { grantRecord, held, tokenRow } from './records.ts'

/*
 * One grant, one provider and a few workers whose every step is taken when the test says so. The oracle knows what
 * really happened to each refresh token, which no worker does.
 */

/**
 * `strict`: the refresh token rotates; `kept`: there is one, and it stays as it is; `minted`: there is none.
 */
export type GrantKind = 'strict' | 'kept' | 'minted'

/** Refresh tokens are numbered by the provider: `refresh-1007` is the seventh after the first of login 1. */
const numbered = (text: string): number => Number(/\d+$/.exec(text)?.[0])
const loginOf = (number: number): number => Math.floor(number / 1000)

/** The provider's side of one login: the refresh token that is good, and whether the login lives. */
interface Login {
  good: number
  alive: boolean
}

interface Request {
  readonly attempt: Attempt
  readonly presents: number
  readonly sentAt: number
  readonly sender: string
  /** What the provider answered, once it has processed the request. */
  answer?: TokenAnswer & { issued?: number }
  /** Its sender learnt for certain that it spent nothing. */
  harmless?: boolean
}

interface Flight {
  readonly attempt: Attempt
  readonly record: GrantRecord
  readonly began: number
  request?: Request
}

interface Worker {
  owner: string
  flight: Flight | undefined
}

export class AttemptModel {
  readonly #kind: GrantKind
  record: GrantRecord
  readonly workers: Worker[]
  readonly #dead = new Set<string>()
  readonly #logins = new Map<number, Login>([[1, { good: 1001, alive: true }]])
  #accessTokens = 0
  /** Logins of which an answer can no longer arrive, or that the provider refused out of nothing. */
  readonly #endangered = new Set<number>()
  readonly #requests: Request[] = []
  #now = 5_000_000
  #owners = 0
  /** Highest number of a refresh token that was ever committed. */
  #committed = 1001
  commits = 0
  sends = 0

  constructor(kind: GrantKind, workers: number, hasToken: boolean) {
    this.#kind = kind
    const tokens = hasToken ? [tokenRow({ expiresAt: this.utc + 3_600_000, obtainedAt: this.utc })] : []
    const refreshToken = held('refresh-1001')
    const replayClass = kind === 'strict' ? 'strict' : 'non_rotating'
    this.record = grantRecord({ tokens, replayClass, ...(kind === 'minted' ? {} : { refreshToken }) })
    this.workers = Array.from({ length: workers }, () => ({ owner: this.#newOwner(), flight: undefined }))
  }

  /** Whether the present login can have been lost without anybody's fault. */
  get mayBeLost(): boolean {
    return this.#endangered.has(loginOf(numbered(this.record.refreshToken?.fingerprint ?? 'refresh-0')))
  }

  get utc(): number {
    return 1_800_000_000_000 + this.#now
  }

  get now(): number {
    return this.#now
  }

  #newOwner(): string {
    this.#owners += 1
    return `owner-${this.#owners}`
  }

  #update<R>(decide: (record: GrantRecord, moment: Moment) => Change<R>): R {
    const before = this.record
    const moment: Moment = {
      time: { at: this.#now, boot: 'boot-1' },
      isDead: (owner) => this.#dead.has(owner),
    }
    const { result, record } = decide(before, moment)
    if (record === null) throw new Error('nothing here removes the grant')
    if (record !== undefined) {
      this.record = record
      this.#judgeChange(before, record)
    }
    return result
  }

  /** What must hold of every single change (refresh-protocol, I1 to I3). */
  #judgeChange(before: GrantRecord, after: GrantRecord): void {
    expectThat(after.fence >= before.fence, 'the fence shrank')
    const refreshToken = after.refreshToken
    if (refreshToken !== undefined) {
      const number = numbered(refreshToken.fingerprint)
      expectThat(number >= this.#committed, `refresh token ${number} replaced ${this.#committed}`)
      this.#committed = number
    }
    if (this.#kind !== 'minted') expectThat(refreshToken !== undefined, 'the refresh token vanished')
    if (before.status.state === 'paused' && after.status.state !== 'paused')
      expectThat(after.fence > before.fence && after.tokens === before.tokens, 'an answer ended a pause')
    const [old, present] = [findToken(before, ownToken), findToken(after, ownToken)]
    if (old !== undefined && present !== undefined) {
      expectThat(present.generation >= old.generation, 'the generation shrank')
      if (present.generation > old.generation) {
        expectThat(present.generation === old.generation + 1, 'a generation was left out')
        expectThat(present.fence > old.fence || this.#kind === 'strict', 'an older token replaced a newer')
      }
    }
    expectThat(!(old !== undefined && present === undefined), 'a token vanished')
    if (after.schedule.dueAt === null)
      expectThat(!refreshes(after.status), 'a grant that refreshes is never due again')
  }

  claim(index: number, why: Why): Claim['kind'] | 'busy' {
    const worker = this.workers[index] as Worker
    if (worker.flight !== undefined) return 'busy'
    const before = this.record
    const result = this.#update((record, moment) =>
      claim(
        record,
        why,
        {
          owner: worker.owner,
          attemptId: `attempt-${this.record.fence}-${worker.owner}`,
          utc: this.utc,
          timing,
        },
        moment,
      ),
    )
    if (result.kind !== 'claimed') return result.kind
    expectThat(refreshes(before.status), `claimed while ${before.status.state}`)
    expectThat(this.record.fence > before.fence, 'a claim must raise the fence')
    const { lease } = before
    const taken = lease !== undefined && lease.until > this.#now && !this.#dead.has(lease.owner)
    expectThat(!taken, 'a lease was taken from a living owner')
    worker.flight = { attempt: result.attempt, record: result.record, began: this.#now }
    if (result.attempt.sentAt !== undefined) this.#send(worker, worker.flight)
    return 'claimed'
  }

  /** T1b, and the send if it may be. */
  mark(index: number): void {
    const worker = this.workers[index] as Worker
    const { flight } = worker
    if (flight === undefined || flight.request !== undefined) return
    const tooLate = this.#now - flight.began > timing.lease - timing.deadline
    if (!tooLate && this.#update((record, moment) => markSent(record, flight.attempt, moment)))
      this.#send(worker, flight)
    else {
      this.#update((record, moment) => release(record, flight.attempt, moment))
      this.#exit(worker)
    }
  }

  #send(worker: Worker, flight: Flight): void {
    const presents = numbered(flight.record.refreshToken?.fingerprint ?? 'refresh-0')
    if (this.#kind === 'strict') {
      const earlier = this.#requests.filter((request) => request.presents === presents && !request.harmless)
      const near = ownFreshness(this.record, this.utc)
      expectThat(
        earlier.length === 0 || near === 'mandatory' || near === 'expired',
        `refresh token ${presents} was sent twice while its token is ${near}`,
      )
      for (const request of earlier) {
        const stillHolds = this.workers.some((other) => other.flight?.request === request)
        expectThat(
          !stillHolds || this.#now >= request.sentAt + timing.deadline,
          `refresh token ${presents} was sent again while its first answer was awaited`,
        )
      }
    }
    this.sends += 1
    flight.request = { attempt: flight.attempt, presents, sentAt: this.#now, sender: worker.owner }
    this.#requests.push(flight.request)
  }

  /** The provider works on a request, perhaps long after its sender has gone. */
  process(pick: number): void {
    const open = this.#requests.filter((request) => request.answer === undefined)
    const request = open[pick % Math.max(open.length, 1)]
    if (request === undefined) return
    const login = this.#logins.get(loginOf(request.presents))
    const rotates = this.#kind === 'strict' && login !== undefined
    if (rotates && (request.presents !== login.good || !login.alive)) {
      login.alive = false
      request.answer = { kind: 'error', status: 400, error: 'invalid_grant' }
      // Two sends of one token met at the provider: #send has judged whether the second was allowed.
      this.#endangered.add(loginOf(request.presents))
    } else {
      this.#accessTokens += 1
      const response = {
        accessToken: new Secret(`access-${this.#accessTokens}`),
        tokenType: 'Bearer',
        whole: new Secret('{}'),
      }
      request.answer = { kind: 'tokens', status: 200, response }
      if (rotates) {
        login.good += 1
        request.answer.issued = login.good
      }
    }
    const received = this.workers.some((worker) => worker.flight?.request === request)
    if (!received) this.#endangered.add(loginOf(request.presents))
  }

  /** The provider turns requests away before it looks at them. */
  refuse(pick: number, error: string): void {
    const open = this.#requests.filter((request) => request.answer === undefined)
    const request = open[pick % Math.max(open.length, 1)]
    if (request === undefined) return
    request.answer = { kind: 'error', status: 400, error }
    if (error === 'invalid_grant') this.#endangered.add(loginOf(request.presents))
  }

  deliver(index: number): void {
    const worker = this.workers[index] as Worker
    const answer = worker.flight?.request?.answer
    if (worker.flight === undefined || answer === undefined) return
    this.#settle(worker, worker.flight, answer)
  }

  /** The worker stops waiting; its request may still be processed. */
  giveUp(index: number): void {
    const worker = this.workers[index] as Worker
    const request = worker.flight?.request
    if (worker.flight === undefined || request === undefined) return
    if (request.answer !== undefined) this.#endangered.add(loginOf(request.presents))
    this.#settle(worker, worker.flight, { kind: 'silence', sent: true, reason: 'deadline', detail: '' })
  }

  /** The connection could not be made: certain that nothing was sent. */
  unreachable(index: number): void {
    const worker = this.workers[index] as Worker
    const request = worker.flight?.request
    if (worker.flight === undefined || request === undefined || request.answer !== undefined) return
    request.answer = { kind: 'silence', sent: false, reason: 'refused', detail: '' }
    this.#settle(worker, worker.flight, { kind: 'silence', sent: false, reason: 'refused', detail: '' })
  }

  #settle(worker: Worker, flight: Flight, answer: TokenAnswer & { issued?: number }): void {
    const outcome = judge(answer, flight.record.replayClass)
    if (outcome.verdict === 'ok') {
      const token = tokenRow({
        obtainedAt: flight.request?.sentAt ?? 0,
        expiresAt: this.utc + 3_600_000,
        sealed: new Uint8Array([1]),
      })
      const refreshToken = answer.issued === undefined ? undefined : held(`refresh-${answer.issued}`)
      const parentStands =
        this.#kind === 'strict' && this.record.refreshToken?.fingerprint === flight.attempt.parent
      const holds = this.record.fence === flight.attempt.fence
      const done = this.#update((record, moment) =>
        commit(record, flight.attempt, { token, refreshToken }, this.utc, moment),
      )
      if (parentStands) expectThat(done !== null, 'the only answer to the present refresh token was dropped')
      if (holds) expectThat(done !== null, 'the answer to whoever holds the lease was dropped')
      if (done !== null) this.commits += 1
    } else {
      if (flight.request !== undefined) flight.request.harmless = outcome.verdict !== 'ambiguous'
      const { status, refreshToken } = this.record
      const foreign = (refreshToken?.fingerprint ?? 'none') !== flight.attempt.parent
      this.#update((record, moment) =>
        settle(
          record,
          flight.attempt,
          outcome,
          ownToken,
          { utc: this.utc, timing, random: () => 0.5 },
          moment,
        ),
      )
      expectThat(!foreign || this.record.status === status, 'a login was judged by the refusal of another')
    }
    this.#exit(worker)
  }

  /** I6: whoever leaves holds nothing any more. */
  #exit(worker: Worker): void {
    worker.flight = undefined
    expectThat(this.record.lease?.owner !== worker.owner, `${worker.owner} left and kept its lease`)
  }

  /** SIGKILL: the next one in its place is another owner. */
  crash(index: number): void {
    const worker = this.workers[index] as Worker
    const request = worker.flight?.request
    if (request?.answer !== undefined) this.#endangered.add(loginOf(request.presents))
    this.#dead.add(worker.owner)
    worker.owner = this.#newOwner()
    worker.flight = undefined
  }

  pass(ms: number): void {
    this.#now += ms
  }

  pause(): void {
    this.#update((record) => ({ result: undefined, record: pause(record, this.utc) }))
  }

  resume(): void {
    this.#update((record) => ({ result: undefined, record: resume(record, this.utc, this.#now) }))
  }

  /** A person consents again: another login at the provider, and the end of all that was under way. */
  consent(): void {
    this.#replaceLogin({ attempts: [], status: { state: 'active' } })
  }

  /** A changed configuration brings another refresh token; what is under way goes on. */
  reimport(): void {
    const { state } = this.record.status
    const dead = state === 'suspect' || state === 'reauthorization_required'
    this.#replaceLogin(dead ? { status: { state: 'active' } } : {})
  }

  #replaceLogin(change: Partial<GrantRecord>): void {
    if (this.#kind === 'minted') return
    const number = this.#logins.size + 1
    this.#logins.set(number, { good: number * 1000 + 1, alive: true })
    this.#update((record) => ({
      result: undefined,
      record: {
        ...record,
        fence: record.fence + 1,
        lease: undefined,
        refreshToken: held(`refresh-${number * 1000 + 1}`),
        schedule: {
          ...record.schedule,
          dueAt: refreshes(change.status ?? record.status) ? this.#now : record.schedule.dueAt,
          backoffUntil: 0,
        },
        ...change,
      },
    }))
  }

  /** From here on nothing goes wrong: everybody finishes, and one worker does what is due for two days. */
  settleDown(): void {
    for (const [index, worker] of this.workers.entries()) {
      if (worker.flight !== undefined && worker.flight.request === undefined) this.mark(index)
      if (worker.flight?.request !== undefined && worker.flight.request.answer === undefined)
        this.giveUp(index)
      this.deliver(index)
      expectThat(worker.flight === undefined, 'everybody has finished')
    }
    this.resume()
    const end = this.#now + 2 * 86_400_000
    const before = this.commits
    let steps = 0
    while (this.#now < end && this.commits === before && this.record.schedule.dueAt !== null) {
      steps += 1
      expectThat(steps < 300, 'the grant is due over and over, and nothing comes of it')
      this.#now = Math.max(this.#now, this.record.schedule.dueAt)
      if (this.claim(0, { kind: 'due' }) !== 'claimed') continue
      this.mark(0)
      const request = (this.workers[0] as Worker).flight?.request
      if (request === undefined) continue
      while (request.answer === undefined) this.process(this.#open().indexOf(request))
      this.deliver(0)
    }
  }

  #open(): Request[] {
    return this.#requests.filter((request) => request.answer === undefined)
  }
}

function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

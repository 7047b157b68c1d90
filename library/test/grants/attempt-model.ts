import { adopted } from '../../src/grants/adoption.ts'
import { type Answered, markSent, release } from '../../src/grants/attempt.ts'
import { type Claim, type Claimed, claim, type Why } from '../../src/grants/claim.ts'
import { commit } from '../../src/grants/commit.ts'
import {
  type Attempt,
  type GrantRecord,
  type HeldRefreshToken,
  ownToken,
  pause,
  quarantine,
  refreshes,
  resume,
} from '../../src/grants/grant.ts'
import { judge } from '../../src/grants/outcome.ts'
import { mandatoryAt } from '../../src/grants/recovery.ts'
import { revoke } from '../../src/grants/revocation.ts'
import { lost, settle } from '../../src/grants/settle.ts'
import type { Change, Moment } from '../../src/grants/store.ts'
import { effectiveClass, limitsOf, defaultTiming as timing } from '../../src/grants/timing.ts'
import type { TokenAnswer } from '../../src/oauth/token-answer.ts'
import { Secret } from '../../src/secret.ts'
import {
  AttemptOracle,
  expectThat,
  type GrantKind,
  heldBy,
  numbered,
  type Request,
} from './attempt-oracle.ts'
import { ProviderModel } from './provider-model.ts'
import { brought, facts, grantRecord, held, tokenRow } from './records.ts'

/*
 * One grant, one provider, and workers on one host or two whose every step is taken when the test says so: the program's
 * own steps, in the order in which refresh.ts takes them. attempt-oracle.ts judges each.
 */

export interface World {
  readonly kind: GrantKind
  /** On one host everybody knows who is dead; of another host's processes nobody does. */
  readonly hosts: 1 | 2
  /** The provider can be asked whether a refresh token is alive. */
  readonly probe?: boolean
  /** Worker 0 lives, and does what is due when it is due. */
  readonly guarded?: boolean
  readonly hasToken: boolean
}

interface Flight {
  readonly claimed: Claimed
  readonly began: number
  stage: 'claimed' | 'ready' | 'sent' | 'received' | 'spooled' | 'committed'
  probed?: 'alive' | 'unknown'
  request?: Request
  answered?: Answered
}

interface Worker {
  owner: string
  readonly host: number
  flight: Flight | undefined
}

interface Spooled {
  readonly attempt: Attempt
  readonly answered: Answered
}

const windowOf = 60_000

export class AttemptModel {
  readonly #world: World
  readonly #provider: ProviderModel
  record: GrantRecord
  readonly workers: Worker[]
  readonly #hostOf = new Map<string, number>()
  readonly #dead = new Set<string>()
  readonly #spools = new Map<string, Spooled[]>()
  /** What the store keeps of refresh tokens that left the record. */
  readonly #superseded = new Set<string>()
  readonly #oracle: AttemptOracle
  #now = 5_000_000
  #boots = 1
  #attempts = 0
  commits = 0
  sends = 0

  constructor(world: World) {
    this.#world = world
    const { kind } = world
    const replayClass = kind === 'minted' ? 'non_rotating' : kind
    this.#provider = new ProviderModel(replayClass, windowOf)
    this.#oracle = new AttemptOracle(kind, this.#provider)
    const first = this.#provider.newLogin()
    this.record = grantRecord({
      grantType: kind === 'minted' ? 'client_credentials' : 'refresh_token',
      tokens: world.hasToken ? [tokenRow({ expiresAt: this.utc + 3_600_000, obtainedAt: this.utc })] : [],
      facts: facts(replayClass, { introspection: world.probe === true }),
      loginAt: this.utc,
      ...(kind === 'minted' ? {} : { refreshToken: held(`refresh-${first}`) }),
    })
    this.workers = [0, 1, 2].map((index) => {
      const host = index === 2 ? world.hosts - 1 : 0
      return { owner: this.#newOwner(host), host, flight: undefined }
    })
  }

  get utc(): number {
    return 1_800_000_000_000 + this.#now
  }

  get now(): number {
    return this.#now
  }

  get state(): GrantRecord['status']['state'] {
    return this.record.status.state
  }

  #newOwner(host: number): string {
    const owner = `owner-${this.#hostOf.size + 1}`
    this.#hostOf.set(owner, host)
    return owner
  }

  #worker(index: number): Worker {
    return this.workers[index] as Worker
  }

  #update<R>(host: number, decide: (record: GrantRecord, moment: Moment) => Change<R>): R {
    const before = this.record
    const isGone = (owner: string) =>
      this.#dead.has(owner) &&
      this.#hostOf.get(owner) === host &&
      (this.#spools.get(owner)?.length ?? 0) === 0
    const { result, record } = decide(before, {
      time: { at: this.#now, boot: `boot-${this.#boots}` },
      isGone,
    })
    if (record === null) throw new Error('nothing here removes the grant')
    if (record === undefined) return result
    const here = new Set(heldBy(record).map(({ fingerprint }) => fingerprint))
    for (const { fingerprint } of heldBy(before))
      if (!here.has(fingerprint)) this.#superseded.add(fingerprint)
    this.record = record
    this.#oracle.judgeChange(before, record, {
      now: this.#now,
      utc: this.utc,
      underWay: this.#underWay(),
    })
    return result
  }

  /** Refresh tokens that somebody has in hand or in a spool. */
  #underWay(): readonly number[] {
    const inHand = this.workers.flatMap(({ flight }) => flight?.answered?.refreshToken ?? [])
    const spooled = [...this.#spools.values()].flat().flatMap(({ answered }) => answered.refreshToken ?? [])
    const coming = this.#oracle.requests.flatMap(({ listening, answer }) =>
      listening && answer?.issued !== undefined ? [answer.issued] : [],
    )
    return [...[...inHand, ...spooled].map(numbered), ...coming]
  }

  claim(index: number, why: Why): Claim['kind'] | 'busy' {
    const worker = this.#worker(index)
    if (worker.flight !== undefined) return 'busy'
    this.drain(index)
    const before = this.record
    this.#attempts += 1
    const by = { owner: worker.owner, attemptId: `attempt-${this.#attempts}`, spool: `spool-${worker.host}` }
    const claimed = this.#update(worker.host, (record, moment) =>
      claim(record, why, { ...by, utc: this.utc, timing }, moment),
    )
    if (claimed.kind !== 'claimed') return claimed.kind
    // Telling the provider of a revocation is not modelled: it touches no refresh token.
    if (claimed.task === 'revoke') return 'dead'
    expectThat(refreshes(before.status), `I3: claimed while ${before.status.state}`)
    expectThat(this.record.fence > before.fence, 'I1: a claim must raise the fence')
    const { lease } = before
    const taken = lease !== undefined && lease.until > this.#now && !this.#dead.has(lease.owner)
    expectThat(!taken || lease?.boot !== `boot-${this.#boots}`, 'a lease was taken from a living owner')
    worker.flight = { claimed, began: this.#now, stage: 'claimed' }
    return 'claimed'
  }

  /** A worker takes its next step, if it can. `told`: should it ask the provider, it gets an answer. */
  go(index: number, told = true): void {
    const worker = this.#worker(index)
    const { flight } = worker
    switch (flight?.stage) {
      case undefined:
        return
      case 'claimed':
        this.#prepare(worker, flight, told)
        return
      case 'ready':
        this.#send(worker, flight)
        return
      case 'sent':
        if (flight.request?.answer !== undefined) this.#receive(worker, flight, flight.request.answer)
        return
      case 'received': {
        flight.stage = 'spooled'
        if (flight.answered?.refreshToken === undefined) return
        const entry = { attempt: flight.claimed.attempt, answered: flight.answered }
        this.#spools.set(worker.owner, [...(this.#spools.get(worker.owner) ?? []), entry])
        return
      }
      case 'spooled':
        flight.stage = 'committed'
        this.#commit(worker.host, flight.claimed.attempt, flight.answered as Answered)
        return
      case 'committed':
        this.#spools.delete(worker.owner)
        this.#exit(worker)
    }
  }

  #prepare(worker: Worker, flight: Flight, told: boolean): void {
    const { attempt, again, probe, record } = flight.claimed
    if (again) {
      this.drain(this.workers.indexOf(worker))
      if (this.record.fence !== attempt.fence) {
        this.#exit(worker)
        return
      }
    }
    if (probe) {
      const alive = this.#provider.isLive(numbered(record.refreshToken as HeldRefreshToken))
      if (told && !alive) {
        this.#update(worker.host, (row, moment) => lost(row, attempt, { utc: this.utc, timing }, moment))
        const left = [...this.#spools].filter(
          ([owner]) => this.#dead.has(owner) && this.#hostOf.get(owner) === worker.host,
        )
        expectThat(left.length === 0, 'P5: given up with an answer in a spool of this host')
        this.#exit(worker)
        return
      }
      const mandatory = mandatoryAt(record, this.utc, this.#now)
      if (!told && this.#now < mandatory) {
        this.#release(worker, attempt, Math.min(mandatory, this.#now + timing.probePause))
        return
      }
      flight.probed = told ? 'alive' : 'unknown'
    }
    flight.stage = 'ready'
  }

  /** T1b, and the send if it may be. */
  #send(worker: Worker, flight: Flight): void {
    const { attempt, before = Number.POSITIVE_INFINITY } = flight.claimed
    const { lease, deadline, quiescence } = limitsOf(this.record.facts, timing)
    const tooLate = this.#now - flight.began > lease - deadline || this.#now >= before
    const may =
      !tooLate &&
      (attempt.sentAt !== undefined ||
        this.#update(worker.host, (row, moment) => markSent(row, attempt, moment)))
    if (!may) {
      this.#release(worker, attempt)
      return
    }
    const presents = Number(/\d+$/.exec(attempt.parent)?.[0] ?? 0)
    this.#oracle.judgeSend(presents, flight.claimed.record, flight.probed, this)
    this.sends += 1
    flight.stage = 'sent'
    flight.request = {
      attempt,
      presents,
      askedAt: this.utc,
      sentAt: attempt.sentAt ?? this.#now,
      quietAt: (attempt.sentAt ?? this.#now) + quiescence,
      sender: this.workers.indexOf(worker),
      listening: true,
      over: false,
      harmless: false,
    }
    this.#oracle.requests.push(flight.request)
  }

  #receive(worker: Worker, flight: Flight, answer: TokenAnswer & { issued?: number | undefined }): void {
    if (flight.request !== undefined) flight.request.listening = false
    const { attempt, record } = flight.claimed
    const outcome = judge(answer, effectiveClass(record.facts, timing))
    if (outcome.verdict === 'ok') {
      const obtainedAt = flight.request?.askedAt ?? 0
      const receivedAt = record.schedule.lastAttemptAt ?? 0
      flight.stage = 'received'
      flight.answered = {
        token: brought({ obtainedAt, expiresAt: obtainedAt + 3_600_000 }),
        refreshToken:
          answer.issued === undefined ? undefined : held(`refresh-${answer.issued}`, { receivedAt }),
      }
      return
    }
    if (flight.request !== undefined)
      flight.request.harmless = outcome.verdict === 'not_sent' || outcome.verdict === 'refused'
    const { status, refreshToken } = this.record
    const foreign = (refreshToken?.fingerprint ?? 'none') !== attempt.parent
    const by = { utc: this.utc, timing, random: () => 0.5, incident: false, listening: false }
    this.#update(worker.host, (row, moment) => settle(row, attempt, outcome, ownToken, by, moment))
    expectThat(!foreign || this.record.status === status, 'a login was judged by the refusal of another')
    this.#exit(worker)
  }

  /** T2, by whoever received it or drains it. */
  #commit(host: number, attempt: Attempt, answered: Answered): void {
    const { fence, refreshToken, status, loginAt = 0 } = this.record
    const { refreshToken: young } = answered
    const standing = refreshToken?.fingerprint === attempt.parent && refreshes(status)
    const done = this.#update(host, (row, moment) =>
      commit(row, attempt, answered, { utc: this.utc, timing }, moment),
    )
    if (done !== null) this.commits += 1
    if (standing && young !== undefined)
      expectThat(done !== null, 'the answer to the present refresh token was dropped')
    if (fence === attempt.fence && refreshes(status))
      expectThat(done !== null, 'the answer to whoever holds the lease was dropped')
    if (young === undefined || young.receivedAt < loginAt) return
    const kept =
      this.#superseded.has(young.fingerprint) ||
      heldBy(this.record).some(({ fingerprint }) => fingerprint === young.fingerprint)
    expectThat(kept, `I4: ${young.fingerprint} was received and is nowhere`)
  }

  /** Answers of this host's dead processes are stored. */
  drain(index: number): void {
    const { host } = this.#worker(index)
    for (const [owner, entries] of this.#spools) {
      if (!this.#dead.has(owner) || this.#hostOf.get(owner) !== host) continue
      for (const { attempt, answered } of entries)
        if (!this.#superseded.has(answered.refreshToken?.fingerprint ?? ''))
          this.#commit(host, attempt, answered)
      this.#spools.delete(owner)
    }
  }

  #release(worker: Worker, attempt: Attempt, dueAt?: number): void {
    this.#update(worker.host, (row, moment) => release(row, attempt, moment, dueAt))
    this.#exit(worker)
  }

  /** I6: whoever leaves holds nothing any more. */
  #exit(worker: Worker): void {
    worker.flight = undefined
    expectThat(this.record.lease?.owner !== worker.owner, `I6: ${worker.owner} left and kept its lease`)
  }

  /** Requests that the provider has not looked at yet, those of worker 0 left out where it is the guard. */
  #open(): readonly Request[] {
    return this.#oracle.requests.filter(({ over, answer }) => !over && answer === undefined)
  }

  #pick(pick: number): Request | undefined {
    const open = this.#open()
    return open[pick % Math.max(open.length, 1)]
  }

  #isGuard(index: number): boolean {
    return this.#world.guarded === true && index === 0
  }

  /** The provider works on a request, perhaps long after its sender has gone. */
  process(pick: number): void {
    const request = this.#pick(pick)
    if (request !== undefined) this.#process(request)
  }

  #process(request: Request): void {
    const processed = this.#provider.process(request.presents, this.#now)
    request.over = true
    request.answer =
      processed.kind === 'refused'
        ? { kind: 'error', status: 400, error: 'invalid_grant' }
        : {
            kind: 'tokens',
            status: 200,
            response: { accessToken: new Secret('access'), tokenType: 'Bearer', whole: new Secret('{}') },
            issued: processed.refreshToken,
          }
  }

  /** The provider turns a request away before it looks at it. */
  refuse(pick: number, error: string): void {
    const request = this.#pick(pick)
    if (request === undefined || (error === 'invalid_grant' && this.#world.guarded === true)) return
    request.over = true
    request.answer = { kind: 'error', status: 400, error }
    if (error === 'invalid_grant') this.#oracle.doubt(request.presents)
  }

  /** The network loses a request. */
  drop(pick: number): void {
    const request = this.#pick(pick)
    if (request !== undefined && !this.#isGuard(request.sender)) request.over = true
  }

  /** The worker stops waiting; its request may still be processed. */
  giveUp(index: number, sent = true): void {
    const worker = this.#worker(index)
    const { flight } = worker
    if (flight?.stage !== 'sent' || flight.request === undefined || this.#isGuard(index)) return
    const { request } = flight
    if (!sent && request.answer !== undefined) return
    if (!sent) request.over = true
    this.#receive(worker, flight, {
      kind: 'silence',
      sent,
      reason: sent ? 'deadline' : 'refused',
      detail: '',
    })
  }

  /** SIGKILL: the next one in its place is another owner. */
  crash(index: number): void {
    const worker = this.#worker(index)
    if (this.#isGuard(index)) return
    this.#dead.add(worker.owner)
    if (worker.flight?.request !== undefined) worker.flight.request.listening = false
    worker.owner = this.#newOwner(worker.host)
    worker.flight = undefined
  }

  /** The machine starts anew: everybody on it dies, and the store's clock has another boot. */
  reboot(): void {
    if (this.#world.hosts === 2 || this.#world.guarded === true) return
    for (const index of this.workers.keys()) this.crash(index)
    this.#boots += 1
  }

  pass(ms: number): void {
    const end = this.#now + ms
    for (let steps = 0; this.#world.guarded === true; steps++) {
      expectThat(steps < 300, 'P4: the grant is due over and over, and nothing comes of it')
      this.#finish(0)
      const { dueAt } = this.record.schedule
      if (dueAt === null || dueAt > end) break
      this.#pass(Math.max(this.#now, dueAt))
      this.claim(0, { kind: 'due' })
    }
    this.#pass(end)
  }

  /** Quiescence: from here on what was not processed is dead. */
  #pass(to: number): void {
    this.#now = to
    for (const request of this.#open()) if (this.#now >= request.quietAt) request.over = true
  }

  pause(): void {
    if (this.#world.guarded === true || !refreshes(this.record.status)) return
    this.#update(0, (record) => ({ result: undefined, record: pause(record, this.utc) }))
  }

  quarantine(): void {
    if (this.#world.guarded === true || !refreshes(this.record.status)) return
    this.#update(0, (record) => ({ result: undefined, record: quarantine(record, 'by a test', this.utc) }))
  }

  resume(): void {
    this.#update(0, (record) => ({ result: undefined, record: resume(record, this.utc, this.#now) }))
  }

  revoke(): void {
    this.#update(0, (record, moment) => ({ result: undefined, record: revoke(record, this.utc, moment) }))
  }

  /** The store was copied, and the other copy has used the refresh token; its processes and its spool are gone. */
  adopt(used: boolean): void {
    if (this.#world.guarded === true) return
    for (const index of this.workers.keys()) this.crash(index)
    this.#spools.clear()
    const { refreshToken } = this.record
    if (used && refreshToken !== undefined) {
      this.#provider.process(numbered(refreshToken), this.#now)
      this.#oracle.usedElsewhere(numbered(refreshToken), this.#now)
    }
    const owner = this.#worker(0).owner
    this.#update(0, (record, moment) => ({
      result: undefined,
      record: adopted(record, `adopted-${record.fence}`, owner, moment),
    }))
  }

  /** A person consents again: another login at the provider, and the end of all that was under way. */
  consent(): void {
    this.#replaceLogin({ attempts: [], status: { state: 'active' }, epoch: this.record.epoch + 1 })
  }

  /** A changed configuration brings another refresh token; what is under way goes on. */
  reimport(): void {
    const { state } = this.record.status
    if (state === 'revoking' || state === 'revoked') return
    const dead = state === 'suspect' || state === 'reauthorization_required'
    this.#replaceLogin(dead ? { status: { state: 'active' } } : {})
  }

  #replaceLogin(change: Partial<GrantRecord>): void {
    if (this.#world.kind === 'minted') return
    // Whatever was sent before was sent earlier.
    this.#pass(this.#now + 1)
    const { record } = this
    this.record = {
      ...record,
      fence: record.fence + 1,
      lease: undefined,
      refreshToken: held(`refresh-${this.#provider.newLogin()}`, { receivedAt: this.utc }),
      previousRefreshToken: undefined,
      candidates: [],
      loginAt: this.utc,
      schedule: {
        ...record.schedule,
        dueAt: refreshes(change.status ?? record.status) ? this.#now : record.schedule.dueAt,
        backoffUntil: 0,
      },
      ...change,
    }
  }

  /** A worker goes on until it is done; nothing is lost on its way. */
  #finish(index: number): void {
    const worker = this.#worker(index)
    for (let steps = 0; worker.flight !== undefined; steps++) {
      expectThat(steps < 10, 'everybody comes to an end')
      const { request } = worker.flight
      if (request !== undefined && request.answer === undefined) {
        if (!request.over) this.#process(request)
        else {
          this.#receive(worker, worker.flight, {
            kind: 'silence',
            sent: true,
            reason: 'deadline',
            detail: '',
          })
          continue
        }
      }
      this.go(index)
    }
  }

  /** From here on nothing goes wrong: everybody finishes, and one worker does what is due for two days. */
  settleDown(): void {
    for (const index of this.workers.keys()) this.#finish(index)
    this.resume()
    if (this.state === 'revoking') return
    for (const index of this.workers.keys()) this.drain(index)
    const end = this.#now + 2 * 86_400_000
    const before = this.commits
    for (let steps = 0; this.commits === before; steps++) {
      expectThat(steps < 300, 'P4: the grant is due over and over, and nothing comes of it')
      const { dueAt } = this.record.schedule
      if (dueAt === null || dueAt > end) break
      this.#pass(Math.max(this.#now, dueAt))
      this.claim(0, { kind: 'due' })
      this.#finish(0)
    }
    if (this.state !== 'reauthorization_required') expectThat(this.commits > before, 'P4: nothing came')
    else
      for (const token of heldBy(this.record))
        expectThat(!this.#oracle.isAlive(token), `a person is asked although ${token.fingerprint} is alive`)
  }

  get cannotBeLost(): boolean {
    return this.#oracle.cannotBeLost(this.record)
  }
}

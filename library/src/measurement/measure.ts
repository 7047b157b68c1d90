import { type Clock, systemClock } from '../clock.ts'
import { EvertokenError } from '../errors.ts'
import type { GrantDefinition } from '../grants/definition.ts'
import { ServerDirectory } from '../grants/server-directory.ts'
import { defaultTiming } from '../grants/timing.ts'
import { nodeTransport } from '../oauth/node-transport.ts'
import type { Transport } from '../oauth/transport.ts'
import { observeFirstUse, type Pair } from './first-use.ts'
import { LeftOver, type LeftTokens } from './left-over.ts'
import { type MeasuredServer, measuredServer } from './measured-server.ts'
import type { Measurement } from './measurement.ts'
import { firstUsed, observeReplay, type ReplayFinding } from './replay.ts'
import { judgeReplay } from './replay-observation.ts'
import { searchWindow, windowEnds } from './reuse-window.ts'
import type { SandboxLogin } from './sandbox-login.ts'

export type { LeftTokens } from './left-over.ts'
export {
  type IntrospectionFinding,
  type Measurement,
  measuredLifetimes,
  type Refusal,
  type WindowEnd,
} from './measurement.ts'
export {
  type ConsentedLoginOptions,
  consentedLogin,
  loginsOfClient,
  type SandboxLogin,
  sandboxGrant,
} from './sandbox-login.ts'

/** What a measurement is about to do. */
export type MeasurementStep =
  /** Ordinary refreshes. */
  | 'first_use'
  /** A used refresh token again, at once. */
  | 'replay'
  /** Whether the use of what came with it ends the reuse window. */
  | 'window_ends'
  /** A used refresh token again, later and later. */
  | 'window'
  /** What is left of the logins is revoked. */
  | 'revocation'

export interface MeasureOptions {
  /**
   * The next login to spend, or undefined where there is none left. The first two must be there; a windowed server takes six
   * or more.
   */
  logins: () => Promise<SandboxLogin | undefined>
  /** Seconds; a reuse window is not searched beyond it. From 1 to 86,400, default 120. */
  longestWindow?: number | undefined
  /** Seconds between the bounds of a reuse window at which the search ends. From 1, default 1. */
  precision?: number | undefined
  /** From 2 to 100, default 16. */
  mostLogins?: number | undefined
  /** Told before each step, with the number of logins so far. */
  onStep?: ((step: MeasurementStep, logins: number) => void) | undefined
  /** Leaves the tokens alive that are left when it ends. Default: the provider is told that they are not used any more (RFC 7009). */
  keep?: boolean | undefined
  /** Told once what became of those tokens, also where the measurement fails; never with `keep`. */
  onLeft?: ((left: LeftTokens) => void) | undefined
  transport?: Transport | undefined
  clock?: Clock | undefined
  signal?: AbortSignal | undefined
}

/**
 * Measures what a server does with a used refresh token, by sending used refresh tokens on purpose. That ends the logins it
 * is given; a server may end every login of the client and the person with them. Only for a sandbox. What is left of them in the
 * end is revoked as far as the server takes it, but for `keep`.
 *
 * ```ts
 * const measured = await measureServer(authorizationCode({ issuer, clientId, scope }), { logins })
 * ```
 *
 * @param definition whose client, scope and resource are used; a refresh token in it is not.
 * @throws EvertokenError `no_refresh_token` where there are too few logins; what discovery may throw; ProviderError for each
 *   answer that says nothing about a refresh token (an outage, a wrong client secret): nothing is sent twice to find out.
 */
export async function measureServer(
  definition: GrantDefinition,
  options: MeasureOptions,
): Promise<Measurement> {
  const limits = checkedLimits(options)
  if (options.transport !== undefined) return measuredBy(options.transport, definition, limits, options)
  const transport = nodeTransport()
  try {
    return await measuredBy(transport, definition, limits, options)
  } finally {
    transport.close()
  }
}

/** A measurement keeps nothing: whatever hosts the issuer names, it names for the first time. */
const nothingKnown: ConstructorParameters<typeof ServerDirectory>[0] = {
  readCircuit: async () => undefined,
  updateCircuit: async (_key, decide) => decide(undefined, { at: 0, boot: '' }).result,
}

type Limits = ReturnType<typeof checkedLimits>

async function measuredBy(
  transport: Transport,
  definition: GrantDefinition,
  limits: Limits,
  options: MeasureOptions,
): Promise<Measurement> {
  const { clock = systemClock, signal, onStep } = options
  const directory = new ServerDirectory(nothingKnown, transport, clock, defaultTiming)
  const wire = { transport, now: clock.now, deadline: defaultTiming.deadline }
  const metadata = await directory.serverOf(definition)
  const left = new LeftOver()
  const server = left.watched(measuredServer(definition, metadata, wire))
  let waited = 0
  const wait = async (ms: number): Promise<void> => {
    signal?.throwIfAborted()
    const before = clock.boot()
    await clock.sleep(ms, { signal })
    signal?.throwIfAborted()
    waited += clock.boot() - before
  }
  const purse = new Purse(server, options, limits.logins, left)
  try {
    const measured = await measuredWith(server, purse, limits, { clock, wait }, onStep)
    return { ...measured, logins: purse.spent, waited: Math.round(waited / 1000) }
  } finally {
    if (options.keep !== true && purse.spent > 0) {
      const interrupted = signal?.aborted === true
      if (!interrupted) onStep?.('revocation', purse.spent)
      options.onLeft?.(interrupted ? left.abandoned() : await left.revoke(metadata, definition, wire))
    }
  }
}

async function measuredWith(
  server: MeasuredServer,
  purse: Purse,
  limits: Limits,
  stopwatch: Parameters<typeof searchWindow>[4],
  onStep: MeasureOptions['onStep'] = () => undefined,
): Promise<Omit<Measurement, 'logins' | 'waited'>> {
  onStep('first_use', purse.spent)
  const { refused, ...first } = await observeFirstUse(server, await purse.needed())
  const { accessTokenUse: use, rotation } = first
  if (refused !== undefined)
    return { ...first, ...broken(refused), windowEndsWith: [], replayClass: 'strict' }
  if (rotation === 'never') return { ...first, windowEndsWith: [], replayClass: 'non_rotating' }

  onStep('replay', purse.spent)
  const { seen, sameAccessToken, refusal } = await observedReplay(server, purse, use)
  const judged = judgeReplay(seen)
  const known = { ...first, ...judged, sameAccessToken, refusal, windowEndsWith: [] }
  if (judged.replayClass === 'strict') return known

  onStep('window_ends', purse.spent)
  const nextLogin = () => purse.next()
  const windowEndsWith = await windowEnds(server, nextLogin, use)
  onStep('window', purse.spent)
  return { ...known, windowEndsWith, ...(await searchWindow(server, nextLogin, use, limits, stopwatch)) }
}

const broken = (error: string): Pick<Measurement, 'unclear'> => ({
  unclear: `an ordinary refresh was refused after questions about its token (${error})`,
})

/** Of two children the use of a dead one may end the other, so where neither works a second login tells them apart. */
async function observedReplay(
  server: MeasuredServer,
  purse: Purse,
  use: Measurement['accessTokenUse'],
): Promise<ReplayFinding> {
  const finding = await observeReplay(
    server,
    await firstUsed(server, await purse.needed()),
    use,
    'first_child_first',
  )
  const { seen } = finding
  if (seen.again !== 'another_child' || seen.firstWorks || seen.secondWorks) return finding
  const another = await purse.next()
  if (another === undefined) return finding
  return observeReplay(server, await firstUsed(server, another), use, 'second_child_first')
}

/** The logins of one measurement. */
class Purse {
  spent = 0
  readonly #server: MeasuredServer
  readonly #logins: MeasureOptions['logins']
  readonly #most: number
  readonly #signal: AbortSignal | undefined
  readonly #left: LeftOver

  constructor(
    server: MeasuredServer,
    { logins, signal }: Pick<MeasureOptions, 'logins' | 'signal'>,
    most: number,
    left: LeftOver,
  ) {
    this.#left = left
    this.#server = server
    this.#logins = logins
    this.#signal = signal
    this.#most = most
  }

  async needed(): Promise<Pair> {
    const login = await this.next()
    if (login === undefined)
      throw new EvertokenError('no_refresh_token', `${this.spent} logins are too few to measure with`, {
        advice: 'Two are the least; where used refresh tokens work again for a while it takes six or more.',
      })
    return login
  }

  async next(): Promise<Pair | undefined> {
    this.#signal?.throwIfAborted()
    if (this.spent === this.#most) return undefined
    const login = await this.#logins()
    if (login === undefined) return undefined
    this.spent += 1
    const { accessToken, refreshToken } = login
    this.#left.opened({ accessToken, refreshToken })
    if (accessToken !== undefined) return { accessToken, refreshToken }
    const {
      used,
      child,
      accessToken: first,
    } = await firstUsed(this.#server, { accessToken: refreshToken, refreshToken })
    return { accessToken: first, refreshToken: child ?? used }
  }
}

function checkedLimits({ longestWindow = 120, precision = 1, mostLogins = 16 }: MeasureOptions) {
  const between = (value: number, least: number, most: number, what: string, unit = ''): number => {
    if (Number.isFinite(value) && value >= least && value <= most) return value
    throw new EvertokenError(
      'invalid_request',
      `${what} must be from ${least} to ${most}${unit}, not ${value}`,
    )
  }
  const longest = between(longestWindow, 1, 86_400, 'the longest window', ' seconds') * 1000
  return {
    longest,
    precision: between(precision, 1, longestWindow, 'the precision', ' seconds') * 1000,
    logins: between(mostLogins, 2, 100, 'the number of logins'),
  }
}

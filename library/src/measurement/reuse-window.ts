import type { Clock } from '../clock.ts'
import type { Secret } from '../secret.ts'
import type { Pair } from './first-use.ts'
import { type AccessTokenUse, answered, type MeasuredServer } from './measured-server.ts'
import type { Measurement, Refusal, WindowEnd } from './measurement.ts'
import { firstUsed, observeRefusal, type UsedLogin } from './replay.ts'
import { nextWait, type WindowBounds, type WindowLimits } from './window-search.ts'

/** What a measurement of time works with. */
export interface Stopwatch {
  readonly clock: Clock
  /** Waits so many ms; throws where somebody wants the measurement to end. */
  wait(ms: number): Promise<void>
}

export interface WindowFinding {
  readonly reuseWindow: NonNullable<Measurement['reuseWindow']>
  readonly refusal?: Refusal | undefined
}

/**
 * How long a used refresh token works again. The first login is tried again and again at growing distances, which costs no
 * other; then each bound is had from a login that was used once and tried once, so that a window which begins anew at each use is
 * not taken for a longer one. It ends early where no login is left.
 *
 * @param nextLogin the next login, or undefined.
 */
export async function searchWindow(
  server: MeasuredServer,
  nextLogin: () => Promise<Pair | undefined>,
  use: AccessTokenUse | undefined,
  limits: WindowLimits,
  { clock, wait }: Stopwatch,
): Promise<WindowFinding> {
  let bounds: WindowBounds = { open: 0 }
  let below: number | undefined
  let refusal: Refusal | undefined
  /** The longest wait after which a token worked that had not been tried again before. */
  let confirmed = 0
  let last: (UsedLogin & { readonly sentAt: number; readonly answeredAt: number }) | undefined
  let repeated = false

  const begun = async (): Promise<typeof last> => {
    const login = await nextLogin()
    if (login === undefined) return undefined
    const sentAt = clock.boot()
    const used = await firstUsed(server, login)
    return { ...used, sentAt, answeredAt: clock.boot() }
  }

  for (;;) {
    const next = nextWait(bounds, limits)
    // What was seen of a token that is used over and over must hold for one that is not.
    const target = next ?? (confirmed < bounds.open ? bounds.open : undefined)
    if (target === undefined) break
    const growing = bounds.closed === undefined && next !== undefined
    if (!growing || last === undefined) {
      last = await begun()
      repeated = false
    }
    if (last === undefined) break
    // From the answer on: the server used the token no later than that.
    await wait(Math.max(0, last.answeredAt + target - clock.boot()))
    const again = await server.refresh(last.used)
    if (again.kind === 'tokens') {
      if (!repeated) confirmed = Math.max(confirmed, target)
      repeated = true
      if (target > bounds.open) bounds = { ...bounds, open: target }
      continue
    }
    refusal = await observeRefusal(server, again, last, use)
    below = (clock.boot() - last.sentAt) / 1000
    bounds = { open: target > bounds.open ? bounds.open : confirmed, closed: target }
    last = undefined
  }
  return {
    reuseWindow: {
      atLeast: Math.floor(confirmed / 1000),
      ...(below === undefined ? {} : { below: Math.ceil(below) }),
    },
    ...(refusal === undefined ? {} : { refusal }),
  }
}

/** What ends a window before its time, each tried on a login of its own as long as there is one. */
export async function windowEnds(
  server: MeasuredServer,
  nextLogin: () => Promise<Pair | undefined>,
  use: AccessTokenUse | undefined,
): Promise<readonly WindowEnd[]> {
  const ends: WindowEnd[] = []
  // Introspection is no use: a server that waits for the first call of an API does not hear of it.
  const calls = use === 'call' || use === 'userinfo' ? use : undefined
  const first = calls === undefined ? undefined : await nextLogin()
  if (first !== undefined && calls !== undefined) {
    const { used, child, accessToken } = await firstUsed(server, first)
    await server.accepts(calls, accessToken)
    if (!(await worksAgain(server, used, child))) ends.push('use_of_the_new_access_token')
  }
  const second = await nextLogin()
  if (second !== undefined) {
    const { used, child } = await firstUsed(server, second)
    const next = child === undefined ? undefined : answered(await server.refresh(child))
    const newest = next?.kind === 'tokens' ? next.child : undefined
    if (!(await worksAgain(server, used, newest))) ends.push('use_of_the_new_refresh_token')
  }
  return ends
}

/** A server that breaks at a used token gives none for it; that it is not away is shown by the newest one. */
async function worksAgain(
  server: MeasuredServer,
  used: Secret,
  newest: Secret | undefined,
): Promise<boolean> {
  const again = await server.refresh(used)
  if (again.kind === 'broken') answered(newest === undefined ? again : await server.refresh(newest))
  return again.kind === 'tokens'
}

import type { LifetimeFacts } from './lifetime-facts.ts'
import { invalid } from './option-check.ts'
import { defaultTiming, type Timing } from './timing.ts'

/**
 * Of the time that a lease leaves beside the request, the share that readers may be waited for. The rest is for what is written
 * and sent meanwhile, which on a busy machine is not done at once.
 */
const shareOfReaders = 0.8

/**
 * The defaults with the times that were given, in milliseconds, in their place.
 *
 * @throws EvertokenError `invalid_configuration` for times with which no refresh would ever come about.
 */
export function checkedTiming(given: Partial<Timing> = {}): Timing {
  const said = Object.entries(given).filter(([, value]) => value !== undefined)
  for (const [name, value] of said) checkTime(name, value)
  const timing: Timing = { ...defaultTiming, ...Object.fromEntries(said) }
  const { deadline, lease, quiescence } = timing
  if (deadline === 0) throw invalid('timing.deadline must be more than 0: no request is answered in no time')
  if (lease <= deadline)
    throw invalid(
      `timing.lease (${lease} ms) must be longer than timing.deadline (${deadline} ms): nothing is sent that another process could send again before its answer`,
      `Leave room for what comes before the request: the default is ${defaultTiming.lease - defaultTiming.deadline} ms.`,
    )
  if (quiescence < deadline)
    throw invalid(
      `timing.quiescence (${quiescence} ms) must be at least timing.deadline (${deadline} ms): ${tooShort}`,
    )
  return Object.freeze(timing)
}

const tooShort = 'a request that is still waited for is not taken as dead'

/**
 * Whether a grant can be kept within a keeper's times.
 *
 * @throws EvertokenError `invalid_configuration`
 */
export function checkFacts({ quiescence, oldTokenDies }: LifetimeFacts, timing: Timing): void {
  const { deadline } = timing
  if (quiescence !== undefined && quiescence < deadline)
    throw invalid(
      `quiescence (${quiescence / 1000} s) must be at least the ${deadline / 1000} s that a request is waited for: ${tooShort}`,
      `Leave it out where the provider says nothing: the default is ${timing.quiescence / 1000} s.`,
    )
  if (oldTokenDies) checkReadersWait(timing)
}

/**
 * Whether the lease leaves time to wait for readers, where the old token dies at a refresh.
 *
 * @throws EvertokenError `invalid_configuration` for times with which no refresh would ever come about.
 */
export function checkReadersWait({ deadline, lease, revalidate }: Timing): void {
  const longest = Math.floor((lease - deadline) * shareOfReaders)
  if (revalidate > longest)
    throw invalid(
      `timing.revalidate (${revalidate} ms) must be at most ${longest} ms with a lease of ${lease} ms and a deadline of ${deadline} ms: the old token dies at a refresh, its readers are waited for that long, and the lease would be over before anything is sent`,
      `Take a shorter timing.revalidate, or a timing.lease of at least ${deadline + Math.ceil(revalidate / shareOfReaders)} ms.`,
    )
}

function checkTime(name: string, value: unknown): void {
  for (const one of name === 'confirmations' && Array.isArray(value) ? value : [value])
    if (typeof one !== 'number' || !Number.isFinite(one) || one < 0)
      throw invalid(
        `timing.${name} must be a number of milliseconds from 0 up, not ${String(one).slice(0, 50)}`,
      )
}

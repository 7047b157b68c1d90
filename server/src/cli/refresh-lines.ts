import type { Keeper, NoticeKind } from 'evertoken'
import { distanceText, durationText } from './duration.ts'

/** Notices of what the other events tell already. */
const told: ReadonlySet<NoticeKind> = new Set(['connected', 'recovered', 'reauthorization_required'])

/**
 * One readable line for each refresh and each failure, as they happen. Lines from before {@link RefreshLines.writeTo}
 * are kept until then, so that none is lost while something else is being said.
 */
export class RefreshLines {
  readonly #keeper: Keeper
  #kept: string[] = []
  #write = (line: string): void => void this.#kept.push(line)
  /** Letters that the longest name takes. */
  #width = 0

  constructor(keeper: Keeper) {
    this.#keeper = keeper
    keeper.on('refreshed', ({ grant, scope, generation, lifetime }) => {
      const which = scope === '' ? '' : ` (scope ${scope})`
      this.#line(grant, `generation ${generation}${which}, good for ${durationText(lifetime)}`)
    })
    keeper.on('failing', ({ grant, code, message, nextAttemptAt }) => {
      const next =
        nextAttemptAt === undefined ? '' : `; next try ${distanceText(nextAttemptAt, keeper.clock.now())}`
      this.#line(grant, `${code}: ${message}${next}`)
    })
    keeper.on('recovered', ({ grant, failures }) =>
      this.#line(grant, `works again after ${failures} ${failures === 1 ? 'failure' : 'failures'}`),
    )
    keeper.on('notice', ({ grant, kind, message }) => {
      if (!told.has(kind)) this.#line(grant, `${kind}: ${message}`)
    })
    keeper.on('reauthorization_required', ({ grant, reason, advice = '' }) =>
      this.#line(grant, `is given up: ${reason}. ${advice}`.trimEnd()),
    )
  }

  writeTo(write: (line: string) => void): void {
    for (const line of this.#kept) write(line)
    this.#kept = []
    this.#write = write
  }

  #line(grant: string, text: string): void {
    this.#width = Math.max(this.#width, Math.min(grant.length, 32))
    const time = new Date(this.#keeper.clock.now()).toISOString().slice(11, 19)
    this.#write(`${time}  ${grant.padEnd(this.#width)}  ${text}`)
  }
}

/** The value that a share of all (0 to 1) does not exceed: the nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number
}

/** The middle of several measurements and how far they reach. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (index: number): number => sorted[index] as number
  const half = Math.floor(sorted.length / 2)
  const median = sorted.length % 2 === 1 ? at(half) : (at(half - 1) + at(half)) / 2
  return { median, min: at(0), max: at(sorted.length - 1) }
}

/** One figure, in whatever unit the question uses, or several under names of their own: see {@link figureOf}. */
export type Figures = number | Readonly<Record<string, number>>

/** Something that is measured once a round. */
export interface Contender {
  readonly name: string
  readonly run: () => Figures | Promise<Figures>
}

/** Under which {@link Samples} has one figure of a contender that gives several. */
export const figureOf = (name: string, figure: string): string => `${name}: ${figure}`

/**
 * Figures by contender and round. What is compared is compared within a round and the median taken of that: a machine
 * that is slow for a while is slow for both, and drops out.
 */
export class Samples {
  readonly #figures: ReadonlyMap<string, readonly number[]>

  constructor(figures: ReadonlyMap<string, readonly number[]>) {
    this.#figures = figures
  }

  /** These and those of other rounds; the two cannot be compared with each other. */
  and(others: Samples): Samples {
    return new Samples(new Map([...this.#figures, ...others.#figures]))
  }

  of(name: string): Spread {
    return spread(this.#of(name))
  }

  ratio(name: string, to: string): Spread {
    return this.combined(name, to, (one, other) => one / other)
  }

  difference(name: string, from: string): Spread {
    return this.combined(name, from, (one, other) => one - other)
  }

  combined(name: string, other: string, how: (one: number, other: number) => number): Spread {
    const others = this.#of(other)
    return spread(this.#of(name).map((figure, round) => how(figure, others[round] as number)))
  }

  #of(name: string): readonly number[] {
    const figures = this.#figures.get(name)
    if (figures === undefined) throw new Error(`nothing was measured under the name ${name}`)
    return figures
  }
}

/** Runs everybody once a round, each round beginning with another one, after a round that does not count. */
export async function interleaved(
  contenders: readonly Contender[],
  rounds: number,
  progress: (text: string) => void,
): Promise<Samples> {
  const figures = new Map<string, number[]>()
  for (let round = 0; round <= rounds; round++)
    for (let turn = 0; turn < contenders.length; turn++) {
      const { name, run } = contenders[(round + turn) % contenders.length] as Contender
      progress(`${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}: ${name}`)
      const measured = await run()
      if (round === 0) continue
      const named = typeof measured === 'number' ? [[name, measured] as const] : Object.entries(measured)
      for (const [part, figure] of named) {
        const key = typeof measured === 'number' ? name : figureOf(name, part)
        figures.set(key, [...(figures.get(key) ?? []), figure])
      }
    }
  return new Samples(figures)
}

/**
 * Nanoseconds of the processor for one operation, in this thread: batches until `ms` have passed on the clock. What other processes
 * take meanwhile is not in it. Every contender brings a loop of its own, so that the compiler sees one callee in it, as in a program
 * that uses one library.
 */
export async function timed(batch: (count: number) => unknown, ms: number, size = 10_000): Promise<number> {
  const end = performance.now() + ms
  const before = process.threadCpuUsage()
  let count = 0
  do {
    await batch(size)
    count += size
  } while (performance.now() < end)
  const { user, system } = process.threadCpuUsage(before)
  return ((user + system) * 1000) / count
}

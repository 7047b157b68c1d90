import type { Spread } from './rounds.ts'

export interface BenchOptions {
  /** Rounds that count. Default: the question's own. */
  readonly rounds?: number | undefined
  /** Everything small and short: shows that it runs, and its figures mean nothing. */
  readonly quick: boolean
  /** Told what is being done, for a person who waits. */
  readonly progress: (text: string) => void
}

/** One figure that has a goal. */
export interface Finding {
  /** The question's name, and after a slash which of its goals. */
  readonly question: string
  /** What was compared with what. */
  readonly what: string
  readonly figure: Spread
  /** The figure's median is to be no more than this. */
  readonly goal: number
  /** Of figure and goal: `x` for a ratio. */
  readonly unit: 'x' | 'µs added' | 'ms' | 'requests' | 'MB'
  /** Decimals worth printing. */
  readonly digits?: number | undefined
}

export interface Report {
  readonly findings: readonly Finding[]
  /** Columns, then rows of what was measured. */
  readonly table: readonly (readonly string[])[]
  /** What a reader of the table must know. */
  readonly notes: readonly string[]
}

export interface Question {
  /** One sentence. */
  readonly about: string
  /** It takes many minutes, and is asked only by its name. */
  readonly long?: boolean
  run(options: BenchOptions): Promise<Report>
}

export const isMet = ({ figure, goal }: Finding): boolean => figure.median <= goal

/** `131 (128-140)`. */
export const shown = ({ median, min, max }: Spread, digits = 0): string =>
  `${median.toFixed(digits)} (${min.toFixed(digits)}-${max.toFixed(digits)})`

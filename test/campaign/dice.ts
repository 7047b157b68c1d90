/** Random decisions that a seed gives again, in the same order. */
export class Dice {
  #state: number

  constructor(seed: number, ...path: readonly (number | string)[]) {
    // FNV-1a over the path, so that every process slot has a sequence of its own.
    let hash = seed >>> 0
    for (const character of path.join('/')) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193)
    this.#state = hash >>> 0
  }

  /** From 0 up to 1. Mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  pick<Value>(values: readonly Value[]): Value {
    return values[this.whole(0, values.length - 1)] as Value
  }

  /** One of the values, as often as its weight says. */
  weighted<Value>(choices: readonly (readonly [weight: number, value: Value])[]): Value {
    let left = this.next() * choices.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, value] of choices) {
      left -= weight
      if (left < 0) return value
    }
    return (choices.at(-1) as readonly [number, Value])[1]
  }
}

/** Whole seconds from 1 to `longest`; some write them as text. */
export function readSeconds(value: unknown, longest: number): number | undefined {
  const numeric = typeof value === 'string' && /^\s*\d+\s*$/.test(value) ? Number(value) : value
  if (typeof numeric !== 'number' || !Number.isFinite(numeric) || numeric <= 0) return undefined
  return Math.min(Math.ceil(numeric), longest)
}

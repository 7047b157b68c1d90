/*
 * PostgreSQL's text holds every character but NUL, and only whole ones. What a provider sends may have others in it, and
 * must not keep an answer out of the store.
 */

/** Whether PostgreSQL can hold it as it is. */
export const isText = (text: string): boolean => !text.includes('\0') && text.isWellFormed()

/** As JSON, with U+FFFD for what cannot be held. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value)
  return /\\u(?:0000|d[89a-f])/.test(text) ? JSON.stringify(held(value)) : text
}

function held(value: unknown): unknown {
  if (typeof value === 'string') return heldText(value)
  if (Array.isArray(value)) return value.map(held)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [heldText(name), held(member)]))
}

const heldText = (text: string): string => text.toWellFormed().replaceAll('\0', '\ufffd')

import type { Pointer } from '../providers/profile.ts'
import { isJsonObject, member } from './json-object.ts'

/** Pointers are those of a few profiles, and are followed for every answer. */
const followed = new Map<string, readonly string[]>()
const mostFollowed = 1_000

function stepsOf(pointer: string): readonly string[] {
  const known = followed.get(pointer)
  if (known !== undefined) return known
  const steps = pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  if (followed.size >= mostFollowed) followed.clear()
  followed.set(pointer, steps)
  return steps
}

/** What a JSON pointer leads to (RFC 6901 section 4); `undefined` where it leads nowhere. The empty one is the whole. */
export function valueAt(document: unknown, pointer: string): unknown {
  if (pointer === '') return document
  if (!pointer.startsWith('/')) return undefined
  let value = document
  for (const name of stepsOf(pointer)) {
    if (isJsonObject(value)) value = member(value, name)
    else if (Array.isArray(value)) value = /^(0|[1-9]\d{0,4})$/.test(name) ? value[Number(name)] : undefined
    else return undefined
  }
  return value
}

/** The first of several that leads to something: not to nothing, null or an empty text. */
export function firstAt(document: unknown, pointer: Pointer): unknown {
  if (typeof pointer === 'string') return given(valueAt(document, pointer))
  for (const one of pointer) {
    const value = given(valueAt(document, one))
    if (value !== undefined) return value
  }
  return undefined
}

const given = (value: unknown): unknown => (value === null || value === '' ? undefined : value)

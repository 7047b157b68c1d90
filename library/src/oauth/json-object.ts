/** No real answer nests deeper; a limit that is too tight would lose a login over an ornament. */
export const deepest = 32

/** A JSON object whose members were put there by somebody else. */
export type JsonObject = Readonly<Record<string, unknown>>

/**
 * Reads JSON text, with or without a byte order mark. `undefined` when it is no JSON or nests deeper than 32, which is
 * looked at before parsing, so that no recursion of ours or of a library ever sees it.
 */
export function parseJson(text: string): { readonly value: unknown } | undefined {
  if (tooDeep(text)) return undefined
  try {
    return { value: JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text) }
  } catch {
    return undefined
  }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An own member; never anything that comes by way of a prototype. */
export function member(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

function tooDeep(text: string): boolean {
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (inString) {
      if (char === '\\') at++
      else if (char === '"') inString = false
    } else if (char === '"') inString = true
    else if (char === '{' || char === '[') {
      if (++depth > deepest) return true
    } else if (char === '}' || char === ']') depth--
  }
  return false
}

import type { AnswerDialect, Pointer } from '../providers/profile.ts'
import { Secret } from '../secret.ts'
import { normalised } from './answer-dialect.ts'
import { scriptHead } from './answer-text.ts'
import { deepest, isJsonObject, type JsonObject, member, parseJson } from './json-object.ts'

/** RFC 6749 appendix A.17: a refresh token may hold spaces; it travels only in form bodies. */
const refreshTokenText = /^[\x20-\x7e]{1,16384}$/
/** Ends of a broken text at which a member may be whole; each try reads the text anew. */
const mostCuts = 64

/** The refresh token of an answer under the names of RFC 6749 section 5.1; `undefined` where there is none that can be used. */
export function readRefreshToken(body: JsonObject): Secret | undefined {
  const value = member(body, 'refresh_token')
  return typeof value === 'string' && refreshTokenText.test(value) ? new Secret(value) : undefined
}

/**
 * The refresh token of an answer that broke off, if all of it had arrived: the text is ended behind its last whole member,
 * everything that is open there is closed, and it is read as ever.
 */
export function salvageRefreshToken(
  partial: Secret,
  dialect?: AnswerDialect | undefined,
): Secret | undefined {
  const reading = dialect === undefined ? undefined : firstPlaces(dialect)
  const text = partial
    .reveal()
    .replace(/^\ufeff/, '')
    .replace(scriptHead, '')
  for (const { end, open } of endsOf(text)) {
    const json = parseJson(text.slice(0, end) + open)
    if (json === undefined) continue
    if (reading !== undefined) return readRefreshToken(normalised(json.value, reading, []))
    if (isJsonObject(json.value)) return readRefreshToken(json.value)
  }
  return undefined
}

/** What stands in another place for want of the first: in a text that broke off the first may only not have arrived. */
const firstPlaces = ({ root, refresh_token: refreshToken }: AnswerDialect): AnswerDialect => {
  const first = (pointer: Pointer): string => (typeof pointer === 'string' ? pointer : (pointer[0] ?? ''))
  return {
    ...(root === undefined ? {} : { root: first(root) }),
    ...(refreshToken === undefined ? {} : { refresh_token: first(refreshToken) }),
  }
}

interface End {
  readonly end: number
  /** What closes everything that is open there. */
  readonly open: string
}

/** The end of the text and the last commas before it that stand in no string, the last of all first. */
function endsOf(text: string): readonly End[] {
  const ends: End[] = []
  let open = ''
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (inString) {
      if (char === '\\') at++
      else if (char === '"') inString = false
    } else if (char === '"') inString = true
    else if (char === '{' || char === '[') {
      open = `${char === '{' ? '}' : ']'}${open}`
      // Whatever ends behind this is not read.
      if (open.length > deepest) return ends.reverse()
    } else if (char === '}' || char === ']') open = open.slice(1)
    else if (char === ',') {
      ends.push({ end: at, open })
      if (ends.length === mostCuts) ends.shift()
    }
  }
  return [...ends, { end: text.length, open }].reverse()
}

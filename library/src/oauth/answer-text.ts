import { parseJson } from './json-object.ts'

/** A whole body that is a form: pairs of names and values and nothing that a form would have encoded. */
const formText = /^\s*[\w.~%+*-]+=[^\s"<>&{}]*(?:&[\w.~%+*-]+=[^\s"<>&{}]*)*&?\s*$/
/** What makes it one where nobody says that it is. */
const telling = /(?:^|&)\s*(?:access_token|refresh_token|error|errcode)=/

/** JSON that is handed to a function, as for a page that loads it as a script. */
const scriptText = /^\s*[A-Za-z_$][\w$.]{0,60}\(\s*(\{.*\})\s*\)\s*;?\s*$/s
/** How such a text begins. */
export const scriptHead = /^\s*[A-Za-z_$][\w$.]{0,60}\(\s*(?=\{)/

/**
 * What an answer says: JSON whatever its content type, or a form where it says that it is one or has the members of one (GitHub
 * where nobody asks for JSON; Facebook's older versions, as text), or JSON as a script (QQ without `fmt=json`). `undefined` where it is
 * none of these.
 */
export function readAnswerText(
  text: string,
  headers: Readonly<Record<string, string>> = {},
): { readonly value: unknown } | undefined {
  const json = parseJson(text)
  if (json !== undefined) return json
  const script = scriptText.exec(text)?.[1]
  if (script !== undefined) return parseJson(script)
  if (!formText.test(text)) return undefined
  const declared = /^\s*application\/x-www-form-urlencoded\b/i.test(headers['content-type'] ?? '')
  if (!declared && !telling.test(text)) return undefined
  return { value: Object.fromEntries(new URLSearchParams(text.trim())) }
}

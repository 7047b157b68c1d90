import { type ProviderWords, readDescription, readErrorCode } from './error-response.ts'
import { isJsonObject, type JsonObject, member } from './json-object.ts'

/** These name an error and nothing else. */
const errorNames = ['error_code', 'errorCode', 'errcode']
/** These may name anything, and count beside a text. */
const plainNames = ['code', 'status', 'result']
/** Of an entry of `errors`. */
const entryNames = ['errorType', 'error_type', 'error', ...errorNames, 'code', 'type']
/** Other texts are not shown for a code: they may be anything. */
const codeText = /^(?:[A-Za-z][\w .:-]{0,59}|-?\d{1,9})$/
/** Whether a code is one of those in which some write that all is well. */
export const saysSuccess = (code: string): boolean => /^(?:0+|2\d\d|ok|success|succeeded|true)$/i.test(code)

/**
 * A refusal that names no `error` (RFC 6749 section 5.2) but a code of the provider's own: `{"errcode": 40030, "errmsg": "…"}`,
 * `{"status": "BAD_REFRESH_TOKEN", "message": "…"}`, `{"errors": [{"errorType": "invalid_grant"}]}`. Only for answers without
 * tokens: of one that was applied nobody may think that it was refused, so with a status of success nothing in it, however
 * deep, may be called a token.
 */
export function readCodedRefusal(
  body: JsonObject,
  status: number,
  sent: readonly string[],
): ProviderWords | undefined {
  const errors = member(body, 'errors')
  const entry = Array.isArray(errors) && isJsonObject(errors[0]) ? errors[0] : undefined
  const description = readDescription(body, sent) ?? readDescription(entry ?? {}, sent)
  const names = description === undefined ? errorNames : [...errorNames, ...plainNames]
  const codes = names.map((name) => codeOf(member(body, name), sent)).filter((code) => code !== undefined)
  if (entry !== undefined)
    codes.push(...entryNames.map((name) => codeOf(member(entry, name), sent) ?? '').filter(Boolean))
  const [error] = codes
  if (error === undefined || saysSuccess(error)) return undefined
  if (status >= 200 && status < 300 && holdsToken(body)) return undefined
  return { error, ...(description === undefined ? {} : { description }) }
}

function codeOf(value: unknown, sent: readonly string[]): string | undefined {
  const code = readErrorCode(value, sent)
  return code !== undefined && codeText.test(code) ? code : undefined
}

function holdsToken(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(
    ([name, inner]) =>
      (typeof inner === 'string' && inner !== '' && /token/i.test(name)) || holdsToken(inner),
  )
}

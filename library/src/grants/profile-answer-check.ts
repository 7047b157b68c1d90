import type { AnswerDialect, AnswerTest, ErrorRule, Pointer } from '../providers/profile.ts'
import { invalid } from './option-check.ts'

/** RFC 6901 section 3. */
const pointerText = /^(\/([^~]|~[01])*)?$/

function checkPointer(path: string, pointer: Pointer | undefined): void {
  for (const one of [pointer ?? []].flat())
    if (typeof one !== 'string' || !pointerText.test(one))
      throw invalid(
        `${path}: ${JSON.stringify(one)} is no JSON pointer (RFC 6901)`,
        'Write /data/access_token; ~1 stands for a slash in a name, and ~0 for a tilde.',
      )
}

const pointers = [
  'root',
  'access_token',
  'refresh_token',
  'token_type',
  'scope',
  'id_token',
  'expiry',
  'refresh_token_expiry',
  'error_code',
  'error_description',
] as const

/** Whether everything in a profile's answer that leads somewhere can be read. Throws `invalid_configuration`. */
export function checkAnswer(answer: AnswerDialect): void {
  for (const key of pointers) checkPointer(`answer.${key}`, answer[key])
  for (const key of ['success', 'failure'] as const) checkTest(`answer.${key}`, answer[key])
  checkShown(answer)
  const { success, failure } = answer
  if (success !== undefined && success.pointer === failure?.pointer && success.equals === failure.equals)
    throw invalid(
      'answer.failure: is the same as answer.success, so that every answer is an error',
      'Keep one of them.',
    )
  if (answer.refresh_extends === true && answer.success === undefined)
    throw invalid(
      'answer.refresh_extends: has no effect without success',
      'Say by answer.success which answer without tokens is a success.',
    )
  const roots = new Map<string, string>()
  for (const [name, { root }] of Object.entries(answer.secondary_tokens ?? {})) {
    const path = `answer.secondary_tokens.${name}`
    if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(name))
      throw invalid(`${path}: is no name of letters, digits, dash and underscore`)
    checkPointer(`${path}.root`, root)
    const place = JSON.stringify([root].flat())
    const same = roots.get(place)
    if (same !== undefined) throw invalid(`${path}: is the same token as answer.secondary_tokens.${same}`)
    roots.set(place, name)
  }
  for (const [name, pointer] of Object.entries(answer.metadata ?? {}))
    checkPointer(`answer.metadata.${name}`, pointer)
  if (answer.scope_separator === '') throw invalid('answer.scope_separator: is empty')
}

/** What is shown as it is must not be where a token is. */
function checkShown(answer: AnswerDialect): void {
  const all = (pointer: Pointer | undefined): readonly string[] => [pointer ?? []].flat()
  const tokens = (['access_token', 'refresh_token', 'id_token'] as const).flatMap((key) =>
    all(answer[key] ?? `/${key}`),
  )
  const fromTop = all(answer.root ?? '').flatMap((root) => tokens.map((token) => root + token))
  const shown = { token_type: tokens, scope: tokens, error_code: fromTop, error_description: fromTop }
  for (const [key, secret] of Object.entries(shown)) {
    const found = all(answer[key as keyof typeof shown]).find((one) => secret.includes(one))
    if (found !== undefined)
      throw invalid(
        `answer.${key}: ${found} is where a token lies, and this is shown`,
        'Give the place of what it says in the answer, or leave it out.',
      )
  }
}

function checkTest(path: string, test: AnswerTest | undefined): void {
  if (test !== undefined) checkPointer(`${path}.pointer`, test.pointer)
}

/** Characters that are read of each, so that a longer one is never found. */
const longestCode = 100
const longestDescription = 500

function checkText(path: string, text: string | undefined, longest: number): void {
  if (text === '') throw invalid(`${path}: is empty`)
  if (text !== undefined && text.length > longest)
    throw invalid(`${path}: can never match, because only ${longest} characters are read`)
}

/** Whether every error rule can match, and none that stands before it takes all that it would. Throws `invalid_configuration`. */
export function checkErrors(rules: readonly ErrorRule[]): void {
  for (const [at, rule] of rules.entries()) {
    const path = `errors.${at}`
    const { status, code, pointer, equals, description, retry_after: retryAfter } = rule
    if ([status, code, pointer, description].every((part) => part === undefined))
      throw invalid(`${path}: has no condition`, 'Give status, code, pointer or description.')
    if (equals !== undefined && pointer === undefined)
      throw invalid(`${path}.equals: has no effect without pointer`)
    if (status !== undefined && (!Number.isInteger(status) || status < 100 || status > 599))
      throw invalid(`${path}.status: is no HTTP status`)
    if (status !== undefined && (status < 200 || (status >= 300 && status < 400)))
      throw invalid(
        `${path}.status: can never match, because a ${status} is no answer that is read`,
        'Redirects are never followed; give the final address of the endpoint.',
      )
    checkText(`${path}.code`, code === undefined ? undefined : String(code), longestCode)
    checkText(`${path}.description`, description, longestDescription)
    if (retryAfter !== undefined && (!Number.isFinite(retryAfter) || retryAfter < 0))
      throw invalid(`${path}.retry_after: is no number of seconds`)
    checkPointer(`${path}.pointer`, pointer)
    const before = rules.slice(0, at).findIndex((earlier) => takesAll(earlier, rule))
    if (before >= 0)
      throw invalid(
        `${path}: can never match, because errors.${before} takes everything that it would`,
        'The first that matches decides: put the narrower one in front.',
      )
  }
}

/** Whether whatever `narrow` matches, `broad` matches too. */
function takesAll(broad: ErrorRule, narrow: ErrorRule): boolean {
  const same = (one: string | number | undefined, other: string | number | undefined): boolean =>
    one === undefined || (other !== undefined && String(one) === String(other))
  const said = narrow.description?.toLowerCase()
  return (
    same(broad.status, narrow.status) &&
    same(broad.code, narrow.code) &&
    same(broad.pointer, narrow.pointer) &&
    (broad.equals === undefined || broad.equals === narrow.equals) &&
    (broad.description === undefined || said?.includes(broad.description.toLowerCase()) === true)
  )
}

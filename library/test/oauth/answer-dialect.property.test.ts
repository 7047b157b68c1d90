import { inspect } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { errorCodes } from '../../src/errors.ts'
import { judge } from '../../src/grants/outcome.ts'
import { salvageRefreshToken } from '../../src/oauth/broken-answer.ts'
import { refusesClient } from '../../src/oauth/client-secrets.ts'
import { firstAt } from '../../src/oauth/json-pointer.ts'
import { readTokenAnswer } from '../../src/oauth/token-response.ts'
import type { AnswerDialect, ErrorRule, ExpiryFormat } from '../../src/providers/profile.ts'
import { Secret } from '../../src/secret.ts'

const sent = 'rt-8Jh2+kQ/x9_ZpLw0=4tYvB7'
const names = [
  ...'access_token refresh_token id_token token_type scope expires_in error error_description'.split(' '),
  ...'ok code status message data token refresh errors user __proto__ constructor 0'.split(' '),
]
const name = fc.constantFrom(...names)
const pointer = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.array(name, { minLength: 1, maxLength: 3 }).map((steps) => `/${steps.join('/')}`),
  },
  { weight: 1, arbitrary: fc.constantFrom('', '/', '/~1', '/data/0', 'no pointer') },
)
const pointers = fc.oneof(pointer, fc.array(pointer, { maxLength: 3 }))
const format = fc.constantFrom<ExpiryFormat>('relative_s', 'relative_ms', 'epoch_s', 'epoch_ms', 'iso8601')
const plain = fc.oneof(fc.string({ maxLength: 8 }), fc.integer(), fc.boolean())
const answerTest = fc.record({ pointer, equals: plain }, { requiredKeys: ['pointer'] })
const optional = { requiredKeys: [] as never[] }

const dialects = fc.record(
  {
    root: pointers,
    access_token: pointers,
    refresh_token: pointers,
    token_type: pointers,
    scope: pointers,
    id_token: pointers,
    expiry: pointers,
    expiry_format: format,
    refresh_token_expiry: pointers,
    refresh_token_expiry_format: format,
    scope_separator: fc.string({ maxLength: 2 }),
    success: answerTest,
    failure: answerTest,
    refresh_extends: fc.boolean(),
    error_code: pointers,
    error_description: pointers,
    secondary_tokens: fc.dictionary(name, fc.record({ root: pointers }), { maxKeys: 2 }),
    metadata: fc.dictionary(name, pointers, { maxKeys: 4 }),
  },
  optional,
) as fc.Arbitrary<AnswerDialect>

const rules = fc.array(
  fc
    .record(
      {
        status: fc.integer({ min: 200, max: 503 }),
        code: fc.oneof(fc.string({ maxLength: 5 }), fc.integer()),
        pointer,
        equals: plain,
        description: fc.string({ maxLength: 4 }),
        retry_after: fc.integer({ min: 1, max: 900 }),
      },
      optional,
    )
    .chain((rule) =>
      fc
        .constantFrom<ErrorRule['means']>(
          'dead',
          'person',
          'transient',
          'ambiguous',
          'configuration',
          'rate_limited',
        )
        .map((means) => ({ ...rule, means })),
    ),
  { maxLength: 4 },
) as fc.Arbitrary<ErrorRule[]>

/** Texts of an answer that must not be seen: each is one of a kind. */
let made = 0
const secret = fc.constant(undefined).map(() => `hidden-${(made++).toString(36)}-token-value`)
const leaf = fc.oneof(
  { weight: 3, arbitrary: secret },
  {
    weight: 1,
    arbitrary: fc.constantFrom(`it was ${sent}`, 3600, '2027-01-15T09:00:00Z', 0, true, null, ''),
  },
  { weight: 1, arbitrary: fc.jsonValue() },
)
const documents = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.dictionary(name, tie('node'), { maxKeys: 8 }),
    fc.array(tie('node'), { maxLength: 2 }),
  ),
  top: fc.dictionary(name, tie('node'), { maxKeys: 8 }),
})).top
const status = fc.oneof(
  { weight: 3, arbitrary: fc.constant(200) },
  { weight: 1, arbitrary: fc.integer({ min: 200, max: 599 }) },
)
const encoded = (value: unknown): string =>
  new URLSearchParams(
    Object.entries(value as object).map(([key, inner]): [string, string] => [
      key,
      typeof inner === 'string' ? inner : JSON.stringify(inner),
    ]),
  ).toString()

/** The same answer with tokens where the dialect has them, if it can be. */
function withTokens(document: object, dialect: AnswerDialect): { document: object; dialect: AnswerDialect } {
  const { success: _, failure: __, ...rest } = dialect
  const copy = JSON.parse(JSON.stringify(document)) as object
  const first = (place: AnswerDialect['root'], usual: string): string => [place ?? usual].flat()[0] ?? ''
  const root = first(rest.root, '')
  put(copy, root + first(rest.refresh_token, '/refresh_token'), `hidden-${made++}-token-value`)
  put(copy, root + first(rest.access_token, '/access_token'), `hidden-${made++}-token-value`)
  put(copy, '/error', null)
  return { document: copy, dialect: rest }
}

function put(target: object, place: string, value: unknown): void {
  const steps = place.split('/').slice(1)
  let at = target as Record<string, unknown>
  for (const [index, step] of steps.entries()) {
    const inner = Object.hasOwn(at, step) ? at[step] : undefined
    const next = index === steps.length - 1 ? value : typeof inner === 'object' && inner !== null ? inner : {}
    Object.defineProperty(at, step, { value: next, enumerable: true, writable: true, configurable: true })
    at = next as Record<string, unknown>
  }
}

const cases = fc
  .tuple(documents as fc.Arbitrary<object>, dialects, fc.boolean())
  .map(([document, dialect, put]) => (put ? withTokens(document, dialect) : { document, dialect }))

test('any answer in any dialect: nothing crashes, no token comes from elsewhere than its pointer, and none is printed', () => {
  const counts = { tokens: 0, error: 0, unusable: 0, silence: 0 }
  fc.assert(
    fc.property(cases, rules, status, fc.boolean(), ({ document, dialect: answer }, errors, status, form) => {
      const body = form ? encoded(document) : JSON.stringify(document)
      const reading = { id: 'acme', answer, errors }
      const result = readTokenAnswer({ status, headers: {}, body }, [sent], 1_800_000_000_000, reading)
      counts[result.kind] += 1
      refusesClient({ status, headers: {}, body }, reading)

      // Words of an error, a type and a scope are meant to be shown, and so is what is asked for as metadata.
      const shown =
        result.kind === 'tokens'
          ? { ...result.response, tokenType: '', scope: [], metadata: {} }
          : { ...result, error: '', description: '' }
      expect(inspect(shown, { depth: 9 })).not.toMatch(/hidden-\w+-token-value/)
      expect(inspect(result, { depth: 9, maxStringLength: null }) + JSON.stringify(result)).not.toContain(
        sent,
      )

      const outcome = judge(result, 'strict')
      if (outcome.verdict !== 'ok') {
        expect(errorCodes).toContain(outcome.failure.code)
        expect(outcome.failure.message.length).toBeLessThan(1000)
        expect(outcome.failure.message).not.toContain(sent)
      }
      if (result.kind !== 'tokens' || form) return
      const { response } = result
      const parsed = JSON.parse(body) as unknown
      const root = answer.root === undefined ? parsed : firstAt(parsed, answer.root)
      const at = (place: AnswerDialect['root'], usual: string) => firstAt(root, place ?? `/${usual}`)
      expect(response.accessToken.reveal()).toBe(at(answer.access_token, 'access_token'))
      if (response.refreshToken !== undefined)
        expect(response.refreshToken.reveal()).toBe(at(answer.refresh_token, 'refresh_token'))
      if (response.idToken !== undefined)
        expect(response.idToken.reveal()).toBe(at(answer.id_token, 'id_token'))
      const given = JSON.stringify(response.metadata ?? {})
      for (const token of [response.accessToken, response.refreshToken, response.idToken])
        if (token?.reveal().startsWith('hidden-')) expect(given).not.toContain(token.reveal())
      expect(response.expiresIn ?? 1).toBeGreaterThanOrEqual(1)
      expect(response.refreshTokenExpiresIn ?? 1).toBeGreaterThanOrEqual(1)
    }),
    { numRuns: 500 },
  )
  expect(Math.min(counts.tokens, counts.error, counts.unusable)).toBeGreaterThan(20)
})

test('any answer that breaks off in any dialect gives nothing but what stands at the first pointer', () => {
  fc.assert(
    fc.property(
      documents,
      dialects,
      fc.double({ min: 0, max: 1, noNaN: true }),
      (document, dialect, share) => {
        const text = JSON.stringify(document)
        const partial = text.slice(0, 1 + Math.floor(share * text.length))
        const found = salvageRefreshToken(new Secret(partial), dialect)
        if (found === undefined) return
        const first = (place: AnswerDialect['root'], usual: string) => [place ?? usual].flat()[0] ?? ''
        const root = firstAt(JSON.parse(text), first(dialect.root, ''))
        expect(found.reveal()).toBe(firstAt(root, first(dialect.refresh_token, '/refresh_token')))
      },
    ),
    { numRuns: 500 },
  )
})

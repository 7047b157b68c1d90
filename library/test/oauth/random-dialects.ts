import fc from 'fast-check'
import type { AnswerDialect, ErrorRule, ExpiryFormat } from '../../src/providers/profile.ts'

/** The refresh token of every request. */
export const sent = 'rt-8Jh2+kQ/x9_ZpLw0=4tYvB7'
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

export const dialects = fc.record(
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

export const rules = fc.array(
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
export const documents = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.dictionary(name, tie('node'), { maxKeys: 8 }),
    fc.array(tie('node'), { maxLength: 2 }),
  ),
  top: fc.dictionary(name, tie('node'), { maxKeys: 8 }),
})).top
export const status = fc.oneof(
  { weight: 3, arbitrary: fc.constant(200) },
  { weight: 1, arbitrary: fc.integer({ min: 200, max: 599 }) },
)
export const encoded = (value: unknown): string =>
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

export const cases = fc
  .tuple(documents as fc.Arbitrary<object>, dialects, fc.boolean())
  .map(([document, dialect, put]) => (put ? withTokens(document, dialect) : { document, dialect }))

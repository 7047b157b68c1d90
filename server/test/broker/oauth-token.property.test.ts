import fc from 'fast-check'
import { expect, test } from 'vitest'
import { practisedBroker, service } from './practised-broker.ts'

/** Printable and not: what can stand in a header, and what decodes to something odd. */
const headerText = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
})
const scheme = fc.constantFrom('Basic ', 'basic  ', 'Bearer ', 'Digest ', '')
const authorization = fc
  .tuple(
    scheme,
    fc.oneof(
      headerText,
      fc.string().map((text) => Buffer.from(text).toString('base64')),
    ),
  )
  .map(([name, rest]) => name + rest)

const name = fc.constantFrom(
  ...['grant_type', 'client_id', 'client_secret', 'scope', 'resource', 'audience', 'subject_token'],
  ...['subject_token_type', 'requested_token_type', 'actor_token', '__proto__', 'constructor', ''],
)
const value = fc.oneof(
  fc.string(),
  fc.constantFrom(
    ...['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange', 'grant:billing', 'billing'],
    ...[
      'urn:ietf:params:oauth:token-type:access_token',
      'http://127.0.0.1:7420/v1/grants/billing',
      '%00',
      '\r\n',
    ],
  ),
)
const body = fc.oneof(
  fc.array(fc.tuple(name, value), { maxLength: 12 }).map((pairs) => new URLSearchParams(pairs).toString()),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
)

test('whatever a stranger sends is refused in the words of the RFC, and costs the provider nothing', {
  timeout: 60_000,
}, async () => {
  const { app, keeper, practice } = await practisedBroker()
  await keeper.add('billing', service(practice))
  await fc.assert(
    fc.asyncProperty(body, fc.option(authorization), async (payload, header) => {
      const answer = await app.inject({
        method: 'POST',
        url: '/oauth/token',
        payload,
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          ...(header !== null && { authorization: header }),
        },
      })
      expect([400, 401]).toContain(answer.statusCode)
      const { error, error_description: description, ...rest } = answer.json()
      expect(error).toMatch(/^(invalid_client|invalid_request)$/)
      expect(answer.statusCode === 401).toBe(error === 'invalid_client')
      expect(description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
      expect(rest).toEqual({})
    }),
    { numRuns: 300 },
  )
  expect(practice.requests).toEqual([])
})

import { inspect } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { errorCodes } from '../../src/errors.ts'
import { judge } from '../../src/grants/outcome.ts'
import { salvageRefreshToken } from '../../src/oauth/broken-answer.ts'
import { refusesClient } from '../../src/oauth/client-secrets.ts'
import { firstAt } from '../../src/oauth/json-pointer.ts'
import { readTokenAnswer } from '../../src/oauth/token-response.ts'
import type { AnswerDialect } from '../../src/providers/profile.ts'
import { Secret } from '../../src/secret.ts'
import { cases, dialects, documents, encoded, rules, sent, status } from './random-dialects.ts'

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
      const meant = { tokenType: '', scope: [], metadata: {} }
      const shown =
        result.kind === 'tokens'
          ? {
              ...result.response,
              ...meant,
              secondary: Object.values(result.response.secondary ?? {}).map((other) => ({
                ...other,
                ...meant,
              })),
            }
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

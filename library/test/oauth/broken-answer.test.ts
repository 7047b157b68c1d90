import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { salvageRefreshToken } from '../../src/oauth/broken-answer.ts'
import type { AnswerDialect } from '../../src/providers/profile.ts'
import { Secret } from '../../src/secret.ts'

const salvaged = (text: string): string | undefined =>
  text === '' ? undefined : salvageRefreshToken(new Secret(text))?.reveal()

const answers = fc.record(
  {
    access_token: fc.string({ minLength: 1, maxLength: 20 }),
    token_type: fc.constant('Bearer'),
    expires_in: fc.integer(),
    refresh_token: fc.stringMatching(/^[\x20-\x7e]{1,30}$/),
    scope: fc.string({ maxLength: 12 }),
    nested: fc.dictionary(fc.string({ maxLength: 4 }), fc.string({ maxLength: 8 }), { maxKeys: 3 }),
  },
  { requiredKeys: ['refresh_token'] },
)

test('an answer that breaks off gives its refresh token from the byte on at which all of it had arrived, and never another', () => {
  fc.assert(
    fc.property(answers, fc.boolean(), (answer, wide) => {
      const text = JSON.stringify(answer, null, wide ? 2 : 0)
      const member = JSON.stringify({ refresh_token: answer.refresh_token }, null, wide ? 2 : 0)
      const written = member.slice(1, -1).trim()
      const complete = text.indexOf(written) + written.length
      for (let cut = 0; cut <= text.length; cut++)
        expect(salvaged(text.slice(0, cut)), `cut at ${cut} of ${text}`).toBe(
          cut < complete ? undefined : answer.refresh_token,
        )
    }),
    { numRuns: 50 },
  )
})

test('a refresh token inside something else is none, nor is one in an array or in a text', () => {
  for (const text of [
    '{"user":{"refresh_token":"inner"},"a',
    '[{"refresh_token":"inner"},',
    '{"note":"\\"refresh_token\\":\\"quoted\\",',
    '"refresh_token":"bare",',
    '<html>"refresh_token":"x",',
  ])
    expect(salvaged(text)).toBeUndefined()
})

describe('in a dialect', () => {
  const dialect: AnswerDialect = {
    root: ['/data/0', ''],
    access_token: '/authorization/token',
    refresh_token: ['/refresh/token', '/note'],
  }
  const inside = (text: string, reading = dialect) => salvageRefreshToken(new Secret(text), reading)?.reveal()

  test('it is found at its pointer from the byte on at which all of it had arrived, and nothing else is ever taken', () => {
    const token = fc.stringMatching(/^[\x20-\x7e]{1,30}$/)
    fc.assert(
      fc.property(token, token, fc.boolean(), fc.boolean(), (access, refresh, wide, first) => {
        const parts = {
          authorization: { token: access, x: [1, { y: 2 }] },
          refresh: { token: refresh, t: 1 },
        }
        const { authorization, ...others } = parts
        const text = JSON.stringify(
          { data: [first ? parts : { ...others, authorization }] },
          null,
          wide ? 1 : 0,
        )
        const member = `"token":${wide ? ' ' : ''}${JSON.stringify(refresh)}`
        const complete = text.indexOf(member, text.indexOf('"refresh"')) + member.length
        for (let cut = 1; cut <= text.length; cut++)
          expect(inside(text.slice(0, cut)), `cut at ${cut} of ${text}`).toBe(
            cut < complete ? undefined : refresh,
          )
      }),
      { numRuns: 50 },
    )
  })

  test('what may stand in another place counts only in an answer that is whole', () => {
    expect(inside('{"data":[{"note":"other","refresh":{"tok')).toBeUndefined()
    expect(inside('{"refresh":{"token":"top"},"dat')).toBeUndefined()
  })

  test('it is the access token where that renews itself', () => {
    expect(inside('{"access_token":"at-1","expires_i', { refresh_token: '/access_token' })).toBe('at-1')
    expect(inside('{"access_token":"at-', { refresh_token: '/access_token' })).toBeUndefined()
  })
})

test('thousands of brackets are not followed', () => {
  expect(salvaged(`{"refresh_token":"first",${'['.repeat(60_000)}`)).toBe('first')
  expect(salvaged('[{},'.repeat(15_000))).toBeUndefined()
})

test('an answer of thousands of members is tried at its last ones only', () => {
  const text = `{"refresh_token":"first",${Array.from({ length: 5_000 }, (_, i) => `"m${i}":"v"`).join(',')},"bro`
  expect(salvaged(text)).toBe('first')
  const hopeless = `{"refresh_token":"first",[${','.repeat(5_000)}`
  expect(salvaged(hopeless)).toBeUndefined()
})

import { describe, expect, test } from 'vitest'
import { secondaryDialect } from '../../src/oauth/secondary-tokens.ts'
import { readTokenAnswer } from '../../src/oauth/token-response.ts'
import type { AnswerDialect } from '../../src/providers/profile.ts'

const now = 1_800_000_000_000
const read = (body: object, answer: AnswerDialect) =>
  readTokenAnswer({ status: 200, headers: {}, body: JSON.stringify(body) }, [], now, {
    id: 'example',
    answer,
  })

/** The tokens of an answer in clear, as far as these tests look. */
function tokensOf(answer: ReturnType<typeof read>) {
  if (answer.kind !== 'tokens') return answer.kind
  const shown = ({ accessToken, refreshToken, metadata }: typeof answer.response) => [
    accessToken.reveal(),
    refreshToken?.reveal(),
    metadata,
  ]
  const others = Object.entries(answer.response.secondary ?? {})
  return { first: shown(answer.response), others: others.map(([name, tokens]) => [name, ...shown(tokens)]) }
}

describe('secondary tokens of an answer', () => {
  const dialect: AnswerDialect = {
    root: '/main',
    access_token: '/at',
    refresh_token: '/rt',
    secondary_tokens: { user: { root: '/user' }, admin: { root: ['/admin', '/owner'] } },
    metadata: { team: '/team', leak: '/leak', whose: '/whose' },
  }

  test('are read each from its place by the words of the first, and metadata from there or the top', () => {
    const answer = {
      main: { at: 'main-access', rt: 'main-refresh', whose: 'bot' },
      user: { at: 'user-access', rt: 'user-refresh', whose: 'ada' },
      owner: { at: 'admin-access' },
      team: 'T1',
    }
    expect(tokensOf(read(answer, dialect))).toEqual({
      first: ['main-access', 'main-refresh', { team: 'T1', whose: 'bot' }],
      others: [
        ['user', 'user-access', 'user-refresh', { team: 'T1', whose: 'ada' }],
        ['admin', 'admin-access', undefined, { team: 'T1' }],
      ],
    })
  })

  test('hand out no token of another: neither the first one nor a further one', () => {
    for (const leak of ['main-access', 'main-refresh', 'x main-refresh', 'admin-access', 'user-refresh']) {
      const answer = {
        main: { at: 'main-access', rt: 'main-refresh' },
        user: { at: 'user-access', rt: 'user-refresh' },
        admin: { at: 'admin-access' },
        leak,
      }
      expect(JSON.stringify(tokensOf(read(answer, dialect)))).not.toContain('leak')
    }
  })

  test.each<[string, unknown]>([
    ['nothing there', undefined],
    ['no access token', { rt: 'user-refresh' }],
    ['one that is none', { at: 'a b' }],
    ['no object', ['x']],
  ])('with %s are left out, and the first is read all the same', (_, user) => {
    expect(tokensOf(read({ main: { at: 'main-access' }, user }, dialect))).toEqual({
      first: ['main-access', undefined, {}],
      others: [],
    })
  })

  test('of their own refresh are read from their place, and from that of the first where they are not', () => {
    const own = secondaryDialect(dialect, 'user')
    const there = { user: { at: 'user-access', rt: 'user-refresh' }, main: { at: 'other' } }
    expect(tokensOf(read(there, own))).toMatchObject({
      first: ['user-access', 'user-refresh', {}],
      others: [],
    })
    const elsewhere = { user: { id: 'U1' }, main: { at: 'user-access', rt: 'user-refresh' } }
    expect(tokensOf(read(elsewhere, own))).toMatchObject({ first: ['user-access', 'user-refresh', {}] })
    expect(tokensOf(read({ user: { id: 'U1' } }, own))).toBe('unusable')
  })
})

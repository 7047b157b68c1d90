import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { TokenAnswer } from '../../src/oauth/token-answer.ts'
import { readTokenAnswer } from '../../src/oauth/token-response.ts'
import type { AnswerDialect } from '../../src/providers/profile.ts'
import { Secret } from '../../src/secret.ts'

/** 2027-01-15T08:00:00Z, UTC ms. */
const now = 1_800_000_000_000

function read(
  body: string | object,
  answer: AnswerDialect,
  { status = 200, headers = {} }: { status?: number; headers?: Record<string, string> } = {},
): TokenAnswer {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return readTokenAnswer({ status, headers, body: text }, ['sent-secret-text'], now, { id: 'acme', answer })
}

/** The tokens and what is said of them, secrets revealed. */
function tokensOf(answer: TokenAnswer): object {
  if (answer.kind !== 'tokens') throw new Error(inspect(answer))
  const { whole: _, tokenType, ...rest } = answer.response
  const shown = Object.entries(rest).map(([name, value]) => [
    name,
    value instanceof Secret ? value.reveal() : value,
  ])
  return { ...Object.fromEntries(shown), ...(tokenType === 'Bearer' ? {} : { tokenType }) }
}

/** A kind of quirk: who shows it, an answer as they send it, the dialect, and what is read. */
const kinds: [string, string | object, AnswerDialect, object][] = [
  [
    'a nested payload: Slack, the token of the person',
    {
      ok: true,
      access_token: 'xoxb-bot-token-1',
      team: { id: 'T1' },
      authed_user: {
        id: 'U1',
        scope: 'chat:write,users:read',
        access_token: 'xoxp-user-1',
        token_type: 'user',
      },
    },
    {
      root: '/authed_user',
      scope_separator: ',',
      success: { pointer: '/ok', equals: true },
      metadata: { team_id: '/team/id', user_id: '/id' },
    },
    {
      accessToken: 'xoxp-user-1',
      tokenType: 'user',
      scope: ['chat:write', 'users:read'],
      metadata: { team_id: 'T1', user_id: 'U1' },
    },
  ],
  [
    'a nested payload and a status in the body: Withings',
    {
      status: 0,
      body: { userid: 363, access_token: 'at-1', refresh_token: 'rt-1', scope: 'a,b', expires_in: 10800 },
    },
    {
      root: '/body',
      scope_separator: ',',
      success: { pointer: '/status', equals: 0 },
      error_code: '/status',
      metadata: { userid: '/userid' },
    },
    {
      accessToken: 'at-1',
      refreshToken: 'rt-1',
      scope: ['a', 'b'],
      expiresIn: 10_800,
      metadata: { userid: 363 },
    },
  ],
  [
    'an array around the first answer and none around the next: Instagram',
    { data: [{ access_token: 'at-1', user_id: '178', permissions: 'a,b' }] },
    { root: ['/data/0', ''], scope: '/permissions', scope_separator: ',', refresh_token: '/access_token' },
    { accessToken: 'at-1', refreshToken: 'at-1', scope: ['a', 'b'] },
  ],
  [
    'the same flat, which is renewed by its access token',
    { access_token: 'at-2', token_type: 'bearer', expires_in: 5_183_944 },
    { root: ['/data/0', ''], scope: '/permissions', scope_separator: ',', refresh_token: '/access_token' },
    { accessToken: 'at-2', refreshToken: 'at-2', expiresIn: 5_183_944 },
  ],
  [
    'objects for tokens, with times without a zone: Quartile',
    {
      authorization: { token: 'at-1', type: 'Bearer', expires_in: 3600, expires_at: '2027-01-15T09:00:00' },
      refresh: {
        token: 'rt-1',
        expires_in: 7200,
        expires_at: '2027-01-15T10:00:00.1234567',
        not_before: '2027-01-15T08:00:00',
        note: 'keep it',
      },
    },
    {
      access_token: '/authorization/token',
      token_type: '/authorization/type',
      expiry: '/authorization/expires_at',
      expiry_format: 'iso8601',
      refresh_token: '/refresh/token',
      refresh_token_expiry: '/refresh/expires_at',
      metadata: { not_before: '/refresh/not_before' },
    },
    {
      accessToken: 'at-1',
      refreshToken: 'rt-1',
      expiresIn: 3600,
      refreshTokenExpiresIn: 7200,
      metadata: { not_before: '2027-01-15T08:00:00' },
    },
  ],
  [
    'renamed members with ISO 8601: Sentry',
    { token: 'at-1', refreshToken: 'rt-1', expiresAt: '2027-01-15T16:00:00.000000Z', scopes: ['a', 'b'] },
    {
      access_token: '/token',
      refresh_token: '/refreshToken',
      expiry: '/expiresAt',
      expiry_format: 'iso8601',
      scope: '/scopes',
    },
    { accessToken: 'at-1', refreshToken: 'rt-1', expiresIn: 28_800, scope: ['a', 'b'] },
  ],
  [
    'a member of the RFC that is not the one pointed at',
    { access_token: 'not-this', token: 'at-1', refresh_token: 'not-this-either' },
    { access_token: '/token', refresh_token: '/refreshToken' },
    { accessToken: 'at-1' },
  ],
  [
    'an epoch beside what was left then: Strava',
    { access_token: 'at-1', refresh_token: 'rt-1', expires_at: 1_800_021_600, expires_in: 20_000 },
    { expiry: '/expires_at', expiry_format: 'epoch_s' },
    { accessToken: 'at-1', refreshToken: 'rt-1', expiresIn: 21_600 },
  ],
  [
    'milliseconds: Fiserv, Adobe IMS',
    { access_token: 'at-1', expires_in: '86399999' },
    { expiry_format: 'relative_ms' },
    { accessToken: 'at-1', expiresIn: 86_399 },
  ],
  [
    'both tokens by epoch: Clover',
    {
      access_token: 'at-1',
      access_token_expiration: 1_800_001_800,
      refresh_token: 'rt-1',
      refresh_token_expiration: 1_831_536_000,
    },
    {
      expiry: '/access_token_expiration',
      expiry_format: 'epoch_s',
      refresh_token_expiry: '/refresh_token_expiration',
    },
    { accessToken: 'at-1', refreshToken: 'rt-1', expiresIn: 1800, refreshTokenExpiresIn: 31_536_000 },
  ],
  [
    'an access token by epoch, a refresh token in seconds under its usual name',
    { access_token: 'at-1', expires_at: '1800003600', refresh_expires_in: '1800' },
    { expiry: '/expires_at', expiry_format: 'epoch_s' },
    { accessToken: 'at-1', expiresIn: 3600, refreshTokenExpiresIn: 1800 },
  ],
  [
    'an ISO 8601 for the refresh token alone: Square',
    { access_token: 'at-1', expires_in: 2_592_000, refresh_token_expires_at: '2027-04-15T08:00:00Z' },
    { refresh_token_expiry: '/refresh_token_expires_at', refresh_token_expiry_format: 'iso8601' },
    { accessToken: 'at-1', expiresIn: 2_592_000, refreshTokenExpiresIn: 7_776_000 },
  ],
  [
    'an expiry that has passed, which loses no token',
    { access_token: 'at-1', refresh_token: 'rt-1', expires_at: 1_700_000_000 },
    { expiry: '/expires_at', expiry_format: 'epoch_s' },
    { accessToken: 'at-1', refreshToken: 'rt-1' },
  ],
  [
    'an expiry that cannot be read',
    { access_token: 'at-1', expires_in: 3600, expires_at: 'at sunset' },
    { expiry: '/expires_at', expiry_format: 'iso8601' },
    { accessToken: 'at-1' },
  ],
  [
    'no lifetime at all: GitHub, Notion, Salesforce',
    { access_token: 'at-1', instance_url: 'https://eu1.example', issued_at: '1799999999999' },
    { metadata: { instance_url: '/instance_url' } },
    { accessToken: 'at-1', metadata: { instance_url: 'https://eu1.example' } },
  ],
  [
    'a scope under another name, and plus signs in it: Bitbucket, BambooHR',
    { access_token: 'at-1', scopes: 'account+email' },
    { scope: '/scopes', scope_separator: '+' },
    { accessToken: 'at-1', scope: ['account', 'email'] },
  ],
  [
    'a code of success beside the tokens: Coros',
    { result: '0000', message: 'OK', access_token: 'at-1', refresh_token: 'rt-1', expires_in: 2_592_000 },
    { success: { pointer: '/result', equals: '0000' }, error_code: '/result' },
    { accessToken: 'at-1', refreshToken: 'rt-1', expiresIn: 2_592_000 },
  ],
  [
    'a success that has an error which is none: TikTok',
    { error: { code: 'ok', message: '' }, data: { access_token: 'at-1' } },
    { root: '/data', success: { pointer: '/error/code', equals: 'ok' } },
    { accessToken: 'at-1' },
  ],
  [
    'an error code of zero: WeChat',
    { errcode: 0, access_token: 'at-1', openid: 'o1', expires_in: 7200 },
    { failure: { pointer: '/errcode' }, error_code: '/errcode', metadata: { openid: '/openid' } },
    { accessToken: 'at-1', expiresIn: 7200, metadata: { openid: 'o1' } },
  ],
  [
    'a form, as GitHub sends it to whom does not ask for JSON',
    'access_token=gho_16C7e42F&expires_in=28800&refresh_token=ghr_1B4a2e77&scope=repo%2Cgist&token_type=bearer',
    { scope_separator: ',' },
    { accessToken: 'gho_16C7e42F', refreshToken: 'ghr_1B4a2e77', expiresIn: 28_800, scope: ['repo', 'gist'] },
  ],
  [
    'a form as old versions of Facebook write it',
    'access_token=EAAC%7Cx&expires=5183999',
    { expiry: '/expires', refresh_token: '/access_token' },
    { accessToken: 'EAAC|x', refreshToken: 'EAAC|x', expiresIn: 5_183_999 },
  ],
]

describe('an answer is read with', () => {
  test.each(kinds)('%s', (_name, body, dialect, expected) => {
    expect(tokensOf(read(body, dialect))).toEqual(expected)
  })
})

test('an expiry counts by the clock of ours or of the answer that leaves the least', () => {
  const dialect = { expiry: '/at', expiry_format: 'epoch_s' } as const
  const body = { access_token: 'at-1', at: 1_800_003_600 }
  const lifetime = (date: string) => {
    const answer = read(body, dialect, { headers: { date } })
    return answer.kind === 'tokens' ? answer.response.expiresIn : undefined
  }
  expect(lifetime('Fri, 15 Jan 2027 08:30:00 GMT')).toBe(1800)
  expect(lifetime('Fri, 15 Jan 2027 07:30:00 GMT')).toBe(3600)
  expect(lifetime('Fri, 15 Jan 1977 07:30:00 GMT')).toBe(3600)
  expect(lifetime('yesterday')).toBe(3600)
})

test('the whole answer is kept as it came, and is not printed', () => {
  const text = ' {"data": {"token":"at-secret-1" }}'
  const answer = read(text, { root: '/data', access_token: '/token' })
  expect(answer.kind === 'tokens' && answer.response.whole.reveal()).toBe(text)
  expect(inspect(answer, { depth: 9 }) + JSON.stringify(answer)).not.toContain('at-secret')
})

describe('metadata is never a token', () => {
  const body = {
    access_token: 'bot-token-1',
    refresh_token: 'bot-refresh-1',
    id_token: 'bot-identity-1',
    user: { name: 'Ada', token: 'user-token-1', refresh_token: 'user-refresh-1' },
    link: 'https://files.example/?t=bot-token-1',
    hook: { url: 'https://hooks.example/T1' },
    odd: { 'bot-token-1': true },
    echo: 'bot-refresh-1',
    count: 0,
    ready: false,
    nothing: null,
  }
  const metadataOf = (metadata: AnswerDialect['metadata'], more: AnswerDialect = {}) => {
    const answer = read(body, { ...more, metadata } as AnswerDialect)
    return answer.kind === 'tokens' ? answer.response.metadata : answer
  }

  test('nor anything that holds one', () => {
    expect(
      metadataOf({
        name: '/user/name',
        count: '/count',
        ready: '/ready',
        hook: '/hook',
        nothing: '/nothing',
        missing: '/missing',
        access: '/access_token',
        refresh: '/refresh_token',
        identity: '/id_token',
        user: '/user',
        users_refresh: '/user/refresh_token',
        link: '/link',
        odd: '/odd',
        echo: '/echo',
        all: '',
      }),
    ).toEqual({ name: 'Ada', count: 0, ready: false, hook: { url: 'https://hooks.example/T1' } })
  })

  test('nor a secondary one', () => {
    const secondary_tokens = { user: { root: '/user' } }
    const metadata = { other: '/user/token' }
    const dialect = { access_token: ['/token', '/access_token'] }
    expect(metadataOf(metadata, { ...dialect, secondary_tokens })).toEqual({})
  })
})

// A profile that had its scope, or its type, at the place of a token stored that token in clear, and showed it.
test('no token is taken for a scope or a type, whole or in parts', () => {
  const body = { access_token: 'access-token-in-full', refresh_token: 'refresh-token-in-full', words: 'read' }
  expect(tokensOf(read(body, { scope: '/refresh_token', token_type: '/access_token' }))).toEqual({
    accessToken: 'access-token-in-full',
    refreshToken: 'refresh-token-in-full',
  })
  expect(tokensOf(read({ ...body, scope: 'read access-token-in' }, {}))).toMatchObject({
    scope: ['read'],
  })
})

describe('an answer in which no pointer leads to an access token', () => {
  test.each<[AnswerDialect, string | object, string]>([
    [
      { root: '/authed_user' },
      { ok: true, team: { id: 'T1' } },
      'the profile acme has answer.access_token at /access_token, below answer.root at /authed_user; there were ok, team',
    ],
    [
      { root: ['/data/0', ''], access_token: ['/token', '/key'] },
      { data: [{ user_id: 1, 'a b': 2 }] },
      'the profile acme has answer.access_token at /token or /key, below answer.root at /data/0 or the top; there were user_id, …',
    ],
    [{}, [], 'the profile acme has answer.access_token at /access_token; there were no members'],
    [
      {},
      Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`m${index}`, 'value'])),
      'the profile acme has answer.access_token at /access_token; there were m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, …',
    ],
  ])('with %j says where it was looked for and what was there: %j', (dialect, body, detail) => {
    expect(read(body, dialect)).toMatchObject({ kind: 'unusable', reason: 'no_access_token', detail })
  })

  test('keeps the refresh token at its pointer', () => {
    const answer = read({ refresh: { token: 'rt-1' } }, { refresh_token: '/refresh/token' })
    expect(answer).toMatchObject({ kind: 'unusable', reason: 'no_access_token' })
    expect(answer.kind === 'unusable' && answer.refreshToken?.reveal()).toBe('rt-1')
  })

  test('tells no value, nor a name that may be one', () => {
    const answer = read(
      { 'eyJhbGciOiJIUzI1NiJ9.e30.c2ln': 1, 'sent-secret-text': 2, value: 'sent-secret-text' },
      {},
    )
    expect(JSON.stringify(answer)).not.toMatch(/eyJ|sent-secret/)
  })
})

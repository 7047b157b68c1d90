import { describe, expect, test } from 'vitest'
import { judge } from '../../src/grants/outcome.ts'
import type { TokenAnswer } from '../../src/oauth/token-answer.ts'
import { readTokenAnswer } from '../../src/oauth/token-response.ts'
import type { AnswerDialect, ErrorRule } from '../../src/providers/profile.ts'

interface Spoken {
  readonly answer?: AnswerDialect
  readonly errors?: readonly ErrorRule[]
}

function read(status: number, body: unknown, spoken?: Spoken, headers = {}): TokenAnswer {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const reading = spoken === undefined ? undefined : { id: 'acme', ...spoken }
  return readTokenAnswer({ status, headers, body: text }, ['sent-refresh-token'], 0, reading)
}

/** What comes of an answer for a login whose refresh token rotates strictly: verdict, stable code, the provider's own. */
function outcomeOf(answer: TokenAnswer): (string | undefined)[] {
  const outcome = judge(answer, 'strict')
  if (outcome.verdict === 'ok') return ['ok']
  return [outcome.verdict, outcome.failure.code, outcome.failure.error]
}

const slack: Spoken = {
  answer: { success: { pointer: '/ok', equals: true }, error_code: '/error' },
  errors: [
    { code: 'invalid_refresh_token', means: 'dead' },
    { code: 'token_revoked', means: 'dead' },
    { code: 'internal_error', means: 'transient' },
    { code: 'ratelimited', means: 'rate_limited', retry_after: 30 },
  ],
}
const facebook: Spoken = {
  answer: { error_code: '/error/code' },
  errors: [
    { code: 190, pointer: '/error/error_subcode', equals: 458, means: 'person' },
    { code: 190, means: 'dead' },
    { code: 4, means: 'rate_limited' },
    { code: 1, means: 'transient' },
    { code: 10, means: 'configuration' },
  ],
}
const wechat: Spoken = {
  answer: { failure: { pointer: '/errcode' }, error_code: '/errcode' },
  errors: [
    { code: 40030, means: 'dead' },
    { code: 42002, means: 'dead' },
    { code: -1, means: 'transient' },
  ],
}
const withings: Spoken = {
  answer: { root: '/body', success: { pointer: '/status', equals: 0 }, error_code: '/status' },
  errors: [
    { code: 601, means: 'rate_limited' },
    { pointer: '/status', means: 'dead' },
  ],
}

/** Who, status, answer, dialect, and what comes of it. */
const providers: [string, number, unknown, Spoken, string[]][] = [
  [
    'HubSpot: dead',
    400,
    { status: 'BAD_REFRESH_TOKEN', message: 'missing or unknown refresh token', correlationId: 'c1' },
    { errors: [{ code: 'BAD_REFRESH_TOKEN', means: 'dead' }] },
    ['rejected', 'invalid_grant', 'BAD_REFRESH_TOKEN'],
  ],
  [
    'Slack: dead',
    200,
    { ok: false, error: 'invalid_refresh_token' },
    slack,
    ['rejected', 'invalid_grant', 'invalid_refresh_token'],
  ],
  [
    'Slack: trouble',
    200,
    { ok: false, error: 'internal_error' },
    slack,
    ['refused', 'provider_error', 'internal_error'],
  ],
  [
    'Slack: slower',
    200,
    { ok: false, error: 'ratelimited' },
    slack,
    ['refused', 'provider_error', 'ratelimited'],
  ],
  [
    'Slack: a word without a rule',
    200,
    { ok: false, error: 'fatal' },
    slack,
    ['refused', 'provider_error', 'fatal'],
  ],
  ['Slack: no word', 200, { ok: false }, slack, ['ambiguous', 'provider_error', 'unspecified']],
  [
    'GitHub: dead, with status 200',
    200,
    { error: 'bad_refresh_token', error_description: 'The refresh token passed is incorrect or expired.' },
    { errors: [{ code: 'bad_refresh_token', means: 'dead' }] },
    ['rejected', 'invalid_grant', 'bad_refresh_token'],
  ],
  [
    'GitHub: dead, as a form',
    200,
    'error=bad_refresh_token&error_description=The+refresh+token+passed+is+incorrect+or+expired.',
    { errors: [{ code: 'bad_refresh_token', means: 'dead' }] },
    ['rejected', 'invalid_grant', 'bad_refresh_token'],
  ],
  [
    'Salesforce: dead by its description',
    400,
    { error: 'invalid_request', error_description: 'Expired access/refresh token' },
    { errors: [{ description: 'expired access/REFRESH token', means: 'dead' }] },
    ['rejected', 'invalid_grant', 'invalid_request'],
  ],
  [
    'Google: a session policy asks for the person',
    400,
    { error: 'invalid_grant', error_subtype: 'invalid_rapt' },
    { errors: [{ pointer: '/error_subtype', equals: 'invalid_rapt', means: 'person' }] },
    ['rejected', 'reauthorization_required', 'invalid_grant'],
  ],
  [
    'Entra: consent is missing',
    400,
    { error: 'invalid_grant', error_codes: [65001], error_description: 'AADSTS65001: consent' },
    { errors: [{ pointer: '/error_codes/0', equals: 65001, means: 'person' }] },
    ['rejected', 'reauthorization_required', 'invalid_grant'],
  ],
  [
    'Facebook: dead',
    400,
    { error: { code: 190, type: 'OAuthException', message: 'Session has expired' } },
    facebook,
    ['rejected', 'invalid_grant', '190'],
  ],
  [
    'Facebook: the person took it back',
    400,
    { error: { code: 190, error_subcode: 458 } },
    facebook,
    ['rejected', 'reauthorization_required', '190'],
  ],
  ['Facebook: slower', 400, { error: { code: 4 } }, facebook, ['refused', 'provider_error', '4']],
  [
    'Facebook: trouble with status 500',
    500,
    { error: { code: 1 } },
    facebook,
    ['refused', 'provider_error', '1'],
  ],
  ['Facebook: permissions', 400, { error: { code: 10 } }, facebook, ['refused', 'provider_error', '10']],
  [
    'Kakao: dead by its own code',
    400,
    { error: 'invalid_request', error_code: 'KOE322', error_description: 'expired_or_invalid_refresh_token' },
    { answer: { error_code: '/error_code' }, errors: [{ code: 'KOE322', means: 'dead' }] },
    ['rejected', 'invalid_grant', 'KOE322'],
  ],
  [
    'WeChat: dead',
    200,
    { errcode: 40030, errmsg: 'invalid refresh_token' },
    wechat,
    ['rejected', 'invalid_grant', '40030'],
  ],
  ['WeChat: busy', 200, { errcode: -1, errmsg: 'system busy' }, wechat, ['refused', 'provider_error', '-1']],
  [
    'Withings: dead',
    200,
    { status: 503, error: 'Invalid params', body: {} },
    withings,
    ['rejected', 'invalid_grant', '503'],
  ],
  ['Withings: slower', 200, { status: 601, body: {} }, withings, ['refused', 'provider_error', '601']],
  [
    'Fitbit: dead in a list',
    400,
    { success: false, errors: [{ errorType: 'invalid_grant', message: 'Refresh token invalid' }] },
    {},
    ['rejected', 'invalid_grant', 'invalid_grant'],
  ],
  [
    'Airtable and Fitbit: at the same time',
    409,
    { errors: [{ errorType: 'request_conflict' }] },
    { errors: [{ status: 409, means: 'transient' }] },
    ['refused', 'provider_error', 'request_conflict'],
  ],
  [
    'Twitch: dead by its message',
    400,
    { status: 400, message: 'Invalid refresh token' },
    { errors: [{ status: 400, description: 'invalid refresh token', means: 'dead' }] },
    ['rejected', 'invalid_grant', '400'],
  ],
  [
    'Zoom: the token before was used',
    401,
    { reason: 'Invalid Token!', error: 'invalid_request' },
    { errors: [{ pointer: '/reason', equals: 'Invalid Token!', means: 'dead' }] },
    ['rejected', 'invalid_grant', 'invalid_request'],
  ],
  [
    'Zoho: too many refreshes',
    400,
    {
      error: 'Access Denied',
      error_description: 'You have made too many requests continuously.',
      status: 'failure',
    },
    {
      errors: [
        { code: 'Access Denied', description: 'too many', means: 'rate_limited', retry_after: 600 },
        { code: 'invalid_code', means: 'dead' },
      ],
    },
    ['refused', 'provider_error', 'Access Denied'],
  ],
  [
    'Zoho: dead, with status 200',
    200,
    { error: 'invalid_code' },
    { errors: [{ code: 'invalid_code', means: 'dead' }] },
    ['rejected', 'invalid_grant', 'invalid_code'],
  ],
  [
    'Exact Online: too early',
    400,
    { error: 'invalid_grant', error_description: 'Rate limit exceeded: access_token not expired' },
    { errors: [{ description: 'access_token not expired', means: 'transient', retry_after: 570 }] },
    ['refused', 'provider_error', 'invalid_grant'],
  ],
  [
    'Gong: dead',
    400,
    { requestId: 'r', errors: ['Refresh token code is invalid'] },
    { errors: [{ pointer: '/errors/0', equals: 'Refresh token code is invalid', means: 'dead' }] },
    ['rejected', 'invalid_grant', 'unspecified'],
  ],
  [
    'X: dead, though it looks like configuration',
    400,
    { error: 'invalid_request', error_description: 'Value passed for the token was invalid.' },
    { errors: [{ code: 'invalid_request', description: 'token was invalid', means: 'dead' }] },
    ['rejected', 'invalid_grant', 'invalid_request'],
  ],
  ['Atlassian: dead', 403, { error: 'invalid_grant' }, {}, ['rejected', 'invalid_grant', 'invalid_grant']],
  [
    'Coinbase: dead by its status',
    401,
    'Unauthorized',
    { errors: [{ status: 401, means: 'dead' }] },
    ['rejected', 'invalid_grant', 'unspecified'],
  ],
  [
    'CyberSource: everything is a 500',
    500,
    '<html>',
    { errors: [{ status: 500, means: 'ambiguous' }] },
    ['ambiguous', 'provider_error', 'unspecified'],
  ],
]

describe('by the profile', () => {
  test.each(providers)('%s', (_name, status, body, spoken, expected) => {
    expect(outcomeOf(read(status, body, spoken))).toEqual(expected)
  })
})

describe('a rule', () => {
  test('counts before the RFC, and the first that matches before those behind it', () => {
    const errors: ErrorRule[] = [
      { code: 'invalid_grant', status: 403, means: 'configuration' },
      { code: 'invalid_grant', means: 'transient' },
      { code: 'invalid_grant', means: 'person' },
    ]
    expect(read(400, { error: 'invalid_grant' }, { errors })).toMatchObject({ means: 'transient' })
    expect(read(403, { error: 'invalid_grant' }, { errors })).toMatchObject({ means: 'configuration' })
    expect(read(400, { error: 'invalid_scope' }, { errors })).not.toHaveProperty('means')
  })

  test('matches only where everything that it names does', () => {
    const errors: ErrorRule[] = [
      { status: 400, code: 'e', pointer: '/more', equals: true, description: 'x', means: 'dead' },
    ]
    const body = { error: 'e', error_description: 'a X', more: true }
    expect(read(400, body, { errors })).toMatchObject({ means: 'dead' })
    for (const other of [{ error: 'f' }, { error_description: 'a' }, { more: 'true' }, { more: undefined }])
      expect(read(400, { ...body, ...other }, { errors })).not.toHaveProperty('means')
    expect(read(401, body, { errors })).not.toHaveProperty('means')
  })

  test('that names nothing matches nothing', () => {
    expect(read(400, { error: 'e' }, { errors: [{ means: 'dead' }] })).not.toHaveProperty('means')
  })

  // Only a profile with an error_code had its error_description read: Zoom's "Invalid Token!" was no dead login.
  test('goes by the description at its pointer, also where the code is that of the RFC', () => {
    const said = { reason: 'Invalid Token!', error: 'invalid_request', message: 'something else' }
    const spoken: Spoken = {
      answer: { error_description: ['/error_description', '/reason'] },
      errors: [{ description: 'invalid token', means: 'dead' }],
    }
    expect(read(400, said, spoken)).toEqual({
      kind: 'error',
      status: 400,
      error: 'invalid_request',
      description: 'Invalid Token!',
      means: 'dead',
    })
  })

  test('says how long to wait where the answer does not', () => {
    const errors: ErrorRule[] = [{ status: 429, means: 'rate_limited', retry_after: 30 }]
    expect(read(429, '', { errors })).toMatchObject({ retryAfter: 30 })
    expect(read(429, '', { errors }, { 'retry-after': '5' })).toMatchObject({ retryAfter: 5 })
  })

  test('makes no refusal of tokens, nor of a success that nobody can read', () => {
    const errors: ErrorRule[] = [{ status: 200, means: 'dead' }]
    expect(read(200, { access_token: 'at-1' }, { errors })).toMatchObject({ kind: 'tokens' })
    for (const body of ['', '<html>', '{"message":"hello"}'])
      expect(read(200, body, { errors })).toMatchObject({ kind: 'unusable' })
    const kept = read(
      200,
      { refresh_token: 'rt-1' },
      { errors: [{ pointer: '/refresh_token', means: 'dead' }] },
    )
    expect(kept).toMatchObject({ kind: 'unusable', reason: 'no_access_token' })
  })

  test('is told with the words of the provider, and the secrets of the request are not', () => {
    const errors: ErrorRule[] = [{ code: 'gone', means: 'dead' }]
    const outcome = judge(
      read(400, { error: 'gone', message: 'no sent-refresh-token here' }, { errors }),
      'strict',
    )
    expect(outcome).toMatchObject({
      failure: {
        message: 'the provider refused the grant (gone: no [secret] here)',
        error: 'gone',
        status: 400,
      },
    })
    const silent = judge(read(401, '', { errors: [{ status: 401, means: 'dead' }] }), 'strict')
    expect(silent).toMatchObject({ failure: { message: 'the provider refused the grant (status 401)' } })
  })
})

test.each<[ErrorRule['means'], string, string, boolean | undefined, number | undefined]>([
  ['dead', 'rejected', 'invalid_grant', false, undefined],
  ['person', 'rejected', 'reauthorization_required', true, undefined],
  ['transient', 'refused', 'provider_error', undefined, undefined],
  ['ambiguous', 'ambiguous', 'provider_error', undefined, undefined],
  ['configuration', 'refused', 'provider_error', undefined, undefined],
  ['rate_limited', 'refused', 'provider_error', undefined, 60],
])('%s is %s with the code %s, whatever the status', (means, verdict, code, person, retryAfter) => {
  for (const status of [200, 400, 401, 500, 503])
    expect(judge(read(status, { error: 'e' }, { errors: [{ code: 'e', means }] }), 'strict')).toMatchObject({
      verdict,
      ...(person === undefined ? {} : { person }),
      failure: { code, error: 'e', status, retryAfter, means },
    })
})

test.each([
  ['invalid_client', 'invalid_client'],
  ['unauthorized_client', 'invalid_client'],
  ['invalid_scope', 'invalid_scope'],
  ['invalid_target', 'invalid_target'],
])('configuration keeps the code of its own that %s has', (error, code) => {
  const spoken: Spoken = { errors: [{ code: error, means: 'configuration' }] }
  expect(outcomeOf(read(400, { error }, spoken))).toEqual(['refused', code, error])
})

describe('without a profile', () => {
  test.each<[number, unknown, string[]]>([
    [200, { errcode: 40030, errmsg: 'invalid refresh_token' }, ['refused', 'provider_error', '40030']],
    [
      200,
      { code: 'access_token_invalid', message: 'no' },
      ['refused', 'provider_error', 'access_token_invalid'],
    ],
    [
      200,
      { code: 10012, message: 'bad request', request_id: 'r', data: {} },
      ['refused', 'provider_error', '10012'],
    ],
    [400, { errorCode: 'E17', errorMessage: 'no' }, ['refused', 'provider_error', 'E17']],
    [
      400,
      { errors: [{ code: 'invalid_grant', message: 'gone' }] },
      ['rejected', 'invalid_grant', 'invalid_grant'],
    ],
    [500, { code: 5, message: 'down' }, ['ambiguous', 'provider_error', '5']],
    [429, { code: 'slow', message: 'slower' }, ['refused', 'provider_error', 'slow']],
    // A success that was read wrongly is none that was refused.
    [
      200,
      { code: 200, message: 'OK', data: { accessToken: 'a' } },
      ['ambiguous', 'provider_answer_unusable'],
    ],
    [200, { code: 17, message: 'fine', data: { token: 'a' } }, ['ambiguous', 'provider_answer_unusable']],
    [200, { code: 0, message: 'success' }, ['ambiguous', 'provider_answer_unusable']],
    [200, { status: 'ok', message: 'x' }, ['ambiguous', 'provider_answer_unusable']],
    [200, { code: 'an-authorization-code-of-somebody' }, ['ambiguous', 'provider_answer_unusable']],
    [200, { code: 'x'.repeat(61), message: 'y' }, ['ambiguous', 'provider_answer_unusable']],
    [400, { message: 'no' }, ['refused', 'provider_answer_unusable']],
  ])('status %i with %j is %j', (status, body, expected) => {
    expect(outcomeOf(read(status, body)).filter((part) => part !== undefined)).toEqual(expected)
  })

  test('a code that nobody knows keeps its description, bounded and without secrets', () => {
    const body = { errcode: 7, errmsg: `sent-refresh-token ${'x'.repeat(1000)}` }
    const answer = read(200, body)
    expect(answer).toMatchObject({ kind: 'error', error: '7' })
    const { description = '' } = answer as { description?: string }
    expect(description).toHaveLength(500)
    expect(description).toMatch(/^\[secret\] x+…$/)
  })
})

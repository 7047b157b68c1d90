import { readTokenAnswer } from '../library/src/oauth/token-response.ts'
import type { AnswerDialect, ErrorRule } from '../library/src/providers/profile.ts'
import { type BenchOptions, type Question, type Report, shown } from './question.ts'
import { type Contender, interleaved, timed } from './rounds.ts'

const plain = 'limit: JSON.parse of the same text'
const without = 'no profile: the answer as RFC 6749 has it'
const unused = 'a profile that says nothing of answers'
const richest = 'the richest dialect: tokens'
const refused = 'the richest dialect: a refusal by the last of its rules'
const refusedWithout = 'no profile: a refusal'

/** Tokens as long as those of large providers. */
const accessToken = `at-1-${'x'.repeat(1_200)}`
const refreshToken = `rt-1-${'y'.repeat(800)}`

const standard = JSON.stringify({
  access_token: accessToken,
  refresh_token: refreshToken,
  token_type: 'Bearer',
  expires_in: 3600,
  scope: 'read write admin',
  refresh_expires_in: 86_400,
  account: { id: 'a-1', region: 'eu' },
  instance_url: 'https://eu1.example.com',
})

/** The same facts, all of them elsewhere. */
const odd = JSON.stringify({
  ok: true,
  team: { id: 'T1', name: 'Accounting' },
  data: [
    {
      authorization: { token: accessToken, type: 'Bearer', expires_at: '2027-01-15T09:00:00.1234567' },
      refresh: { token: refreshToken, expires_at: '2027-01-16T08:00:00.1234567' },
      permissions: 'read,write,admin',
      account: { id: 'a-1', region: 'eu', url: 'https://eu1.example.com' },
    },
  ],
  authed_user: { id: 'U1', authorization: { token: 'user-token-1' } },
})
const refusal = JSON.stringify({ ok: false, reason: { code: 'token_gone', text: 'This token is gone.' } })

const answer: AnswerDialect = {
  root: ['/body', '/data/0', ''],
  access_token: ['/access_token', '/authorization/token'],
  refresh_token: ['/refresh_token', '/refresh/token'],
  token_type: ['/token_type', '/authorization/type'],
  scope: '/permissions',
  scope_separator: ',',
  id_token: '/identity',
  expiry: '/authorization/expires_at',
  expiry_format: 'iso8601',
  refresh_token_expiry: '/refresh/expires_at',
  success: { pointer: '/ok', equals: true },
  failure: { pointer: '/reason' },
  error_code: ['/reason/code', '/code'],
  error_description: ['/reason/text', '/message'],
  secondary_tokens: { user: { root: '/authed_user' } },
  metadata: { account: '/account/id', region: '/account/region', url: '/account/url', team: '/team/id' },
}
const errors: ErrorRule[] = [
  ...Array.from({ length: 12 }, (_, index): ErrorRule => ({ code: `code_${index}`, means: 'dead' })),
  { status: 200, pointer: '/reason/more', equals: 7, means: 'person' },
  { status: 200, description: 'too many', means: 'rate_limited' },
  { status: 200, code: 'token_gone', means: 'dead' },
]

/** UTC ms. */
const now = 1_800_000_000_000
const sent = [refreshToken.replaceAll('y', 'z'), 'the-client-secret-of-the-bench']
const headers = { 'content-type': 'application/json', date: 'Fri, 15 Jan 2027 08:00:00 GMT' }

let read = 0
const reading =
  (body: string, profile?: Parameters<typeof readTokenAnswer>[3]) =>
  (n: number): void => {
    for (let i = 0; i < n; i++)
      if (readTokenAnswer({ status: 200, headers, body }, sent, now, profile).kind !== 'silence') read += 1
  }

async function run({ rounds, quick, progress }: BenchOptions): Promise<Report> {
  const ms = quick ? 20 : 50
  const profile = { id: 'acme', answer, errors }
  const contender = (name: string, batch: (n: number) => void): Contender => ({
    name,
    run: () => timed(batch, ms, 200),
  })
  const contenders = [
    contender(plain, (n) => {
      for (let i = 0; i < n; i++) if (JSON.parse(odd)) read += 1
    }),
    contender(without, reading(standard)),
    contender(unused, reading(standard, { id: 'acme' })),
    contender(richest, reading(odd, profile)),
    contender(refusedWithout, reading(refusal.replace('"reason"', '"error"'))),
    contender(refused, reading(refusal, profile)),
  ]
  const samples = await interleaved(contenders, rounds ?? (quick ? 2 : 41), progress)
  const added = (name: string, to: string) => samples.combined(name, to, (one, other) => (one - other) / 1000)
  return {
    table: [
      ['answer', 'ns', 'µs added'],
      ...contenders.map(({ name }) => [
        name,
        shown(samples.of(name)),
        shown(added(name, name === refused ? refusedWithout : without), 2),
      ]),
    ],
    notes: [
      `${read} answers were read; the text holds ${odd.length} characters`,
      'A dialect is read once an answer: a token that is served from memory never meets it.',
    ],
    findings: [
      {
        question: 'dialect',
        what: 'what the richest dialect adds to the reading of an answer with tokens',
        figure: added(richest, without),
        goal: 20,
        unit: 'µs added',
      },
      {
        question: 'dialect/refusal',
        what: 'what it adds to the reading of a refusal',
        figure: added(refused, refusedWithout),
        goal: 20,
        unit: 'µs added',
      },
      {
        question: 'dialect/none',
        what: 'what a profile costs that says nothing of answers',
        figure: added(unused, without),
        goal: 1,
        unit: 'µs added',
      },
    ],
  }
}

export const dialect: Question = {
  about: 'what does a dialect cost where an answer is read? (no network: a text goes in)',
  run,
}

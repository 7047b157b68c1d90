import { expect, test } from 'vitest'
import { secondsLeft, tokenBody } from '../../src/broker/token-body.ts'
import { tokenFromJson } from '../../src/cli/grant-json.ts'

const utc = 1_800_000_000_000
const token = {
  value: 'abc',
  type: 'Bearer',
  expiresAt: utc + 60_000,
  scope: ['read'],
  generation: 7,
  metadata: { region: 'eu' },
  stale: false,
}

test.each([
  [undefined, {}],
  [{ scheme: 'OAuth' }, { scheme: 'OAuth' }],
  [
    { header: 'X-Shop-Token', scheme: '' },
    { header: 'X-Shop-Token', scheme: '' },
  ],
])(
  'a token presented as %j is printed so, and read back from a broker as it was',
  (presentation, members) => {
    const json = tokenBody({ ...token, presentation }, secondsLeft(token, utc))
    expect(json).toEqual({
      access_token: 'abc',
      token_type: 'Bearer',
      expires_at: '2027-01-15T08:01:00.000Z',
      expires_in: 60,
      scope: 'read',
      generation: 7,
      metadata: { region: 'eu' },
      ...members,
    })
    expect(tokenFromJson(json)).toEqual({ ...token, presentation })
  },
)

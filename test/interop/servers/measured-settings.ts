import type { Measurement } from 'evertoken/measurement'
import { pythonWithAuthlib } from '../authlib/python-packages.ts'
import type { Installed } from '../debian-packages.ts'
import { pythonWithToolkit } from '../django-oauth-toolkit/python-packages.ts'
import { rubyWithDoorkeeper } from '../doorkeeper/ruby-packages.ts'
import { startAuthlib } from './authlib.ts'
import { startToolkit } from './django-oauth-toolkit.ts'
import { startDoorkeeper } from './doorkeeper.ts'
import { startOidcProvider } from './oidc-provider.ts'
import type { RealServer } from './real-server.ts'

/** Among all the others' tests one setting of each server; where these are meant, all, with windows as people set them. */
export const thorough = process.env.MODE === 'interop'
const grace = 30
export const longestWindow = 60

export interface Setting {
  readonly server: string
  readonly settings: string
  /** What its documentation says of a used refresh token, and where. */
  readonly documented: string
  readonly start: () => Promise<RealServer>
  readonly expected: Partial<Measurement>
  /** Bounds of the window that was set. */
  readonly window?: number
  /** Seconds that each login is old before it is measured. */
  readonly age?: number
}

/** Its newest tag that was read; the policy in the code of 9.13.3 is the same. */
const oidcDocs =
  '[README, rotateRefreshToken](https://github.com/panva/node-oidc-provider/blob/v9.11.4/docs/README.md#rotaterefreshtoken)'
const toolkitDocs = (anchor: string) =>
  `[settings](https://github.com/jazzband/django-oauth-toolkit/blob/1.7.0/docs/settings.rst#${anchor})`
const doorkeeperDocs =
  '[migration template](https://github.com/doorkeeper-gem/doorkeeper/blob/v5.5.0/lib/generators/doorkeeper/templates/migration.rb.erb)'
const authlibDocs =
  'the application decides: [`RefreshTokenGrant.revoke_old_credential`](https://github.com/authlib/authlib/blob/v1.2.0/authlib/oauth2/rfc6749/grants/refresh_token.py#L170)'

const python = await pythonWithToolkit()
const ruby = await rubyWithDoorkeeper()
const pythonForAuthlib = await pythonWithAuthlib()
const toolkit = (settings: Parameters<typeof startToolkit>[1]) => () =>
  startToolkit((python as { found: string }).found, settings)
const doorkeeper = (settings: Parameters<typeof startDoorkeeper>[1]) => () =>
  startDoorkeeper((ruby as { found: string }).found, settings)
const authlib = (settings: Parameters<typeof startAuthlib>[1]) => () =>
  startAuthlib((pythonForAuthlib as { found: string }).found, settings)

const nonRotating = {
  rotation: 'never',
  replayClass: 'non_rotating',
  introspection: 'no_used_tokens',
  logins: 1,
} as const
const familyEnds = { error: 'invalid_grant', endsLogin: true, endsAccessToken: true }
const loginGoesOn = { error: 'invalid_grant', endsLogin: false, endsAccessToken: false }

export const everySetting: readonly Setting[] = [
  {
    server: 'oidc-provider',
    settings: '`rotateRefreshToken: true`',
    documented: `rotates; a consumed one is an error and revokes the whole chain: ${oidcDocs}`,
    start: () => startOidcProvider({ rotateRefreshToken: true }),
    expected: {
      rotation: 'always',
      replayClass: 'strict',
      refusal: familyEnds,
      oldAccessToken: 'lives_on',
      introspection: 'tells_used_tokens',
    },
  },
  {
    server: 'oidc-provider',
    settings: '`rotateRefreshToken: false`',
    documented: `does not rotate, and the first expiry is final: ${oidcDocs}`,
    start: () => startOidcProvider({ rotateRefreshToken: false }),
    expected: { ...nonRotating, oldAccessToken: 'lives_on' },
  },
  {
    server: 'oidc-provider',
    settings: 'as it comes, client with a secret, new login',
    documented: `rotates once 70 % of the lifetime have passed, for a year at most: ${oidcDocs}`,
    start: () => startOidcProvider({}),
    expected: { ...nonRotating, oldAccessToken: 'lives_on' },
  },
  {
    server: 'oidc-provider',
    settings: 'the same, refresh token at 75 % of its lifetime',
    documented: `rotates once 70 % of the lifetime have passed, for a year at most: ${oidcDocs}`,
    start: () => startOidcProvider({ refreshTokenLifetime: 20 }),
    // The child is new, and is not rotated.
    expected: { rotation: 'sometimes', replayClass: 'strict', refusal: familyEnds },
    age: 15,
  },
  {
    server: 'oidc-provider',
    settings: 'as it comes, public client',
    documented: `rotates always where it is not sender-constrained, for a year at most: ${oidcDocs}`,
    start: () => startOidcProvider({ publicClient: true }),
    expected: { rotation: 'always', replayClass: 'strict', refusal: familyEnds },
  },
  {
    server: 'django-oauth-toolkit',
    settings: 'as it comes (`REFRESH_TOKEN_GRACE_PERIOD_SECONDS: 0`)',
    documented: `a consumed one leaves only a new login: ${toolkitDocs('refresh_token_grace_period_seconds')}`,
    start: toolkit({ grace: 0 }),
    expected: {
      rotation: 'always',
      replayClass: 'strict',
      refusal: loginGoesOn,
      oldAccessToken: 'ends_at_refresh',
      introspection: 'tells_nothing',
    },
  },
  {
    server: 'django-oauth-toolkit',
    settings: `\`REFRESH_TOKEN_GRACE_PERIOD_SECONDS: ${grace}\``,
    documented: `a used one expires so many seconds after its first use: ${toolkitDocs('refresh_token_grace_period_seconds')}`,
    start: toolkit({ grace }),
    expected: {
      rotation: 'always',
      replayClass: 'idempotent',
      sameAccessToken: true,
      refusal: loginGoesOn,
      oldAccessToken: 'ends_at_refresh',
      // A used token whose child was used is answered with a page of HTML and status 500.
      windowEndsWith: ['use_of_the_new_refresh_token'],
    },
    window: grace,
  },
  {
    server: 'django-oauth-toolkit',
    settings: '`ROTATE_REFRESH_TOKEN: False`',
    documented: `a known bug: the refresh revokes both tokens: ${toolkitDocs('rotate_refresh_token')}`,
    start: toolkit({ grace: 0, rotates: false }),
    expected: { ...nonRotating, oldAccessToken: 'ends_at_refresh' },
  },
  {
    server: 'doorkeeper',
    settings: 'as it comes (column `previous_refresh_token`)',
    documented: `revoked after a related access token is used: ${doorkeeperDocs}`,
    start: doorkeeper({ previous: true }),
    expected: {
      rotation: 'always',
      replayClass: 'fork',
      oldAccessToken: 'ends_at_use_of_the_new',
      windowEndsWith: ['use_of_the_new_access_token'],
      reuseWindow: { atLeast: longestWindow },
      introspection: 'tells_nothing',
    },
  },
  {
    server: 'doorkeeper',
    settings: 'without that column',
    documented: `revoked as soon as a new access token is created: ${doorkeeperDocs}`,
    start: doorkeeper({ previous: false }),
    expected: {
      rotation: 'always',
      replayClass: 'strict',
      refusal: loginGoesOn,
      oldAccessToken: 'ends_at_refresh',
      introspection: 'tells_used_tokens',
    },
  },
  {
    server: 'authlib',
    settings:
      '`INCLUDE_NEW_REFRESH_TOKEN = True`, `revoke_old_credential` of our test application revokes both tokens',
    documented: authlibDocs,
    start: authlib({ rotates: true }),
    expected: {
      rotation: 'always',
      replayClass: 'strict',
      refusal: loginGoesOn,
      oldAccessToken: 'ends_at_refresh',
      introspection: 'tells_used_tokens',
    },
  },
  {
    server: 'authlib',
    settings:
      'as it comes (`INCLUDE_NEW_REFRESH_TOKEN = False`), `revoke_old_credential` revokes the access token',
    documented: authlibDocs,
    start: authlib({ rotates: false }),
    expected: { ...nonRotating, oldAccessToken: 'ends_at_refresh' },
  },
]

/** One setting of each server: the one that costs the fewest logins while tokens rotate. */
export const quick = everySetting.filter(({ settings: said }) =>
  /^`rotateRefreshToken: true`|GRACE_PERIOD_SECONDS: 0|without that column|= True/.test(said),
)

const missing: Readonly<Record<string, Installed<string>>> = {
  'django-oauth-toolkit': python,
  doorkeeper: ruby,
  authlib: pythonForAuthlib,
}
/** Why the tests of a server are skipped, and what to do about it. */
export const whyMissing = (server: string): string | undefined => {
  const found = missing[server]
  return found !== undefined && 'missing' in found ? found.missing : undefined
}

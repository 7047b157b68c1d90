import { styleText } from 'node:util'
import {
  type LeftTokens,
  type Measurement,
  type MeasurementStep,
  measuredLifetimes,
} from 'evertoken/measurement'
import { stringify } from 'yaml'
import { durationText } from './duration.ts'
import type { Environment } from './environment.ts'

/** What is under way, for people. */
export const stepText = {
  first_use: 'ordinary refreshes, and questions about the tokens before and after',
  replay: 'a used refresh token again, at once',
  window_ends: 'a used refresh token again, after what came with it was used',
  window: 'a used refresh token again, later and later',
  revocation: 'what is left of the logins is revoked',
} as const satisfies Record<MeasurementStep, string>

const seconds = (count: number): string => durationText(count * 1000)

const rotation = {
  always: 'every refresh brought another refresh token',
  sometimes: 'one refresh brought another refresh token, and one did not',
  never: 'no refresh brought another refresh token; the login was new, and an old one may differ',
} as const satisfies Record<Measurement['rotation'], string>

const again = {
  strict: 'refused',
  idempotent: 'gives the same refresh token again',
  last_child_wins: 'gives another refresh token, and the one before it is dead',
  fork: 'gives a further refresh token, and the one before it lives on',
  non_rotating: 'works as before',
} as const satisfies Record<Measurement['replayClass'], string>

const oldAccessToken = {
  ends_at_refresh: 'ends at the refresh',
  ends_at_use_of_the_new: 'ends when the new one is first used',
  lives_on: 'lives on',
  unknown: 'unknown: nobody says whether an access token is good',
} as const satisfies Record<Measurement['oldAccessToken'], string>

const introspection = {
  tells_used_tokens: 'tells a used refresh token from a live one, and changes nothing',
  ends_logins: 'ended the login: it must not be asked about refresh tokens',
  tells_nothing: 'does not tell a used refresh token from a live one',
  no_used_tokens: 'has nothing to tell: refresh tokens are not used up',
  unavailable: 'unavailable to this client',
} as const satisfies Record<Measurement['introspection'], string>

const ends = {
  use_of_the_new_access_token: 'the new access token is first used',
  use_of_the_new_refresh_token: 'the new refresh token is used',
} as const satisfies Record<Measurement['windowEndsWith'][number], string>

function replayText({ replayClass, sameAccessToken, unclear }: Measurement): string {
  if (unclear !== undefined) return `unclear: ${unclear}`
  const access = { true: ' with the same access token', false: ' with another access token' } as const
  return `${again[replayClass]}${sameAccessToken === undefined ? '' : access[`${sameAccessToken}`]} (${replayClass})`
}

function windowText({ reuseWindow }: Measurement): string | undefined {
  if (reuseWindow === undefined) return undefined
  const { atLeast, below } = reuseWindow
  if (below === undefined) return `for ${seconds(atLeast)} at least; it was never refused`
  return atLeast === 0
    ? `for less than ${seconds(below)}`
    : `still after ${seconds(atLeast)}, not after ${seconds(below)}`
}

function refusalText({ refusal }: Measurement): string | undefined {
  if (refusal === undefined) return undefined
  const { error, endsLogin, endsAccessToken } = refusal
  const access = { true: ', and its access token ends', false: ', and its access token lives on' } as const
  return `${error}; the login ${endsLogin ? 'ends' : 'goes on'}${endsAccessToken === undefined ? '' : access[`${endsAccessToken}`]}`
}

/** What was seen, in words. Colours only on a terminal. */
export function measurementText(
  provider: string,
  measured: Measurement,
  { stderr }: Pick<Environment, 'stderr'>,
): string {
  const bold = (text: string) => styleText('bold', text, { stream: stderr as NodeJS.WriteStream })
  const lines: readonly (readonly [string, string | undefined])[] = [
    ['rotation', rotation[measured.rotation]],
    ['a used one again', replayText(measured)],
    ['reuse window', windowText(measured)],
    [
      'it ends when',
      measured.windowEndsWith.length === 0
        ? undefined
        : measured.windowEndsWith.map((end) => ends[end]).join(', or '),
    ],
    ['refused with', refusalText(measured)],
    ['old access token', oldAccessToken[measured.oldAccessToken]],
    ['introspection', introspection[measured.introspection]],
  ]
  const shown = lines.filter(([, text]) => text !== undefined)
  const body = shown.map(([name, text]) => `  ${bold(name.padEnd(18))}${text}\n`).join('')
  const { logins, waited } = measured
  const cost = `${logins} ${logins === 1 ? 'login' : 'logins'}, ${seconds(waited)} of waiting`
  return `\nWhat ${provider} did (${cost}):\n\n${body}\n`
}

/** What became of the logins, in words. */
export function leftText({ outcome, revoked, left, why }: LeftTokens): string {
  const tokens = (count: number) => `${count} ${count === 1 ? 'token' : 'tokens'}`
  const byHand = 'End the logins at the provider by hand if they matter.'
  const some = revoked === 0 ? '' : ` ${tokens(revoked)} could.`
  switch (outcome) {
    case 'revoked':
      return revoked === 0
        ? 'Nothing is left of the logins.\n'
        : `What was left of the logins is revoked: ${tokens(revoked)}.\n`
    case 'unsupported':
      return `${tokens(left)} of the logins cannot be revoked here and may live on until they expire.${some} ${byHand}\n`
    case 'failed':
      return `${tokens(left)} of the logins could not be revoked (${why}) and may live on.${some} ${byHand}\n`
    case 'interrupted':
      return `${tokens(left)} of the logins may live on: the probe was interrupted before it revoked them. ${byHand}\n`
    default:
      return outcome satisfies never
  }
}

/** The lines of a profile, with where they come from. */
export function profileLines(provider: string, client: string, measured: Measurement, now: number): string {
  const { unclear, reuseWindow, windowEndsWith, oldAccessToken: old } = measured
  const notes = [
    `Measured at ${provider} on ${new Date(now).toISOString().slice(0, 10)}: evertoken provider probe ${client}`,
    ...(measured.rotation === 'never'
      ? [
          'Two refreshes of a new login brought no other refresh token; that of an old login may. Where the provider does not say that it',
          'never rotates, leave replay_class out: strict costs some waiting, non_rotating a login.',
        ]
      : []),
    ...(unclear === undefined ? [] : [`A used refresh token that came again: ${unclear}.`]),
    ...(reuseWindow !== undefined && reuseWindow.below === undefined
      ? ['The window may be longer: it was not searched further.']
      : []),
    ...windowEndsWith.map((end) => `The window ends when ${ends[end]}.`),
    ...(old === 'ends_at_use_of_the_new'
      ? ['The old access token ends when the new one is first used.']
      : []),
  ]
  return `${notes.map((note) => `# ${note}\n`).join('')}${stringify({ lifetimes: measuredLifetimes(measured) })}`
}

/** The same for programs. */
export function measurementBody(
  client: string,
  provider: string,
  measured: Measurement,
  left: LeftTokens | undefined,
  now: number,
): object {
  const { reuseWindow: window, refusal } = measured
  return {
    client,
    provider,
    measured_at: new Date(now).toISOString(),
    rotation: measured.rotation,
    replay_class: measured.replayClass,
    unclear: measured.unclear,
    reuse_window: window && { at_least: window.atLeast, below: window.below },
    window_ends_with: measured.windowEndsWith,
    same_access_token: measured.sameAccessToken,
    refusal: refusal && {
      error: refusal.error,
      ends_login: refusal.endsLogin,
      ends_access_token: refusal.endsAccessToken,
    },
    old_access_token: measured.oldAccessToken,
    access_token_use: measured.accessTokenUse,
    introspection: measured.introspection,
    logins: measured.logins,
    waited: measured.waited,
    left: left === undefined ? { outcome: 'kept' } : left,
    lifetimes: measuredLifetimes(measured),
  }
}

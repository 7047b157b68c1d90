import { type Measurement, measuredLifetimes } from 'evertoken/measurement'
import type { Setting } from './measured-settings.ts'
import { today } from './page.ts'
import type { RealServer } from './real-server.ts'

const words = {
  ends_at_refresh: 'ends at the refresh',
  ends_at_use_of_the_new: 'ends when the new one is used',
  lives_on: 'lives on',
  unknown: 'unknown',
  tells_used_tokens: 'tells used tokens',
  tells_nothing: 'tells nothing',
  ends_logins: 'ends logins',
  no_used_tokens: 'no used tokens',
  unavailable: 'unavailable',
  use_of_the_new_access_token: 'the new access token is used',
  use_of_the_new_refresh_token: 'the new refresh token is used',
} as const

/** The row of the table for what was measured. */
export function rowOf(setting: Setting, server: RealServer, measured: Measurement): string[] {
  const { reuseWindow, refusal, windowEndsWith } = measured
  const { replay_class: replayClass = '' } = measuredLifetimes(measured)
  const window =
    reuseWindow === undefined
      ? '-'
      : [
          `${reuseWindow.atLeast} s at least${reuseWindow.below === undefined ? '' : `, less than ${reuseWindow.below} s`}`,
          ...windowEndsWith.map((end) => `ends when ${words[end]}`),
        ].join('; ')
  const refused =
    refusal === undefined
      ? '-'
      : `${refusal.endsLogin ? 'ends the login' : 'the login goes on'} (\`${refusal.error}\`)`
  return [
    `${server.name} ${server.version}`,
    setting.settings,
    setting.documented,
    `\`${replayClass}\``,
    window,
    refused,
    words[measured.oldAccessToken],
    words[measured.introspection],
    String(measured.logins),
    today(),
  ]
}

import type { PracticeFault } from '@evertoken/testing'
import type { Dice } from './dice.ts'
import type { ProviderClass } from './provider-class.ts'
import { longestHold, type Scale } from './scale.ts'

type Kind = PracticeFault['kind']

/** How often each kind is drawn: those that lose an answer most, since they are what costs logins. */
const weights: readonly (readonly [number, Kind])[] = [
  [12, 'hold_request'],
  [12, 'hold_answer'],
  [12, 'drop_request'],
  [14, 'drop_answer'],
  [10, 'cut_answer'],
  [10, 'process_when_client_gone'],
  [8, 'fail_before'],
  [8, 'fail_after'],
  [6, 'rate_limit'],
  [5, 'replace_answer'],
  [3, 'invalid_grant'],
]

/** The next refresh to come meets it; an `invalid_grant` meets all of a short while. */
export function drawFault(dice: Dice, name: ProviderClass, scale: Scale): PracticeFault {
  const { deadline, confirmations } = scale.timing
  const kind = dice.weighted(weights)
  const grantType = 'refresh_token'
  switch (kind) {
    case 'hold_request':
      // Within the client's patience or beyond it, but never longer than the class waits.
      return {
        kind,
        grantType,
        ms: dice.whole(Math.round(deadline / 10), Math.round(longestHold(name, scale))),
      }
    case 'hold_answer':
      return { kind, grantType, ms: dice.whole(Math.round(deadline / 10), 3 * deadline) }
    case 'cut_answer':
      return { kind, grantType, bytes: dice.whole(0, 220) }
    case 'fail_before':
    case 'fail_after': {
      const status = dice.pick([500, 502, 503, 504])
      return { kind, grantType, status, retryAfter: dice.next() < 0.3 ? '1' : undefined }
    }
    case 'rate_limit':
      return { kind, grantType, retryAfter: dice.pick(['0', '1', '2']) }
    case 'replace_answer':
      return dice.next() < 0.5
        ? { kind, grantType, body: '<html>502 Bad Gateway</html>', contentType: 'text/html', status: 200 }
        : { kind, grantType, body: '{"error":"temporarily_unavailable"}', status: 200 }
    case 'invalid_grant':
      // Over before the refusals are believed, and before a reuse window is.
      return { kind, grantType, ms: dice.whole(50, Math.round((confirmations[0] ?? 0) / 6)) }
    case 'drop_request':
    case 'drop_answer':
      return { kind, grantType }
    case 'process_when_client_gone':
      return { kind, grantType, ms: Math.round(longestHold(name, scale)) }
    case 'date_offset':
      return { kind, grantType, seconds: 0 }
    default:
      return kind satisfies never
  }
}

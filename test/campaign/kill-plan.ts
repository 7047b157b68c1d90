import type { Dice } from './dice.ts'
import type { Order } from './host-process.ts'

/** What becomes of a process next: at a named point, or from outside so many milliseconds after its start. */
export type Fate =
  | { readonly kind: 'order'; readonly order: Order }
  | { readonly kind: 'outside'; readonly does: Order['does']; readonly after: number }

/**
 * Every point at which a process may be killed or stopped, with how often it is passed for one refresh: those that are passed
 * all the time are waited for longer, so that a kill meets any of many moments.
 */
export const points: readonly (readonly [point: string, passes: 'often' | 'each' | 'seldom'])[] = [
  ['pre_drain', 'often'],
  ['post_drain', 'often'],
  ['pre_intent', 'often'],
  ['post_intent', 'often'],
  ['pre_transaction', 'often'],
  ['pre_store_commit', 'often'],
  ['post_store_commit', 'often'],
  ['post_open', 'each'],
  ['post_permit', 'each'],
  ['pre_mark', 'each'],
  ['pre_send', 'each'],
  ['post_receive', 'each'],
  ['post_seal', 'each'],
  ['pre_append', 'each'],
  ['pre_spool', 'each'],
  ['mid_spool', 'each'],
  ['post_spool_write', 'each'],
  ['post_spool', 'each'],
  ['post_append', 'each'],
  ['pre_commit', 'each'],
  ['post_commit', 'each'],
  ['post_unspool', 'each'],
  ['pre_settle', 'seldom'],
  ['post_settle', 'seldom'],
  ['pre_drain_commit', 'seldom'],
  ['post_drain_commit', 'seldom'],
  ['post_discard', 'seldom'],
  ['pre_release', 'seldom'],
  ['post_release', 'seldom'],
  ['pre_probe', 'seldom'],
  ['post_probe', 'seldom'],
  ['pre_lost', 'seldom'],
  ['post_lost', 'seldom'],
  ['pre_revoke', 'seldom'],
  ['post_revoke', 'seldom'],
]

/** The last time of a point that an order may wait for. */
const longest = { often: 25, each: 3 } as const

const usual = points.filter(([, passes]) => passes !== 'seldom')
const seldom = points.filter(([, passes]) => passes === 'seldom')

/** Where no refresh token is replaced no answer is spooled, and whoever waits for one of these waits in vain. */
const ofSpool = new Set([
  'pre_append',
  'post_append',
  'pre_spool',
  'mid_spool',
  'post_spool_write',
  'post_spool',
])

/**
 * @param life kills from outside come within so many milliseconds.
 * @param spools whether there are answers to spool.
 */
export function drawFate(dice: Dice, life: number, spools = true): Fate {
  const does = dice.weighted([
    [9, 'kill'],
    [1, 'stop'],
  ] as const)
  if (dice.next() < 0.2) return { kind: 'outside', does, after: dice.whole(0, life) }
  const [at, passes] = dice.pick(spools ? usual : usual.filter(([point]) => !ofSpool.has(point)))
  // What is passed seldom is not waited for: it is met by whoever comes there first.
  const [instead] = dice.pick(seldom)
  const time = dice.whole(1, longest[passes === 'often' ? 'often' : 'each'])
  return { kind: 'order', order: { does, at, time, instead } }
}

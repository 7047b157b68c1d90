/**
 * Named moments of a refresh at which a test may stop or kill this process, in the order in which they come. The store
 * and the spool have more of them.
 */
export const faultPoints = [
  'pre_drain',
  'pre_drain_commit',
  'post_drain_commit',
  'post_discard',
  'post_drain',
  'pre_intent',
  'post_intent',
  'post_open',
  'post_permit',
  'pre_probe',
  'post_probe',
  'pre_mark',
  'pre_send',
  'post_receive',
  'post_seal',
  'pre_append',
  'post_append',
  'pre_commit',
  'post_commit',
  'post_unspool',
  'pre_settle',
  'post_settle',
  'pre_release',
  'post_release',
  'pre_lost',
  'post_lost',
  'pre_revoke',
  'post_revoke',
] as const

export type FaultPoint = (typeof faultPoints)[number]

import { pointerText } from '../oauth/pointer-text.ts'
import type { ProviderProfile } from '../providers/profile.ts'

/**
 * Where a profile says that the lifetime of a token stands, for people; undefined where it says nothing of it, or that tokens live
 * until somebody ends them, so that an answer without one is as usual.
 */
export function statedPlace(
  { id, answer }: Pick<ProviderProfile, 'id' | 'answer'>,
  neverExpires: boolean | undefined,
): string | undefined {
  if (answer?.expiry === undefined || neverExpires === true) return undefined
  const { root } = answer
  const below = root === undefined ? '' : `, below answer.root at ${pointerText(root)}`
  return `the profile ${id} has answer.expiry at ${pointerText(answer.expiry)}${below}`
}

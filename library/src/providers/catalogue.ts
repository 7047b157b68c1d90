import type { ProviderProfile } from './profile.ts'
import { profileIds, profileText } from './profile-texts.ts'

export type { ProviderProfile } from './profile.ts'

const known = new Map<string, ProviderProfile>()
let ids: readonly string[] | undefined

/** The ids of all providers in the catalogue, in order of the alphabet. They are read once. */
export function catalogueIds(): readonly string[] {
  ids ??= Object.freeze(profileIds())
  return ids
}

/**
 * A provider of the catalogue, frozen; the same object each time. It is read when it is first asked for.
 *
 * @returns `undefined` for an id that {@link catalogueIds} does not name.
 */
export function catalogueProfile(id: string): ProviderProfile | undefined {
  const before = known.get(id)
  // Only what the catalogue itself holds is looked for.
  if (before !== undefined || !catalogueIds().includes(id)) return before
  const profile: ProviderProfile = JSON.parse(profileText(id), (_, value) => Object.freeze(value))
  known.set(id, profile)
  return profile
}

import type { ProviderProfile } from './profile.ts'

export type { ProviderProfile } from './profile.ts'

/** One file a provider, named by its id; the build copies them beside this one. */
const folder = new URL('./catalogue/', import.meta.url)

const known = new Map<string, ProviderProfile>()
let ids: readonly string[] | undefined

/** The ids of all providers in the catalogue, in order of the alphabet. The folder is listed once. */
export function catalogueIds(): readonly string[] {
  ids ??= Object.freeze(
    fileSystem()
      .readdirSync(folder)
      .filter((file) => file.endsWith('.json'))
      .map((file) => file.slice(0, -'.json'.length))
      .sort(),
  )
  return ids
}

/**
 * A provider of the catalogue, frozen; the same object each time. Its file is read when it is first asked for.
 *
 * @returns `undefined` for an id that {@link catalogueIds} does not name.
 */
export function catalogueProfile(id: string): ProviderProfile | undefined {
  const before = known.get(id)
  // Only what the folder itself holds becomes a path.
  if (before !== undefined || !catalogueIds().includes(id)) return before
  const text = fileSystem().readFileSync(new URL(`${id}.json`, folder), 'utf8')
  const profile: ProviderProfile = JSON.parse(text, (_, value) => Object.freeze(value))
  known.set(id, profile)
  return profile
}

function fileSystem() {
  return process.getBuiltinModule('node:fs')
}

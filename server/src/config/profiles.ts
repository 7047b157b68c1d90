import path from 'node:path'
import { checkProfile, EvertokenError, type ProviderProfile } from 'evertoken'
import { catalogueIds, catalogueProfile } from 'evertoken/providers'
import { readDocument } from './document.ts'
import { deeplyFrozen } from './frozen.ts'
import { merged } from './merge.ts'
import { nearestKeys } from './nearest-key.ts'
import { fault, type Path } from './origin.ts'
import { profileSchema } from './profile-schema.ts'
import type { Written } from './secret-file.ts'
import { checkOptions } from './validation.ts'
import { type WrittenProfile, writtenProfileSchema } from './written-profile.ts'

/** Where a profile got its id: two of one id from one place are the same profile. */
interface Named {
  readonly profile: ProviderProfile
  /** File, line and key; the catalogue has none. */
  readonly place?: string | undefined
}

/** What is being resolved, the innermost last: a profile that comes back to one of these extends itself. */
type Way = readonly string[]

/** The profiles that a configuration can name: its own, and those of the catalogue. */
export class Profiles {
  readonly #own: Readonly<Record<string, WrittenProfile>>
  readonly #written: Written
  readonly #resolved = new Map<string, Named>()
  /** By id, where each was named. */
  readonly #places = new Map<string, string>()

  /** Reads all of `own`, which has been held against its schema, and the files it names. */
  constructor(own: Readonly<Record<string, WrittenProfile>>, written: Written) {
    this.#own = own
    this.#written = written
    for (const id of Object.keys(own)) this.#ownProfile(id, [])
  }

  /** Ids of the configuration's own. */
  get ownIds(): readonly string[] {
    return Object.keys(this.#own)
  }

  /** @throws ConfigurationError where there is none of that id; it names the nearest. */
  byId(id: string, place: Path): ProviderProfile {
    return this.#byId(id, this.#written, place, []).profile
  }

  /**
   * The profile that is written inline at a place, whole.
   *
   * @param id for where nothing names it.
   */
  inline(profile: WrittenProfile, place: Path, id: string): ProviderProfile {
    const named = this.#resolve(profile, this.#written, place, id, [])
    this.#claim(named, this.#written, place)
    return named.profile
  }

  /** The profile in a file, whole; a relative path counts from the folder of the configuration. */
  inFile(file: string): ProviderProfile {
    return this.#inFile(file, this.#written, [], []).profile
  }

  #ownProfile(id: string, way: Way): Named {
    const known = this.#resolved.get(id)
    if (known !== undefined) return known
    const written = this.#written
    const place = ['providers', id]
    const own = this.#own[id] ?? {}
    if (own.id !== undefined && own.id !== id)
      throw fault(written, [...place, 'id'], `found ${own.id}, but it stands under ${id}`, {
        advice: 'Leave the id out, or write the same.',
      })
    const base = this.#resolve(own, written, place, id, [...way, id])
    // A file that names it so itself is the same profile wherever it is used.
    const same = own.profile_file !== undefined && base.profile.id === id ? base.place : undefined
    const named = {
      profile: Object.freeze({ ...base.profile, id }),
      place: same ?? told(written, place),
    }
    this.#claim(named, written, place)
    this.#resolved.set(id, named)
    return named
  }

  #byId(id: string, written: Written, place: Path, way: Way): Named {
    // What extends its own name means the catalogue's.
    const catalogue = catalogueProfile(id)
    if (Object.hasOwn(this.#own, id) && !(way.at(-1) === id && catalogue !== undefined)) {
      if (way.includes(id)) throw circle([...way, id], written, place)
      return this.#ownProfile(id, way)
    }
    if (catalogue !== undefined) return { profile: catalogue }
    const meant = nearestKeys(id, [...Object.keys(this.#own), ...catalogueIds()])
    throw fault(written, place, `there is no provider ${JSON.stringify(id.slice(0, 64))}`, {
      advice:
        meant.length > 0
          ? `Did you mean ${meant.join(' or ')}?`
          : 'evertoken provider list shows the catalogue; an issuer is a whole URL.',
    })
  }

  #resolve(profile: WrittenProfile, written: Written, place: Path, id: string, way: Way): Named {
    const { extends: like, profile_file: file, ...own } = profile
    if (like !== undefined && file !== undefined)
      throw fault(written, [...place, 'profile_file'], 'extends is given as well', {
        advice: 'Keep one of the two; the file may extend another itself.',
      })
    const base =
      like !== undefined
        ? this.#byId(like, written, [...place, 'extends'], way)
        : file !== undefined
          ? this.#inFile(file, written, [...place, 'profile_file'], way)
          : undefined
    const all = merged({ ...base?.profile }, own, profileSchema, (missing) =>
      fault(written, [...place, ...missing], 'there is nothing here to take away', {
        advice: 'Null takes away what an extended profile says; leave the key out.',
      }),
    )
    const named = { id, name: all.id ?? id, ...all }
    checkOptions(profileSchema, named, written, place)
    const whole = deeplyFrozen(named) as ProviderProfile
    checkParts(whole, written, place)
    return {
      profile: whole,
      place: placeOf(own, base, written, place),
    }
  }

  #inFile(name: string, written: Written, place: Path, way: Way): Named {
    const { folder } = written
    if (folder === undefined) throw fault(written, place, 'no file is read here')
    const file = path.resolve(folder, name)
    if (way.includes(file)) throw circle([...way, file], written, place)
    const { profile, origin } = readProfileFile(file, (problem, cause) =>
      fault(written, place, problem, { cause, advice: 'Check the path, and that this user may read it.' }),
    )
    return this.#resolve(profile, origin, [], idOfFile(file), [...way, file])
  }

  /** Two profiles of one id would share what is kept by it: how often the provider may be asked, and what is known of it. */
  #claim({ profile: { id }, place: own }: Named, written: Written, place: Path): void {
    if (own === undefined) return
    const other = this.#places.get(id)
    if (other === undefined) this.#places.set(id, own)
    else if (other !== own)
      throw fault(
        written,
        [...place, 'id'],
        `there are two profiles with the id ${id}, the other at ${other}`,
        {
          advice: 'Give one of them another id, or describe it once under providers.',
        },
      )
  }
}

/** A profile in a file, held against the schema, and where it stands. The environment is not for profiles: they get passed on. */
function readProfileFile(
  file: string,
  unreadable?: (problem: string, cause: unknown) => Error,
): { readonly profile: WrittenProfile; readonly origin: Written } {
  const document = readDocument(file, null, { unreadable })
  checkOptions(writtenProfileSchema, document.value, document.origin)
  return {
    profile: document.value as WrittenProfile,
    origin: { ...document.origin, folder: path.dirname(file) },
  }
}

/** That its parts fit each other; the library names the key, and here its line is known. */
function checkParts(profile: ProviderProfile, written: Written, place: Path): void {
  try {
    checkProfile(profile)
  } catch (error) {
    if (!(error instanceof EvertokenError)) throw error
    const [, key = '', problem = error.message] = /^([\w.-]+): ([\s\S]*)$/.exec(error.message) ?? []
    const path = key === '' ? place : [...place, ...key.split('.')]
    throw fault(written, path, problem, { advice: error.advice, cause: error })
  }
}

/** `./Acme prod.yaml` is called acme-prod where it does not say itself. */
const idOfFile = (file: string): string => idFrom(path.basename(file, path.extname(file)))

/** A name of the user's choice as the id of a profile. */
export const idFrom = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 64) || 'profile'

/** Where its id comes from: written here, or with what it extends; where nobody wrote one, from where it stands. */
function placeOf(
  own: WrittenProfile,
  base: Named | undefined,
  written: Written,
  place: Path,
): string | undefined {
  if (own.id !== undefined) return told(written, [...place, 'id'])
  return base === undefined ? told(written, place) : base.place
}

/** For messages, and to tell places from each other. */
function told({ file, line }: Written, place: Path): string {
  const at = line?.(place)
  const where = file === undefined ? [] : [`${file}${at === undefined ? '' : `:${at}`}`]
  return [...where, ...(place.length === 0 ? [] : [place.join('.')])].join(': ')
}

const circle = (way: Way, written: Written, place: Path): Error =>
  fault(
    written,
    place,
    `this profile extends itself: ${way.map((step) => path.basename(step)).join(' > ')}`,
    {
      advice: 'Let one of them extend nothing, or a profile of the catalogue.',
    },
  )

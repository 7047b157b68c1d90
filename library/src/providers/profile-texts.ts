/*
 * Where the catalogue's profiles are read: a folder with a file each, named by its id. What is published has another module in
 * this place, which scripts/catalogue.mjs makes: all of them in one compressed text, so that no file need lie beside the code.
 */

const folder = new URL('./catalogue/', import.meta.url)
const ending = '.json'

/** Ids of all profiles, in order of the alphabet. */
export function profileIds(): readonly string[] {
  return fileSystem()
    .readdirSync(folder)
    .filter((file) => file.endsWith(ending))
    .map((file) => file.slice(0, -ending.length))
    .sort()
}

/** The profile of an id that {@link profileIds} names, as JSON. */
export function profileText(id: string): string {
  return fileSystem().readFileSync(new URL(`${id}${ending}`, folder), 'utf8')
}

function fileSystem() {
  return process.getBuiltinModule('node:fs')
}

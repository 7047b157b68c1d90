// Which modules of the library are published in one file. A file holds what is loaded together, and what some program
// loads without the rest stands apart, so that `import` reads few files and none in vain:
//
//   fetch, axios, undici, decorators   no Node in them, nor in anything that they load later
//   sqlite-held-token                  what `evertoken token` starts with
//   index                              all that a keeper needs, without the stores that it is given
//
// Modules go together by which of these reach them. What reaches a module reaches all that it imports, so files cannot import
// one another in a circle.

/** The files of what `index` loads at once, by who else comes there. */
const indexFiles = {
  'held, spending': 'errors',
  spending: 'source',
  // Only by what the ways to spend a token load later.
  later: 'wire',
  '': 'keeper',
}

/**
 * The `name` of a group of rolldown's: the file that a module goes into, or null where only one entry or one `import()` leads to it,
 * for it stands in that one's file then.
 *
 * @param {Record<string, string>} entries Paths of the sources by the name of their file.
 */
export function chunkNames(entries) {
  let place
  return (id, context) => {
    // rolldown's own object knows only its latest pass, and is asked within it.
    place ??= places(entries, (module) => context.getModuleInfo(module))
    return place(id)
  }
}

function places(entries, infoOf) {
  const atOnce = (id) => infoOf(id)?.importedIds ?? []
  const later = (id) => infoOf(id)?.dynamicallyImportedIds ?? []
  const ever = (id) => [...atOnce(id), ...later(id)]
  const from = (names, next) =>
    reached(
      names.map((name) => entries[name]),
      next,
    )

  const spending = ['fetch', 'axios', 'undici', 'decorators']
  const byHeld = from(['sqlite-held-token'], atOnce)
  const bySpending = from(spending, atOnce)
  const withoutNode = from(spending, ever)
  const byIndex = from(['index'], atOnce)
  const lazy = new Set([...from(Object.keys(entries), ever)].flatMap(later)).difference(byIndex)
  const openedBy = [...lazy].map((id) => reached([id], atOnce))

  return (id) => {
    if (Object.values(entries).includes(id)) return null
    if (byIndex.has(id)) {
      const others = [
        byHeld.has(id) && 'held',
        bySpending.has(id) ? 'spending' : withoutNode.has(id) && 'later',
      ].filter(Boolean)
      return indexFiles[others.join(', ')] ?? others.join('-')
    }
    // What one import() alone leads to stands with it, and what other entries share is little: both are the bundler's choice.
    if (openedBy.filter((modules) => modules.has(id)).length < 2) return null
    return withoutNode.has(id) ? 'requests' : 'consents'
  }
}

/** These modules, and what they lead to. */
function reached(starts, next) {
  const found = new Set(starts)
  for (const id of found) for (const other of next(id)) found.add(other)
  return found
}

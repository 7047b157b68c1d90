// The dependency rules of ARCHITECTURE.md, as data and one pure function over the text of the sources.

/** Paths from the root of the repository, with `/`, and what stands in them. */
export type Files = Record<string, string>

/**
 * What the code of a folder may import: other folders, or one file of another. `values` exist at run time; `types`
 * may only be imported as types. `base` stands for the files directly in library/src (errors, clock and the like), which
 * import only each other.
 */
const rules: Record<string, { values: string[]; types?: string[] }> = {
  'library/src': { values: [] },
  'library/src/providers': { values: ['base'], types: ['oauth'] },
  'library/src/oauth': { values: ['base'], types: ['providers'] },
  'library/src/grants': { values: ['base', 'oauth'], types: ['providers'] },
  // Every store seals the same way, so that none can leave it out, and when a token is fresh is said once; of the rest
  // of grants a store knows types.
  'library/src/stores': {
    values: ['base', 'grants/seal.ts', 'grants/schedule.ts'],
    types: ['grants', 'oauth', 'providers'],
  },
  'library/src/worker': { values: ['base', 'oauth', 'grants'], types: ['providers'] },
  // A token source with nothing stored is a keeper whose store is memory.
  'library/src/use': { values: ['base', 'oauth', 'grants', 'stores/memory.ts'], types: ['providers'] },
  // A login to measure with is consented to at a keeper whose store is memory.
  'library/src/measurement': {
    values: ['base', 'oauth', 'grants', 'stores/memory.ts'],
    types: ['providers'],
  },
  // Knows the library by its public names alone, as anybody's tests do.
  'testing/src': { values: [] },
  'server/src/config': { values: [] },
  'server/src/broker': { values: [], types: ['config'] },
  'server/src/cli': { values: ['broker', 'config'] },
}

/** index.ts names what is public, so it reaches into every folder; command.ts stands alone. */
const entry = 'library/src/index.ts'

const outsideWorld =
  /^(node:(http|https|http2|net|tls|dgram|fs|fs\/promises|sqlite|process|child_process)|pg|undici)$/
const mayReadEnvironment =
  /^server\/src\/cli\/|^library\/src\/command\.ts$|^testing\/src\/practice-process\.ts$/
/** `...process.env` hands everything on to a child process and reads nothing. */
const readsEnvironment = /(?<!\.\.\.)\bprocess\.(env|exit)\b/
const drawers = /(^|\/)(utils?|shared|common|helpers?|lib|managers?)(\/|\.[a-z]+$)/
const sql =
  /^\s*(select\b[\s\S]*\bfrom\b|insert (or \w+ )?into\b|update \w+\s+set\b|delete from\b|create (unique )?(table|index)\b|alter table\b|pragma \w|begin (immediate|exclusive)\b|with (recursive )?\w+ as\b)/i

export function violations(files: Files): string[] {
  const found: string[] = []
  for (const [file, text] of Object.entries(files)) {
    const report = (what: string) => found.push(`${file}: ${what}`)
    const code = withoutComments(text)
    const folder = folderOf(file)

    if (drawers.test(file)) report('is named after a drawer, not after what it holds')
    if (!rules[folder]) report(`lies in ${folder}, for which test/house-rules.ts has no rule`)
    for (const imported of importsOf(file, code)) {
      const wrong = forbidden(file, imported)
      if (wrong) report(wrong)
    }

    if (folder === 'library/src/grants' && /\bprocess\.\w/.test(code)) report('uses process')
    if (!mayReadEnvironment.test(file) && readsEnvironment.test(code)) {
      report('uses process.env or process.exit outside the command')
    }
    if (/^library\/src\/(grants|oauth)\//.test(file) && /\bDate\.now\b|\bnew Date\(\)/.test(code)) {
      report('reads the clock; time is passed in')
    }
    if (!/\/stores\//.test(file) && stringsOf(code).some((string) => sql.test(string))) report('holds SQL')
    if (file === entry && !/^(\s*(import|export)\b[^;]*?\bfrom\s+'[^']+')*\s*$/.test(code)) {
      report('holds code; it only names what is public')
    }
  }
  return [...found, ...circles(files)]
}

interface Import {
  /** As written, and for a relative one the path from the root. */
  from: string
  typeOnly: boolean
  dynamic: boolean
}

function forbidden(file: string, { from, typeOnly }: Import): string | undefined {
  const folder = folderOf(file)
  const isFile = /^(library|testing|server)\//.test(from)
  if (!isFile) {
    if (folder === 'library/src/grants' && outsideWorld.test(from)) return `imports ${from}`
    if (/^node:process$/.test(from) && !mayReadEnvironment.test(file)) return `imports ${from}`
    if (file.startsWith('library/') && /^(@evertoken\/|evertoken(\/|$))/.test(from)) {
      return `imports ${from}; the library knows no server, and itself by paths`
    }
    return undefined
  }
  if (file.split('/')[0] !== from.split('/')[0]) return `imports ${from} by a path, not by the package's name`
  const target = folderOf(from)
  if (target === folder || file === entry) return undefined
  const name = target === 'library/src' ? 'base' : (target.split('/')[2] ?? target)
  const rule = rules[folder]
  const namedFile = from.split('/').slice(2).join('/')
  if (from === entry) return 'imports index.ts, which is for users'
  if (rule?.values.includes(name) || rule?.values.includes(namedFile)) return undefined
  if (rule?.types?.includes(name))
    return typeOnly ? undefined : `imports more than types of ${name} (${from})`
  return `may not import ${name} (${from})`
}

/** `library/src/stores/sqlite/store.ts` lies in `library/src/stores`: rules are for the folders directly in src. */
function folderOf(file: string): string {
  return file.split('/').slice(0, -1).slice(0, 3).join('/')
}

/** Circles of imports that exist at run time, each said once. */
function circles(files: Files): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const visit = (file: string, way: string[]) => {
    const start = way.indexOf(file)
    if (start >= 0) found.push(`${[...way.slice(start), file].join(' -> ')}: a circle`)
    if (start >= 0 || done.has(file)) return
    for (const { from, typeOnly, dynamic } of importsOf(file, withoutComments(files[file] ?? ''))) {
      if (!typeOnly && !dynamic && from in files) visit(from, [...way, file])
    }
    done.add(file)
  }
  for (const file of Object.keys(files)) visit(file, [])
  return found
}

function importsOf(file: string, code: string): Import[] {
  const statement =
    /^[ \t]*(?:import|(?:import|export)\b(?<names>[^'"`;]*?)\bfrom)\s*['"](?<from>[^'"]+)['"]/gm
  const call = /\bimport\(\s*['"](?<from>[^'"]+)['"]/g
  const statements = [...code.matchAll(statement)].map(({ groups }) => ({
    from: resolve(file, groups?.from ?? ''),
    typeOnly: onlyTypes(groups?.names ?? ''),
    dynamic: false,
  }))
  const calls = [...code.matchAll(call)].map(({ groups }) => ({
    from: resolve(file, groups?.from ?? ''),
    typeOnly: false,
    dynamic: true,
  }))
  return [...statements, ...calls]
}

/** `import type …`, or braces in which every name is a `type`. */
function onlyTypes(names: string): boolean {
  if (/^\s*type\b/.test(names)) return true
  const braces = /^\s*\{([^}]*)\}\s*$/.exec(names)?.[1]
  const listed = braces?.split(',').filter((name) => name.trim() !== '') ?? []
  return listed.length > 0 && listed.every((name) => /^\s*type\s/.test(name))
}

function resolve(file: string, from: string): string {
  return from.startsWith('.') ? new URL(from, `file:///${file}`).pathname.slice(1) : from
}

const stringOrComment =
  /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g

function withoutComments(text: string): string {
  return text.replace(stringOrComment, (match) => (match.startsWith('/') ? ' ' : match))
}

function stringsOf(code: string): string[] {
  return (code.match(stringOrComment) ?? []).map((string) => string.slice(1, -1))
}

// The types that are published: of tsc's declarations those that the entries reach, with their comments. What no user can
// name stays out, and most of the files with it.

import fs from 'node:fs'
import path from 'node:path'
import { parseSync } from 'rolldown/utils'

/** In place of a name: all that a file exports. */
const all = '*'

/**
 * Writes what entries reach of the declarations that tsc emitted, each file under its path.
 *
 * @param {string} emitted The folder that tsc wrote to.
 * @param {readonly string[]} entries Paths below it, of which all is public.
 * @param {string} folder Where the files are written.
 */
export function writeDeclarations(emitted, entries, folder) {
  const files = new Map()
  const read = (file) => {
    const place = path.join(emitted, file)
    if (!fs.existsSync(place))
      throw new Error(`an entry has its types in ${file}, and no source becomes that`)
    return fs.readFileSync(place, 'utf8')
  }
  const piecesIn = (file) => {
    if (!files.has(file)) files.set(file, statementsIn(read(file)))
    return files.get(file).flatMap(({ pieces }) => pieces)
  }
  /** Grows while it is gone through: a file, and the name that is wanted of it. */
  const wanted = new Set(entries.map((file) => [file, all].join()))
  const keep = (file, piece, name) => {
    if (piece.kept && !piece.star) return
    piece.kept = true
    for (const { from, imported = name } of piece.sources)
      if (from.startsWith('.')) {
        const other = path.join(path.dirname(file), from.replace(/\.[jt]s$/, '.d.ts'))
        wanted.add([other, imported].join())
      }
    for (const other of piecesIn(file)) if (piece.uses.has(other.local)) keep(file, other)
  }
  for (const entry of wanted) {
    const [file, name] = entry.split(',')
    const pieces = piecesIn(file)
    const named = pieces.filter(({ exported }) => exported !== undefined && [exported, all].includes(name))
    const stars = pieces.filter(({ star }) => star)
    const found = name === all ? [...named, ...stars] : named.length > 0 ? named : stars
    if (found.length === 0) throw new Error(`${file} does not export ${name}`)
    for (const piece of found) keep(file, piece, name)
  }
  for (const [file, statements] of files) {
    const target = path.join(folder, file)
    fs.mkdirSync(path.dirname(target), { recursive: true })
    // Where a file says so, what it does not export is not exported.
    const text = [...statements.map(keptText), 'export {};'].filter(Boolean).join('\n')
    // Four blanks a level, as tsc writes them, would be a tenth of what is published.
    const indented = text.replace(/^(?: {4})+/gm, (blanks) => '\t'.repeat(blanks.length / 4))
    fs.writeFileSync(target, `${indented}\n`)
  }
}

/** The statements of a file, in pieces that are kept or left out: a declaration, or one name of an import or an export. */
function statementsIn(source) {
  const { program, errors } = parseSync('declarations.d.ts', source, { lang: 'dts' })
  if (errors.length > 0) throw new Error(errors[0].message)
  return program.body.map((node, index) => ({
    node,
    comment: source.slice(program.body[index - 1]?.end ?? 0, node.start).trim(),
    code: source.slice(node.start, node.end),
    pieces: piecesOf(node).map((piece) => ({ uses: new Set(), sources: [], ...piece })),
  }))
}

function keptText({ node, comment, code, pieces }) {
  const kept = pieces.filter((piece) => piece.kept)
  if (kept.length === 0) return ''
  // tsc leaves the names of sources where compilers look for what was built.
  const built = code.replace(/(from |import\()(['"])(\..*?)\.ts\2/g, '$1$2$3.js$2')
  if (!node.specifiers?.length) return [comment, built].filter(Boolean).join('\n')
  if (kept.length === pieces.length) return built
  const [head, rest] = built.split(/\{[^}]*\}/)
  return `${head}{ ${kept.map(({ range: [start, end] }) => code.slice(start - node.start, end - node.start)).join(', ')} }${rest}`
}

function piecesOf(node) {
  const from = node.source?.value
  switch (node.type) {
    case 'ImportDeclaration':
      return node.specifiers.map(({ local, imported, start, end }) => ({
        local: local.name,
        sources: [{ from, imported: imported?.name ?? all }],
        range: [start, end],
      }))
    case 'ExportAllDeclaration':
      return [{ star: true, sources: [{ from }] }]
    case 'ExportNamedDeclaration':
      if (node.declaration) return declared(node.declaration, true)
      return node.specifiers.map(({ local, exported, start, end }) => ({
        exported: exported.name,
        ...(from === undefined
          ? { uses: new Set([local.name]) }
          : { sources: [{ from, imported: local.name }] }),
        range: [start, end],
      }))
    default:
      return declared(node, false)
  }
}

/** A piece for each name of a declaration; those of one statement (`const one: 1, two: 2`) are kept together. */
function declared(node, isExported) {
  const named = namesIn(node)
  return (node.declarations ?? [node]).map(({ id }) => ({
    local: id.name,
    ...(isExported && { exported: id.name }),
    ...named,
  }))
}

/** Every name in a declaration, also of properties: where a type has the same, it is kept in vain. */
function namesIn(node) {
  const uses = new Set()
  const sources = []
  const visit = (value) => {
    if (value === null || typeof value !== 'object') return
    if (value.type === 'Identifier') uses.add(value.name)
    if (value.type === 'TSImportType')
      sources.push({ from: value.source.value, imported: value.qualifier?.name ?? all })
    for (const child of Object.values(value)) visit(child)
  }
  visit(node)
  return { uses, sources }
}

// The JavaScript of a package as it is published: few files, for each that is read costs a program's start; without
// comments, which stand in the types; each function under its own name and on its own line, for stack traces.

import fs from 'node:fs'
import path from 'node:path'
import { rolldown } from 'rolldown'
import { minifySync, parseSync } from 'rolldown/utils'
import { catalogueModule } from './catalogue.mjs'

/**
 * Writes the files that its `exports` and `bin` name, and those that these import.
 *
 * @param {string} folder The package's.
 * @param {Record<string, string>} entries Paths of sources by the name of their file.
 * @param {(module: string, context: object) => string | null} [fileOf] The name of the file of a module that several lead to. Default: as
 *   few files as the bundler needs.
 */
export async function bundlePackage(folder, entries, fileOf) {
  const { dependencies, peerDependencies } = JSON.parse(
    fs.readFileSync(path.join(folder, 'package.json'), 'utf8'),
  )
  const elsewhere = Object.keys({ ...dependencies, ...peerDependencies })
  const providers = path.join(folder, 'src', 'providers')
  const complaints = []
  await using bundle = await rolldown({
    input: entries,
    cwd: folder,
    platform: 'node',
    external: (name) => name.startsWith('node:') || elsewhere.includes(name),
    // Either way an entry exports what its source exports: the bundler would take more only where files are named and a module of an
    // entry is shared, which `npm run check` would see.
    preserveEntrySignatures: fileOf ? 'allow-extension' : 'strict',
    plugins: [
      {
        name: 'catalogue',
        load: (id) =>
          id === path.join(providers, 'profile-texts.ts')
            ? { code: catalogueModule(path.join(providers, 'catalogue')), moduleType: 'js' }
            : undefined,
      },
    ],
    onLog(_level, { code, message }) {
      // Such a module is in the file of who loads it at once, and the other import() gives that.
      if (code !== 'INEFFECTIVE_DYNAMIC_IMPORT') complaints.push(message)
    },
  })
  const { output } = await bundle.generate({
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    comments: { legal: false, annotation: true, jsdoc: false },
    codeSplitting: fileOf === undefined || {
      includeDependenciesRecursively: false,
      groups: [{ debugName: 'what is loaded together', name: fileOf }],
    },
  })
  if (complaints.length > 0) throw new Error(complaints.join('\n'))
  const dist = path.join(folder, 'dist')
  fs.mkdirSync(dist, { recursive: true })
  for (const { fileName, code } of output)
    fs.writeFileSync(path.join(dist, fileName), minified(fileName, code))
}

/**
 * Without what only people read, but for the names of functions: also of private methods, which the minifier shortens, so it is
 * run without its names as well. A line for each statement and each member of a class, since Node shows the line of an error
 * that nobody caught, whole. And each call that makes a module's constant is said to have no effect, which is so of all modules of
 * these packages: a bundler that takes a part of a file leaves out the rest.
 */
function minified(fileName, code) {
  const options = { module: true, compress: { keepNames: { function: true, class: true } }, codegen: true }
  const short = minifySync(fileName, code, { ...options, mangle: { keepNames: true } }).code
  const long = minifySync(fileName, code, { ...options, mangle: false }).code
  const edits = []
  const names = []
  const visit = (node, named, place) => {
    if (node === null || typeof node !== 'object') return
    if (node.type !== named.type)
      throw new Error(`${fileName}: ${node.type} is ${named.type} without short names`)
    if (node.type === 'ClassBody') names.push(methodNames(node, named))
    if (node.type === 'PrivateIdentifier') {
      const text = names.findLast((own) => own.has(node.name))?.get(node.name)
      if (text !== undefined) edits.push({ start: node.start, end: node.end, text })
    }
    for (const { start } of onLinesOfTheirOwn(node))
      if (start > 0) edits.push({ start, end: start, text: '\n' })
    if (place === 'value' && ['CallExpression', 'NewExpression'].includes(node.type))
      edits.push({ start: node.start, end: node.start, text: '/*@__PURE__*/' })
    for (const [key, child] of Object.entries(node)) visit(child, named[key], placeIn(node, place))
    if (node.type === 'ClassBody') names.pop()
  }
  visit(parseSync(fileName, short).program, parseSync(fileName, long).program)
  edits.sort((one, other) => one.start - other.start || one.end - other.end)
  let text = ''
  let end = 0
  for (const edit of edits) {
    text += short.slice(end, edit.start) + edit.text
    end = edit.end
  }
  return `${text}${short.slice(end).trimEnd()}\n`
}

/** `top` for the statements of a module, `value` for what its constants are made of: not what functions do when they are called. */
function placeIn({ type }, place) {
  if (type === 'Program') return 'top'
  if (type === 'VariableDeclaration' && place === 'top') return 'value'
  return type === undefined || (place === 'value' && !/Function|Class/.test(type)) ? place : undefined
}

function onLinesOfTheirOwn(node) {
  if (['Program', 'BlockStatement', 'ClassBody', 'StaticBlock'].includes(node.type)) return node.body
  return node.type === 'VariableDeclaration' ? node.declarations.slice(1) : []
}

/** What a class calls its private methods, by what they are called in short; its other private members as they are. */
function methodNames(body, named) {
  const own = body.body.flatMap(({ key }, index) =>
    key?.type === 'PrivateIdentifier' ? [[key.name, named.body[index]]] : [],
  )
  return new Map(
    own.map(([short, { type, key }]) => [short, `#${type === 'MethodDefinition' ? key.name : short}`]),
  )
}

// Makes library and then server, whose types come from the library's declarations, into their dist folders.
// `node scripts/build.mjs [folder]` builds a copy of the repository that stands elsewhere.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleLibrary } from './bundle.mjs'
import { writeDeclarations } from './declarations.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const folder = path.resolve(process.argv[2] ?? root)
const library = path.join(folder, 'library')
const server = path.join(folder, 'server')

// A file that was renamed must not live on in a published package.
for (const project of [library, server])
  fs.rmSync(path.join(project, 'dist'), { recursive: true, force: true })

const { exports, bin } = JSON.parse(fs.readFileSync(path.join(library, 'package.json'), 'utf8'))
const entries = Object.values(exports).filter((target) => typeof target !== 'string')
const sources = [
  ...entries.map((target) => [target.default, target['evertoken:source']]),
  // What is started and not imported: the command, and the practice server as a process of its own.
  [bin.evertoken, './src/command.ts'],
  ['dist/practice-process.js', './src/testing/practice-process.ts'],
]

const emitted = path.join(library, 'dist', 'emitted')
compile(library, '--outDir', emitted, '--emitDeclarationOnly')
const types = path.join(library, 'dist', 'types')
writeDeclarations(
  emitted,
  entries.map((target) => path.relative(types, path.join(library, target.types))),
  types,
)
fs.rmSync(emitted, { recursive: true })
await bundleLibrary(
  library,
  Object.fromEntries(
    sources.map(([file, source]) => [path.basename(file, '.js'), path.join(library, source)]),
  ),
)

compile(server)

/** What does not type-check leaves no files, and is not packed by mistake. */
function compile(project, ...options) {
  const { status } = spawnSync(process.execPath, [tsc, '-p', project, '--noEmitOnError', ...options], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}

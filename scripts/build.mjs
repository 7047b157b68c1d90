// Makes the packages, in the order in which the types of one come from the declarations of another, into their dist folders.
// `node scripts/build.mjs [folder]` builds a copy of the repository that stands elsewhere.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundlePackage } from './bundle.mjs'
import { chunkNames } from './chunks.mjs'
import { writeDeclarations } from './declarations.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const folder = path.resolve(process.argv[2] ?? root)
const [library, testing, server] = ['library', 'testing', 'server'].map((name) => path.join(folder, name))

// A file that was renamed must not live on in a published package.
for (const project of [library, testing, server])
  fs.rmSync(path.join(project, 'dist'), { recursive: true, force: true })

// Beside what is imported, what is started: the command, and the practice server as a process of its own.
await makeFewFiles(library, 'command', chunkNames)
await makeFewFiles(testing, 'practice-process')
compile(server)

/**
 * A file for each entry in `exports` and for the program, and those that these share.
 *
 * @param {string} project A package's folder.
 * @param {string} program The name of its source, directly in src.
 * @param {(entries: Record<string, string>) => ((module: string, context: object) => string | null) | undefined} [filesOf] Which file
 *   holds what several share.
 */
async function makeFewFiles(project, program, filesOf = () => undefined) {
  const { exports } = JSON.parse(fs.readFileSync(path.join(project, 'package.json'), 'utf8'))
  const entries = Object.values(exports).filter((target) => typeof target !== 'string')
  const emitted = path.join(project, 'dist', 'emitted')
  compile(project, '--outDir', emitted, '--emitDeclarationOnly')
  const types = path.join(project, 'dist', 'types')
  writeDeclarations(
    emitted,
    entries.map((target) => path.relative(types, path.join(project, target.types))),
    types,
  )
  fs.rmSync(emitted, { recursive: true })
  const sources = { [program]: path.join(project, 'src', `${program}.ts`) }
  for (const target of entries)
    sources[path.basename(target.default, '.js')] = path.join(project, target['evertoken:source'])
  await bundlePackage(project, sources, filesOf(sources))
}

/** What does not type-check leaves no files, and is not packed by mistake. */
function compile(project, ...options) {
  const { status } = spawnSync(process.execPath, [tsc, '-p', project, '--noEmitOnError', ...options], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}

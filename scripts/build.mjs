// Emits library and then server, whose types come from the library's declarations, into their dist folders.
// `node scripts/build.mjs [folder]` builds a copy of the repository that stands elsewhere.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const folder = path.resolve(process.argv[2] ?? root)

for (const name of ['library', 'server']) {
  const project = path.join(folder, name)
  // A file that was renamed must not live on in a published package.
  fs.rmSync(path.join(project, 'dist'), { recursive: true, force: true })
  const { status } = spawnSync(process.execPath, [tsc, '-p', project], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

// The profiles of providers are read at run time, so they stand beside the code that reads them.
const catalogue = path.join('providers', 'catalogue')
const library = path.join(folder, 'library')
fs.cpSync(path.join(library, 'src', catalogue), path.join(library, 'dist', catalogue), { recursive: true })

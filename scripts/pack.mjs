// `prepack` and `postpack` of each package: the README and the license are the repository's, and stand in the package
// only while it is packed. Refuses to pack what was not built from the sources that stand there.

import fs from 'node:fs'
import path from 'node:path'

const folder = process.cwd()
const files = ['README.md', 'LICENSE']

if (process.argv[2] === 'after') {
  for (const file of files) fs.rmSync(path.join(folder, file), { force: true })
} else {
  const built = newest(path.join(folder, 'dist'))
  if (built < newest(path.join(folder, 'src'))) {
    console.error(`${folder}: dist is missing or older than src; npm run build`)
    process.exit(1)
  }
  for (const file of files) fs.copyFileSync(path.join(folder, '..', file), path.join(folder, file))
}

/** When the youngest file below a folder was written; -1 without one. */
function newest(start) {
  if (!fs.existsSync(start)) return -1
  const entries = fs
    .readdirSync(start, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
  return Math.max(-1, ...entries.map((entry) => fs.statSync(path.join(entry.parentPath, entry.name)).mtimeMs))
}

// Refuses a release that users are not told about. `npm version` (preversion) asks that CHANGELOG.md has nothing left
// under Pending; `npm publish` (prepublishOnly, with the word `publish`) also that everything carries one version and
// that the changelog has a section for it.

import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const read = (file) => fs.readFileSync(path.join(root, file), 'utf8')
const sections = new Map(
  read('CHANGELOG.md')
    .split(/^## /m)
    .slice(1)
    .map((section) => section.split(/\n([\s\S]*)/).map((part) => part.trim()))
    .map(([heading, text]) => [heading.split(' ')[0], text ?? '']),
)

const problems = []
if (!sections.has('Pending')) problems.push('CHANGELOG.md has no section `## Pending`.')
if (sections.get('Pending')) {
  problems.push(
    'CHANGELOG.md still has changes under `## Pending`: give them a section `## <version> (<date>)`.',
  )
}
if (process.argv[2] === 'publish') {
  const manifests = Object.fromEntries(
    ['package.json', 'library/package.json', 'testing/package.json', 'server/package.json'].map((file) => [
      file,
      JSON.parse(read(file)),
    ]),
  )
  const { version } = manifests['package.json']
  for (const [file, manifest] of Object.entries(manifests)) {
    if (manifest.version !== version)
      problems.push(`${file} has version ${manifest.version}, not ${version}.`)
  }
  // Exactly: the library's command starts a server of its own version only, and a contract of stores is of one version.
  for (const [file, { dependencies, devDependencies, peerDependencies }] of Object.entries(manifests)) {
    const wanted = Object.entries({ ...dependencies, ...devDependencies, ...peerDependencies })
    for (const [name, range] of wanted)
      if (/^(@evertoken\/.*|evertoken)$/.test(name) && range !== version)
        problems.push(`${file} depends on ${name} ${range}, not ${version}.`)
  }
  if (!sections.get(version)) problems.push(`CHANGELOG.md says nothing under \`## ${version}\`.`)
}

for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0

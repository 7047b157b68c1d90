// The catalogue as it is published: every profile in one text, which is compressed and stands in a module of its own. 124 files
// of JSON with indents are seven times as much, and a bundler would leave them behind.

import fs from 'node:fs'
import path from 'node:path'
import { brotliCompressSync } from 'node:zlib'

/**
 * A module with the names of library/src/providers/profile-texts.ts. Nothing is unpacked before it is asked for.
 *
 * @param {string} folder The one with a file for each provider.
 */
export function catalogueModule(folder) {
  const files = fs
    .readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort((one, other) => (idOf(one) < idOf(other) ? -1 : 1))
  // A line each, its id before a space, so that one is read without the others.
  const lines = files.map((file) => {
    const profile = JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8'))
    return `${idOf(file)} ${JSON.stringify(profile)}`
  })
  const packed = brotliCompressSync(lines.join('\n')).toString('base64')
  return `
const packed = ${JSON.stringify(packed)}
let texts
function profileTexts() {
  if (texts === undefined) {
    const { brotliDecompressSync } = process.getBuiltinModule('node:zlib')
    const lines = brotliDecompressSync(Buffer.from(packed, 'base64')).toString().split('\\n')
    texts = new Map(lines.map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]))
  }
  return texts
}
export function profileIds() {
  return [...profileTexts().keys()]
}
export function profileText(id) {
  return profileTexts().get(id)
}
`
}

const idOf = (file) => file.slice(0, -'.json'.length)

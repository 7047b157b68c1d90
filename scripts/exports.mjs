// After a build: every file that a package.json names is there, and every entry loads on plain Node,
// from dist, without the condition that development uses, and exports what its source does.

import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const problems = []

for (const name of ['library', 'testing', 'server']) {
  const folder = path.join(root, name)
  const manifest = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'))
  const bins = Object.values(manifest.bin ?? {}).map((file) => path.join(folder, file))
  for (const file of [...bins, ...files(manifest.exports).map((file) => path.join(folder, file))]) {
    if (!fs.existsSync(file))
      problems.push(`${name}/package.json names ${path.relative(folder, file)}: no such file`)
  }
  for (const bin of bins.filter(fs.existsSync)) {
    if (!fs.readFileSync(bin, 'utf8').startsWith('#!/usr/bin/env node\n')) problems.push(`${bin}: no #! line`)
  }
  for (const [entry, target] of Object.entries(manifest.exports)) {
    const file = typeof target === 'string' ? undefined : path.join(folder, target.default)
    if (!file || bins.includes(file) || !fs.existsSync(file)) continue
    try {
      const [built, source] = await Promise.all([
        namesOf(file),
        namesOf(path.join(folder, target['evertoken:source'])),
      ])
      if (built !== source) problems.push(`${name} ${entry}: exports ${built}, and its source ${source}`)
    } catch (error) {
      problems.push(`${name} ${entry}: ${error.message}`)
    }
  }
}

for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0

async function namesOf(file) {
  return Object.keys(await import(pathToFileURL(file).href)).join(', ')
}

function files(target) {
  return typeof target === 'string' ? [target] : Object.values(target).flatMap(files)
}

// `npm start`, `npm test` and the like come here: node scripts/run.mjs <task> [arguments].
// Built-ins only and old syntax, for this file must load on whatever Node the machine has (18 or newer); the task
// itself runs on the Node that setup.mjs finds or fetches, with the dependencies that the lock file names.

import path from 'node:path'
import { runChild } from './child.mjs'
import { findNode, installDependencies, root, SetupError } from './setup.mjs'

/** Sources run as they are: Node strips the types, and this condition makes `evertoken` mean library/src. */
const fromSource = '--conditions=evertoken:source'
const command = [fromSource, 'server/src/cli/main.ts']
const vitest = ['node_modules/vitest/vitest.mjs', 'run']
const build = ['scripts/build.mjs']

/** Each task is a list of steps; a step is its name and the arguments for Node. */
const tasks = {
  start: (args) => [['start', [...command, 'start', ...args]]],
  demo: (args) => [['demo', [...command, 'demo', ...args]]],
  test: (args) => [['tests', [...vitest, ...args]]],
  'test:nodes': (args) => [['every Node', ['scripts/nodes.mjs', ...args]]],
  'test:interop': (args) => [['interop', [...vitest, '--mode', 'interop', ...args]]],
  bench: (args) => [['bench', [fromSource, 'bench/run.ts', ...args]]],
  campaign: (args) => [['campaign', [fromSource, 'test/campaign/run.ts', ...args]]],
  model: (args) => [['model', ['model/run.mjs', ...args]]],
  build: () => [['build', build]],
  check: () => [
    ['types', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']],
    ['format and lint', ['node_modules/@biomejs/biome/bin/biome', 'ci', '--error-on-warnings', '.']],
    ['unused code and dependencies', ['node_modules/knip/bin/knip.js']],
    ['page of the providers', ['scripts/providers.mjs', '--check']],
    ['page of the errors', [fromSource, 'scripts/errors.ts', '--check']],
    ['build', build],
    ['publint library', ['node_modules/publint/src/cli.js', 'library', '--strict']],
    ['publint testing', ['node_modules/publint/src/cli.js', 'testing', '--strict']],
    ['publint server', ['node_modules/publint/src/cli.js', 'server', '--strict']],
    ['exports', ['scripts/exports.mjs']],
  ],
}

const [task, ...args] = process.argv.slice(2)
if (!Object.hasOwn(tasks, task ?? '')) {
  console.error(`usage: node scripts/run.mjs ${Object.keys(tasks).join(' | ')}`)
  process.exit(2)
}

try {
  const node = await findNode()
  const env = environment(node)
  await installDependencies(node, env)
  process.exitCode = await runSteps(node, env, tasks[task](args))
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`evertoken: ${error.message}`)
  process.exitCode = 1
}

/** One step: its exit code. Several: each under its name, all of them even when one fails, then what failed. */
async function runSteps(node, env, steps) {
  const failed = []
  for (const [name, nodeArgs] of steps) {
    if (steps.length > 1) console.log(`--- ${name}`)
    const { code, interrupted } = await runChild(node, nodeArgs, { cwd: root, env })
    if (steps.length === 1 || interrupted) return code
    if (code !== 0) failed.push(name)
  }
  console.log(
    failed.length === 0 ? `${task}: all ${steps.length} passed` : `${task}: failed: ${failed.join(', ')}`,
  )
  return failed.length === 0 ? 0 : 1
}

/** The task's own children must get this Node too, by `node` and by the names in node_modules/.bin. */
function environment(node) {
  const key = Object.keys(process.env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH'
  const folders = [path.dirname(node), path.join(root, 'node_modules', '.bin'), process.env[key]]
  return { ...process.env, [key]: folders.filter(Boolean).join(path.delimiter) }
}

// The library's tests on every Node that it promises, one after the other, each as npm has it. Arguments are those of vitest.

import { runChild } from './child.mjs'
import { fetchNode, nodeVersions, root } from './setup.mjs'

const failed = []
for (const version of nodeVersions) {
  const node = await fetchNode(version)
  console.log(`--- the library on Node ${version}`)
  const given = process.argv.slice(2)
  const filters = given.length === 0 ? ['library/test', 'testing/test'] : given
  const { code, interrupted } = await runChild(node, ['node_modules/vitest/vitest.mjs', 'run', ...filters], {
    cwd: root,
    env: process.env,
  })
  if (interrupted) process.exit(code)
  if (code !== 0) failed.push(version)
}
console.log(
  failed.length === 0
    ? `the library's tests pass on Node ${nodeVersions.join(', ')}`
    : `the library's tests fail on Node ${failed.join(', ')}`,
)
process.exitCode = failed.length === 0 ? 0 : 1

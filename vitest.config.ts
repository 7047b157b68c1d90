import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

const condition = 'evertoken:source'
// Not `import` nor `module`: Vitest hands these to Node, which would give modules to a `require` in a dependency.
const source = [condition, 'node', 'default']

const all = ['library', 'testing', 'server', '.'].map((folder) => `${folder}/test/**/*.test.ts`)
// `--mode interop`: of these only the tests against other people's programs that npm does not bring. They fetch them first,
// or skip and say what is missing.
const interop = ['test/interop/**/*.test.ts']

export default defineConfig(({ mode }) => ({
  resolve: { conditions: source },
  ssr: { resolve: { conditions: source, externalConditions: source } },
  test: {
    include: mode === 'interop' ? interop : all,
    // Processes, not threads: tests change folders, send signals and open SQLite, which are a process's own.
    pool: 'forks',
    // So that what a test starts with its own arguments finds `evertoken` in library/src as well.
    execArgv: [`--conditions=${condition}`],
    // Most files wait for child processes and sockets, so two at a time pay even on one core.
    maxWorkers: Math.max(2, availableParallelism()),
    // A condition that is waited for takes longer on a machine that does other things; one that never comes true fails later.
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
}))

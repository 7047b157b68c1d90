import { availableParallelism } from 'node:os'
import { configDefaults, defineConfig } from 'vitest/config'

const source = ['evertoken:source', 'node', 'import', 'module', 'default']

// `--mode interop`: the tests against other people's programs, which fetch those first.
const interop = ['test/interop/**/*.test.ts']
const own = ['library/test/**/*.test.ts', 'server/test/**/*.test.ts', 'test/**/*.test.ts']

export default defineConfig(({ mode }) => ({
  resolve: { conditions: source },
  ssr: { resolve: { conditions: source, externalConditions: source } },
  test: {
    include: mode === 'interop' ? interop : own,
    exclude: mode === 'interop' ? configDefaults.exclude : [...configDefaults.exclude, ...interop],
    // Processes, not threads: tests change folders, send signals and open SQLite, which are a process's own.
    pool: 'forks',
    // So that what a test starts with its own arguments finds `evertoken` in library/src as well.
    execArgv: ['--conditions=evertoken:source'],
    // Most files wait for child processes and sockets, so two at a time pay even on one core.
    maxWorkers: Math.max(2, availableParallelism()),
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
}))

import { defineConfig } from 'vitest/config'

const source = ['evertoken:source', 'node', 'import', 'module', 'default']

export default defineConfig({
  resolve: { conditions: source },
  ssr: { resolve: { conditions: source, externalConditions: source } },
  test: {
    include: ['library/test/**/*.test.ts', 'server/test/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/interop/**'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
})

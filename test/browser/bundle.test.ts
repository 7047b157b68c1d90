import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { bundledByEsbuild, bundledByRolldown, loadedAtOnce, loadedEver, sizeOf } from './bundle.ts'

const sources = `export { tokenSource, authorizedFetch } from 'evertoken/fetch'`
const everything = `export * from 'evertoken/fetch'`
const broker = `export { brokerSource, authorizedFetch } from 'evertoken/fetch'`

describe.each([
  ['esbuild', bundledByEsbuild],
  ['rolldown', bundledByRolldown],
])('evertoken/fetch bundled by %s for no platform in particular', (_name, bundled) => {
  test('holds all that it needs, and imports nothing of Node', async () => {
    const chunks = await bundled(everything)
    const names = new Set(chunks.map(({ name }) => name))
    const imported = chunks.flatMap(({ imports, later }) => [...imports, ...later])
    expect(imported.filter((name) => !names.has(name.replace(/^.*\//, '')))).toEqual([])
    for (const { code } of chunks)
      expect(code).not.toMatch(/\b(?:from|import|require)\s*\(?\s*["'](?:node:|fs|crypto)/)
  })

  test('is under 40 KB for a program that takes tokenSource and authorizedFetch, before anything is sent', async () => {
    const chunks = await bundled(sources)
    expect(sizeOf(loadedAtOnce(chunks))).toBeLessThan(40_000)
  })

  test('is under 85 KB with everything that such a program ever loads unless it signs', async () => {
    const chunks = loadedEver(await bundled(sources))
    const unsigned = chunks.filter(({ name }) => !name.startsWith('signing'))
    expect(chunks.length - unsigned.length).toBeGreaterThan(0)
    expect(sizeOf(unsigned)).toBeLessThan(85_000)
    expect(gzipSync(unsigned.map(({ code }) => code).join('\n')).length).toBeLessThan(30_000)
  })

  test('is under 25 KB for a program whose tokens come from a broker, and all of it', async () => {
    const chunks = await bundled(broker)
    expect(sizeOf(loadedEver(chunks))).toBeLessThan(25_000)
  })
})

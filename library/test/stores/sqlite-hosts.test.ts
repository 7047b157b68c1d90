import { existsSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { newStoreFile, openedStore } from './sqlite-files.ts'

test('hosts that are given a folder each have spools of their own on one file', async () => {
  const file = newStoreFile()
  const host = (name: string) => openedStore(file, { spool: path.join(path.dirname(file), name) })
  const [a, neighbour, b] = [await host('a'), await host('a'), await host('b')]
  expect([a.foreign, neighbour.foreign, b.foreign]).toEqual([undefined, undefined, undefined])
  expect(a.spool?.id).toBe(neighbour.spool?.id)
  expect(b.spool?.id).not.toBe(neighbour.spool?.id)
  expect(existsSync(`${file}-spool`)).toBe(false)
  expect((await neighbour.spools()).map(({ folder }) => path.basename(folder)).sort()).toEqual(['a', 'b'])
})

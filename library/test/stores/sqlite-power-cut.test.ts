import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { newRecord } from '@evertoken/testing/store-contract'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { Disk, hasStrace, recordedCalls } from './power-cut.ts'
import { newStoreFile, temporaryFolder } from './sqlite-files.ts'

const cuts = 200

describe('F18: the power goes away', () => {
  test.skipIf(!hasStrace())(
    'and every change of the SQLite store that was acknowledged is there, whole (needs strace)',
    { timeout: 60_000 },
    async () => {
      const file = newStoreFile()
      const folder = path.dirname(file)
      const store = await sqliteStore(file).open()
      await store.update('a', () => ({ result: undefined, record: newRecord(store, 'a', { fence: 0 }) }))
      await store.close()
      const before = new Map(
        readdirSync(folder)
          .filter((name) => name.startsWith('tokens.db') && !name.endsWith('-spool'))
          .map((name) => [path.join(folder, name), readFileSync(path.join(folder, name))]),
      )
      const script = new URL('./sqlite-process.ts', import.meta.url)
      const task = { kind: 'record', file, id: 'a', times: 200 }
      const calls = recordedCalls(script, task, folder, path.join(temporaryFolder(), 'record'))
      expect(calls.at(-1)).toEqual({ kind: 'said', line: 'end' })
      // The log was carried over into the file, and not only at the end.
      const first = calls.findIndex((call) => call.kind === 'write' && call.file === file)
      expect(calls.slice(first).filter((call) => call.kind === 'said').length).toBeGreaterThan(10)

      const [points = []] = fc.sample(fc.array(fc.nat(calls.length), { minLength: cuts, maxLength: cuts }), 1)
      const [choices = []] = fc.sample(fc.array(fc.nat(5), { minLength: 997, maxLength: 997 }), 1)
      let chosen = 0
      const choose = (ways: number): number => (choices[chosen++ % choices.length] ?? 0) % ways
      const disk = new Disk(before)
      let at = 0
      let promised = 0
      for (const cut of [...points, calls.length].sort((a, b) => a - b)) {
        for (const call of calls.slice(at, cut)) {
          if (call.kind !== 'said') disk.apply(call)
          else if (call.line.startsWith('durable')) promised = Number(call.line.split(' ')[1])
        }
        at = cut
        const rebuilt = path.join(temporaryFolder(), 'rebuilt')
        mkdirSync(rebuilt)
        // The index of the log is no file that counts: SQLite makes it anew.
        for (const [place, content] of disk.contents(choose))
          if (path.dirname(place) === folder && !place.endsWith('-shm'))
            writeFileSync(path.join(rebuilt, path.basename(place)), content, { mode: 0o600 })
        const again = await sqliteStore(path.join(rebuilt, path.basename(file))).open()
        const record = await again.read('a')
        await again.close()
        // The last one may have been on its way.
        const fence = record?.fence ?? -1
        expect([cut, [promised, promised + 1].includes(fence), fence]).toEqual([cut, true, fence])
        if (fence > 0) expect(record?.definition).toEqual(new Uint8Array(30_000).fill(fence))
      }
    },
  )
})

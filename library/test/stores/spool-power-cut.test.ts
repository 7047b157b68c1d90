import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isEntry } from '../../src/stores/spool/entry.ts'
import { scanFrames } from '../../src/stores/spool/frame.ts'
import { type Call, type Choose, Disk, hasStrace, recordedCalls } from './power-cut.ts'
import { sealOf } from './spool-answers.ts'
import { temporaryFolder } from './sqlite-files.ts'

/** Ids in the spool if the power goes after `cut` calls, and those that must be among them. */
function afterCut(calls: readonly Call[], cut: number, choose: Choose) {
  const disk = new Disk()
  const promised = new Set<string>()
  for (const call of calls.slice(0, cut)) {
    if (call.kind !== 'said') {
      disk.apply(call)
      continue
    }
    const [word, id = ''] = call.line.split(' ')
    if (word === 'durable') promised.add(id)
    else promised.delete(id)
  }
  const spools = [...disk.contents(choose)].filter(([file]) => file.endsWith('.spool'))
  const found = spools.flatMap(([, content]) => scanFrames(content, sealOf(1)).messages)
  return {
    found: new Set(found.filter(isEntry).map(({ attempt }) => attempt.id)),
    settled: new Set(found.flatMap((message) => (isEntry(message) ? [] : message.settled))),
    promised,
  }
}

describe('F18: the power goes away', () => {
  test.skipIf(!hasStrace())(
    'and every answer that was acknowledged and not settled is in the spool, wherever it went (needs strace)',
    () => {
      const folder = temporaryFolder()
      const script = new URL('./spool-process.ts', import.meta.url)
      const spool = path.join(folder, 'spool')
      const calls = recordedCalls(
        script,
        { kind: 'record', folder: spool, count: 60 },
        folder,
        path.join(folder, 'record'),
      )
      expect(calls.filter(({ kind }) => kind === 'said').at(-1)).toEqual({ kind: 'said', line: 'end' })
      expect(calls.some(({ kind }) => kind === 'truncate')).toBe(true)
      let promises = 0
      for (let cut = 0; cut <= calls.length; cut++)
        fc.assert(
          fc.property(fc.infiniteStream(fc.nat(5)), (choices) => {
            const { found, settled, promised } = afterCut(
              calls,
              cut,
              (ways) => (choices.next().value ?? 0) % ways,
            )
            promises += promised.size
            for (const id of promised) {
              expect([cut, id, found.has(id)]).toEqual([cut, id, true])
              expect([cut, id, settled.has(id)]).toEqual([cut, id, false])
            }
          }),
          { numRuns: 8 },
        )
      expect(promises).toBeGreaterThan(1000)
    },
  )
})

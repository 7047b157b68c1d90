import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { answer } from './spool-answers.ts'
import { openedSpool } from './spools.ts'
import { temporaryFolder } from './sqlite-files.ts'

/** A disk of its own of 2 MiB; undefined where we may not make one. */
function smallDisk(): string | undefined {
  const folder = temporaryFolder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  onTestFinished(() => void execFileSync('umount', ['-l', folder]))
  return folder
}

test('F19: a disk that fills while a request is on its way does not cost the answer, and then nothing more is sent', async ({
  skip,
}) => {
  const disk = smallDisk()
  if (disk === undefined) return skip('only root may make a disk of its own')
  const filler = path.join(disk, 'filler')
  const fill = () => {
    for (const bytes of [65_536, 4096])
      try {
        for (;;) writeFileSync(filler, Buffer.alloc(bytes), { flag: 'a' })
      } catch {
        // Full.
      }
  }
  const spool = openedSpool(path.join(disk, 'spool'))
  const { owner } = spool
  await spool.ready()
  fill()
  // Room for it was held back.
  await spool.append(answer(owner, '1', { bytes: 60_000 }))
  await expect(spool.ready()).rejects.toMatchObject({
    code: 'disk_full',
    advice: expect.stringContaining('Make room'),
  })
  fill()
  await expect(spool.append(answer(owner, '2', { bytes: 60_000 }))).rejects.toMatchObject({
    code: 'disk_full',
  })
  await expect(spool.ready()).rejects.toMatchObject({ code: 'disk_full' })
  expect(spool.remains()).toEqual([])
  rmSync(filler)
  await spool.ready()
  await spool.append(answer(owner, '3'))
  await spool.close()
  const left = openedSpool(path.join(disk, 'spool')).remains()
  expect(left.flatMap(({ entries }) => entries.map(({ attempt }) => attempt.id))).toEqual(['1', '3'])
})

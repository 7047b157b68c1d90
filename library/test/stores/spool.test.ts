import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Seal } from '../../src/grants/seal.ts'
import { answer, spoolOptions } from './spool-answers.ts'
import { filesIn, left, leftBehind, openedSpool } from './spools.ts'
import { temporaryFolder } from './sqlite-files.ts'

const newFolder = (): string => path.join(temporaryFolder(), 'spool')
const mode = (file: string): number => statSync(file).mode & 0o777

describe('an answer', () => {
  test('comes back as it was written, and is gone once somebody has it', async () => {
    const folder = newFolder()
    const first = openedSpool(folder)
    const entry = answer(first.owner, 'attempt-1')
    await first.append(entry)
    await first.close()

    const second = openedSpool(folder)
    const [remains, ...others] = second.remains()
    expect(others).toEqual([])
    expect(remains?.owner).toBe(entry.attempt.owner)
    expect(remains?.entries).toEqual([entry])
    expect(second.isGone(entry.attempt.owner)).toBe(false)
    remains?.discard()
    expect(second.remains()).toEqual([])
    expect(second.isGone(entry.attempt.owner)).toBe(true)
    expect(filesIn(folder, '.spool')).toEqual([])
    expect(second.told).toEqual([])
  })

  test('of a living process is nobody else’s, and the process is not gone', async () => {
    const folder = newFolder()
    const [first, second] = [openedSpool(folder), openedSpool(folder)]
    await first.append(answer(first.owner, 'attempt-1'))
    expect(second.remains()).toEqual([])
    expect(first.remains()).toEqual([])
    expect(second.isGone(first.owner)).toBe(false)
    expect(first.isGone(first.owner)).toBe(false)
    expect(second.isGone('nobody has this id')).toBe(false)
  })

  test('that the store has is not drained', async () => {
    const folder = newFolder()
    const spool = openedSpool(folder)
    const { owner } = spool
    for (const id of ['1', '2', '3']) await spool.append(answer(owner, id))
    spool.settle('2')
    // What is settled is said with the next answer.
    await spool.append(answer(owner, '4'))
    spool.settle('never there')
    await spool.close()
    expect(left(openedSpool(folder))).toEqual(['1', '3', '4'])
  })

  test('that the store has before it is written need not be written', async () => {
    const folder = newFolder()
    const spool = openedSpool(folder)
    const appended = spool.append(answer(spool.owner, '1'))
    spool.settle('1')
    await appended
    await spool.close()
    expect(readdirSync(folder)).toEqual(['marker.json'])
  })

  test('leaves an empty file when it was the last, and no file when the process ends', async () => {
    const folder = newFolder()
    const spool = openedSpool(folder)
    const file = path.join(folder, `${spool.owner}.spool`)
    await spool.append(answer(spool.owner, '1'))
    await spool.append(answer(spool.owner, '2'))
    spool.settle('1')
    expect(statSync(file).size).toBeGreaterThan(0)
    spool.settle('2')
    // Whoever settles has a token to give out: the disk comes a turn later.
    expect(statSync(file).size).toBeGreaterThan(0)
    await new Promise(setImmediate)
    expect(statSync(file).size).toBe(0)
    await spool.append(answer(spool.owner, '3'))
    spool.settle('3')
    await spool.close()
    expect(readdirSync(folder)).toEqual(['marker.json'])
  })

  test('that is appended twice is one', async () => {
    const folder = newFolder()
    const spool = openedSpool(folder)
    const entry = answer(spool.owner, '1')
    await Promise.all([spool.append(entry), spool.append(entry)])
    await spool.append(entry)
    await spool.close()
    const next = openedSpool(folder)
    expect(left(next)).toEqual(['1'])
    expect(next.remains()[0]?.entries).toEqual([entry])
  })

  test('shares its write and its wait for the disk with all of the same moment', async () => {
    const moments: string[] = []
    const spool = openedSpool(newFolder(), { faultPoint: (name) => moments.push(name) })
    const { owner } = spool
    await Promise.all(Array.from({ length: 100 }, (_, index) => spool.append(answer(owner, `${index}`))))
    expect(moments).toEqual(['pre_spool', 'mid_spool', 'post_spool_write', 'post_spool'])
  })
})

test('nobody else may read the folder or what is in it', async () => {
  const folder = newFolder()
  const spool = openedSpool(folder)
  await spool.ready()
  await spool.append(answer(spool.owner, '1'))
  expect(mode(folder)).toBe(0o700)
  const files = ['marker.json', `${spool.owner}.spool`, `${spool.owner}.reserve`]
  for (const file of files) expect([file, mode(path.join(folder, file))]).toEqual([file, 0o600])
})

test('what is in it is encrypted', async () => {
  const folder = newFolder()
  const owner = await leftBehind(folder, ['attempt-1'])
  const text = readFileSync(path.join(folder, `${owner}.spool`), 'latin1')
  expect(text).not.toContain('Bearer')
  expect(text).not.toContain('print 2')
})

test('half an answer is written at the fault point between its halves', async () => {
  const folder = newFolder()
  const sizes: Record<string, number> = {}
  const size = () => statSync(path.join(folder, `${spool.owner}.spool`), { throwIfNoEntry: false })?.size ?? 0
  const spool = openedSpool(folder, {
    faultPoint: (name) => {
      sizes[name] = size()
    },
  })
  await spool.append(answer(spool.owner, '1'))
  expect(sizes.pre_spool).toBe(0)
  expect(sizes.mid_spool).toBe(Math.floor(size() / 2))
  expect(sizes.post_spool_write).toBe(size())
})

describe('a file', () => {
  test('that is full is followed by another, and goes when its last answer is settled', async () => {
    const folder = newFolder()
    const spool = openedSpool(folder)
    const { owner } = spool
    const large = { bytes: 1_200_000 }
    for (const id of ['1', '2', '3', '4', '5', '6', '7']) await spool.append(answer(owner, id, large))
    const count = filesIn(folder, '.spool').length
    expect(count).toBeGreaterThan(1)
    // A file that was left behind in full is drained in its order.
    for (const id of ['2', '3', '4', '5', '6', '7']) spool.settle(id)
    expect(filesIn(folder, '.spool')).toContain(`${owner}.spool`)
    await spool.append(answer(owner, '8'))
    await spool.close()
    const next = openedSpool(folder)
    expect(left(next)).toEqual(['1', '8'])
    expect(next.isGone(owner)).toBe(false)
    for (const { discard } of next.remains()) discard()
    expect(filesIn(folder, '.spool')).toEqual([])
  })

  test('holds no more than its bound; then answers are refused as on a full disk until some are settled', async () => {
    const spool = openedSpool(newFolder(), { cap: 10_000 })
    const { owner } = spool
    await spool.append(answer(owner, '1', { bytes: 4000 }))
    const refused = spool.append(answer(owner, '2', { bytes: 4000 }))
    await expect(refused).rejects.toMatchObject({ code: 'disk_full', advice: expect.any(String) })
    spool.settle('1')
    await spool.append(answer(owner, '3', { bytes: 4000 }))
  })

  test('whose owner has no lock file is left alone for a day, and drained then', async () => {
    const folder = newFolder()
    const owner = await leftBehind(folder, ['1'])
    rmSync(path.join(folder, `owner-${owner}.lock`))
    const spool = openedSpool(folder)
    expect(left(spool)).toEqual([])
    expect(spool.isGone(owner)).toBe(false)
    const past = new Date(Date.now() - 25 * 3_600_000)
    utimesSync(path.join(folder, `${owner}.spool`), past, past)
    expect(left(spool)).toEqual(['1'])
  })

  test('that cannot be read at all is told of once and stops nothing', async () => {
    const folder = newFolder()
    const [bad, good] = [await leftBehind(folder, ['1']), await leftBehind(folder, ['2'])]
    const file = path.join(folder, `${bad}.spool`)
    rmSync(file)
    // A folder in the place of the file: reading it fails for everybody, root too.
    mkdirSync(file)
    const spool = openedSpool(folder)
    expect(left(spool)).toEqual(['2'])
    expect(left(spool)).toEqual(['2'])
    expect(spool.told.map(({ code }) => code)).toEqual(['spool_unavailable'])
    expect([spool.isGone(bad), spool.isGone(good)]).toEqual([false, false])
  })
})

test('locks and files of the dead are swept once no row names them and nothing is in them', async () => {
  const folder = newFolder()
  const [full, drained, named] = [
    await leftBehind(folder, ['1']),
    await leftBehind(folder, ['2']),
    await leftBehind(folder, ['3']),
  ]
  const spool = openedSpool(folder)
  for (const { owner, discard } of spool.remains()) if (owner !== full) discard()
  const past = new Date(Date.now() - 120_000)
  for (const owner of [full, drained, named]) utimesSync(path.join(folder, `owner-${owner}.lock`), past, past)
  writeFileSync(path.join(folder, `${drained}.reserve`), 'x')
  spool.sweep(new Set([named]))
  expect(filesIn(folder, '.lock').sort()).toEqual([`owner-${full}.lock`, `owner-${named}.lock`].sort())
  expect(filesIn(folder, '.reserve')).toEqual([])
  expect(left(spool)).toEqual(['1'])
})

describe('answers that are kept', () => {
  const keep = 24 * 3_600_000

  test('can be read after the store has them, the newest of each grant', async () => {
    const folder = newFolder()
    const first = openedSpool(folder, { keep })
    const { owner } = first
    const append = async (id: string, grant: string, fence: number) => {
      await first.append(answer(owner, id, { grant, fence }))
      first.settle(id)
    }
    await append('1', 'a', 1)
    await append('2', 'a', 5)
    await append('3', 'b', 3)
    const kept = (spool: typeof first) =>
      spool.kept().map(({ grant, attempt }) => [grant, attempt.id, attempt.fence])
    expect(kept(first)).toEqual([
      ['a', '2', 5],
      ['b', '3', 3],
    ])
    await first.close()
    const second = openedSpool(folder, { keep })
    expect(second.remains()).toEqual([])
    await second.append(answer(second.owner, '4', { grant: 'a', fence: 4 }))
    expect(kept(second).sort()).toEqual([
      ['a', '2', 5],
      ['b', '3', 3],
    ])
  })

  // A host that had refreshed sixty thousand grants in a day opened all their answers at its start.
  test('stay closed unless they are wanted', async () => {
    const folder = newFolder()
    const first = openedSpool(folder, { keep })
    for (const [id, grant, fence] of [
      ['1', 'a', 1],
      ['2', 'a', 5],
      ['3', 'b', 3],
    ] as const) {
      await first.append(answer(first.owner, id, { grant, fence }))
      first.settle(id)
    }
    await first.close()
    const opened: string[] = []
    const { seal } = spoolOptions(folder)
    const counting: Seal = {
      ...seal,
      open: (box, place) => {
        opened.push(place.grant)
        return seal.open(box, place)
      },
    }
    const spool = openedSpool(folder, { keep, seal: counting })
    expect([...spool.keptGrants()].sort()).toEqual(['a', 'b'])
    expect(opened).toEqual([])
    const kept = spool.kept((grant, fence) => grant === 'a' && fence >= 5)
    expect(kept.map(({ attempt }) => attempt.id)).toEqual(['2'])
    expect(opened.filter((grant) => grant !== '')).toEqual(['a'])
  })

  test('of the dead are kept too once they are drained, and go when they are old', async () => {
    const folder = newFolder()
    const owner = await leftBehind(folder, ['1'], { keep })
    const spool = openedSpool(folder, { keep })
    for (const { discard } of spool.remains()) discard()
    expect(spool.remains()).toEqual([])
    expect(spool.isGone(owner)).toBe(true)
    expect(spool.kept().map(({ attempt }) => attempt.id)).toEqual(['1'])
    spool.sweep(new Set())
    expect(spool.kept()).toHaveLength(1)
    const past = new Date(Date.now() - keep - 1000)
    for (const name of filesIn(folder, '.kept')) utimesSync(path.join(folder, name), past, past)
    spool.sweep(new Set())
    expect(spool.kept()).toEqual([])
    expect(filesIn(folder, '.kept')).toEqual([])
  })

  test('of many files become one, with nothing lost that is newest', async () => {
    const folder = newFolder()
    const seen = new Set<string>()
    for (let fence = 1; fence <= 12; fence++) {
      const spool = openedSpool(folder, { keep })
      await spool.append(answer(spool.owner, `a-${fence}`, { grant: 'a', fence }))
      await spool.append(answer(spool.owner, `g-${fence}`, { grant: `g-${fence}`, fence }))
      for (const id of [`a-${fence}`, `g-${fence}`]) spool.settle(id)
      await spool.close()
      const file = path.join(folder, `${filesIn(folder, '.kept').find((name) => !seen.has(name))}`)
      seen.add(path.basename(file))
      const at = new Date(Date.now() - 100_000 + fence * 1000)
      utimesSync(file, at, at)
    }
    const spool = openedSpool(folder, { keep })
    spool.sweep(new Set())
    expect(filesIn(folder, '.kept')).toHaveLength(1)
    const fences = new Map(spool.kept().map(({ grant, attempt }) => [grant, attempt.fence]))
    expect(fences.get('a')).toBe(12)
    expect(fences.size).toBe(13)
  })
})

test('after closing nothing is taken any more', async () => {
  const spool = openedSpool(newFolder())
  const { owner } = spool
  await spool.append(answer(owner, '1'))
  await Promise.all([spool.close(), spool.close()])
  await expect(spool.append(answer(owner, '2'))).rejects.toMatchObject({ code: 'closed' })
  await expect(spool.ready()).rejects.toMatchObject({ code: 'closed' })
})

test('what was asked for before closing is on the disk', async () => {
  const folder = newFolder()
  const spool = openedSpool(folder)
  const appended = spool.append(answer(spool.owner, '1'))
  await spool.close()
  await appended
  expect(left(openedSpool(folder))).toEqual(['1'])
})

test('a folder that is gone refuses answers and stops nobody who reads', async () => {
  const folder = newFolder()
  const spool = openedSpool(folder)
  const { owner } = spool
  rmSync(folder, { recursive: true })
  expect(spool.remains()).toEqual([])
  expect(spool.isGone('somebody')).toBe(false)
  await expect(spool.ready()).rejects.toMatchObject({ code: 'spool_unavailable' })
  await expect(spool.append(answer(owner, '1'))).rejects.toMatchObject({
    code: 'spool_unavailable',
    advice: expect.stringContaining('folder'),
  })
})

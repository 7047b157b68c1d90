// What the dice decide, and that a seed gives it again.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startPracticeServer } from '@evertoken/testing'
import { defaultTiming } from 'evertoken'
import { expect, onTestFinished, test } from 'vitest'
import { faultPoints } from '../../library/src/grants/fault-point.ts'
import { canariesOf, searchSecrets, tokenCanaries } from './canaries.ts'
import { Dice } from './dice.ts'
import { drawFault } from './fault-plan.ts'
import { drawFate, points } from './kill-plan.ts'
import { providerClasses } from './provider-class.ts'
import { readOptions } from './run-options.ts'
import { longestHold, real, scaled } from './scale.ts'

const many = <Value>(draw: () => Value): Value[] => Array.from({ length: 2_000 }, draw)

test('a seed gives every decision again, and each process slot its own', () => {
  const fates = (seed: number, slot: number) => {
    const dice = new Dice(seed, 'kills', 'a', slot)
    return many(() => drawFate(dice, 1_000))
  }
  expect(fates(1, 0)).toEqual(fates(1, 0))
  expect(fates(1, 0)).not.toEqual(fates(1, 1))
  expect(fates(1, 0)).not.toEqual(fates(2, 0))
  const faults = (seed: number) => {
    const dice = new Dice(seed, 'faults')
    return many(() => drawFault(dice, 'strict', scaled()))
  }
  expect(faults(1)).toEqual(faults(1))
  expect(faults(1)).not.toEqual(faults(2))
})

test('every named point of the refresh and of the stores is met, and the outside as well', () => {
  const named = points.map(([point]) => point)
  expect(named).toEqual(expect.arrayContaining([...faultPoints]))
  expect(named.length).toBeGreaterThan(faultPoints.length)
  const dice = new Dice(3)
  const fates = many(() => drawFate(dice, 1_000))
  const met = new Set(
    fates.flatMap((fate) => (fate.kind === 'order' ? [fate.order.at, fate.order.instead] : [])),
  )
  expect([...met].sort()).toEqual([...named].sort())
  const share = (test: (fate: (typeof fates)[number]) => boolean) => fates.filter(test).length / fates.length
  expect(share(({ kind }) => kind === 'outside')).toBeCloseTo(0.2, 1)
  expect(share((fate) => (fate.kind === 'order' ? fate.order.does : fate.does) === 'stop')).toBeCloseTo(
    0.1,
    1,
  )
})

test('every fault is one that the practice server knows, and all kinds come', async () => {
  await using server = await startPracticeServer()
  const dice = new Dice(4)
  const faults = many(() => drawFault(dice, 'strict', scaled()))
  for (const fault of faults) server.fault(fault)
  expect(new Set(faults.map(({ kind }) => kind)).size).toBe(11)
})

test.each(providerClasses)('no request is held back for longer than a client of class %s waits', (name) => {
  for (const scale of [scaled(), scaled(5), real]) {
    const dice = new Dice(5)
    const held = many(() => drawFault(dice, name, scale)).flatMap((fault) =>
      fault.kind === 'hold_request' ? [fault.ms] : [],
    )
    expect(Math.max(...held)).toBeLessThanOrEqual(longestHold(name, scale))
    expect(Math.max(...held)).toBeGreaterThan(longestHold(name, scale) / 2)
    expect(longestHold(name, scale)).toBeLessThan(scale.timing.quiescence)
  }
})

test('the scaled times are a fiftieth of the real ones where the protocol says so', () => {
  const { deadline, quiescence } = scaled().timing
  expect([deadline * 50, quiescence * 50]).toEqual([defaultTiming.deadline, defaultTiming.quiescence])
  expect(scaled(3).timing.lease).toBe(3 * scaled().timing.lease)
})

test('a secret is found wherever it stands, and in base64', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'evertoken-canaries-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(path.join(folder, 'deep'))
  const secret = 'canary_secret_1234567890'
  const canaries = [...tokenCanaries, ...canariesOf('the secret', secret)]
  writeFileSync(path.join(folder, 'clean.log'), 'nothing here, only practice_ and canary_')
  expect(searchSecrets(folder, canaries)).toEqual([])
  writeFileSync(
    path.join(folder, 'deep', 'dirty.log'),
    Buffer.concat([Buffer.of(0, 255), Buffer.from(secret)]),
  )
  writeFileSync(path.join(folder, 'encoded.log'), `Basic ${Buffer.from(`${secret}:x`).toString('base64')}`)
  writeFileSync(path.join(folder, 'token.log'), 'Bearer practice_refresh_abc')
  expect(searchSecrets(folder, canaries).toSorted()).toEqual([
    'refresh token in token.log',
    'the secret in base64 in encoded.log',
    'the secret in deep/dirty.log',
  ])
})

test('options are read, and what makes no sense is said', () => {
  expect(
    readOptions(['--kills', '5', '--class', 'fork', '--store', 'sqlite', '--stretch', '2']),
  ).toMatchObject({
    kills: 5,
    faults: 200,
    classes: ['fork'],
    stores: ['sqlite'],
    contenders: ['evertoken'],
    scale: scaled(2),
  })
  expect(readOptions(['--timings', 'real'])).toMatchObject({ scale: real, classes: providerClasses })
  expect(readOptions(['--kills', '-3'])).toContain('--kills')
  expect(readOptions(['--kills', 'many'])).toBe('--kills must be a whole number, not many')
  expect(readOptions(['--class', 'loose'])).toContain('--class must be one of strict_probe')
  expect(readOptions(['--loudly'])).toContain('--loudly')
})

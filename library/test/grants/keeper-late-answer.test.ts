// A provider that answers after our patience has ended has spent the refresh token, and its answer is the only one.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type PracticeFault, startPracticeServer } from '@evertoken/testing'
import { expect, onTestFinished, test } from 'vitest'
import { refreshToken } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newRefreshToken } from './practised.ts'

const timing = { deadline: 150, lease: 300, quiescence: 3_000, confirmations: [200, 200] }

/** A strict login on SQLite whose next refresh meets `fault`; times are real, since a socket's are. */
async function struck(fault: PracticeFault) {
  const folder = mkdtempSync(path.join(tmpdir(), 'evertoken-late-'))
  const server = await startPracticeServer()
  const store = sqliteStore(path.join(folder, 'tokens.db'))
  const open = () => Keeper.open({ store, timing })
  const keeper = await open()
  onTestFinished(async () => {
    await keeper.close()
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const { tokenEndpoint: tokenUrl } = server
  const token = await newRefreshToken(server)
  await keeper.add('work', refreshToken({ tokenUrl, clientId: 'practice-app', refreshToken: token }))
  await keeper.getToken('work')
  server.fault(fault)
  await expect(keeper.refresh('work')).rejects.toMatchObject({ code: 'provider_timeout' })
  expect(await keeper.show('work')).toMatchObject({ state: 'active', generation: 1, unresolved: true })
  const refreshes = () => server.requests.filter(({ path }) => path === '/token').length
  return { keeper, open, server, refreshes, sent: refreshes() }
}

test.each([
  ['processed at once', { kind: 'hold_answer', ms: 600 }],
  ['processed late', { kind: 'hold_request', ms: 600 }],
] as const)('a strict login %s and answered after the deadline is kept', async (_how, fault) => {
  const { keeper, refreshes, sent } = await struck(fault)
  const told: number[] = []
  keeper.on('refreshed', ({ generation }) => told.push(generation))
  await expect
    .poll(() => keeper.show('work'))
    .toMatchObject({ state: 'active', generation: 2, unresolved: false })
  expect(told).toEqual([2])
  expect(refreshes()).toBe(sent)
  expect((await keeper.show('work')).notices.map(({ kind }) => kind)).toEqual(['at_risk', 'recovered'])
  // The refresh token that came late is the one that works.
  expect((await keeper.refresh('work')).generation).toBe(3)
})

test('what does not come until shortly before the next may be sent is waited for no more', async () => {
  const { keeper, refreshes, sent } = await struck({ kind: 'hold_answer', ms: 60_000 })
  const done = async () => (await keeper.store.read('work'))?.attempts.map(({ localDone }) => localDone)
  expect(await done()).toEqual([false])
  await expect.poll(done).toEqual([true])
  expect(refreshes()).toBe(sent)
  expect(await keeper.show('work')).toMatchObject({ state: 'active', generation: 1, unresolved: true })
})

test('closing ends the listening, and leaves word that nothing more will come', async () => {
  const { keeper, open } = await struck({ kind: 'hold_answer', ms: 60_000 })
  expect((await keeper.store.read('work'))?.attempts.map(({ localDone }) => localDone)).toEqual([false])
  await keeper.close()
  await using other = await open()
  expect((await other.store.read('work'))?.attempts.map(({ localDone }) => localDone)).toEqual([true])
})

test('a late answer is kept through a pause, which it does not end', async () => {
  const { keeper } = await struck({ kind: 'hold_request', ms: 600 })
  await keeper.pause('work')
  await expect.poll(() => keeper.show('work')).toMatchObject({ state: 'paused', generation: 2 })
})

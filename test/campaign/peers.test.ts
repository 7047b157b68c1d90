// The peers are what they are taken for: without faults each keeps its login, and their deaths are told apart.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  fingerprint,
  historyOf,
  judgeLogin,
  type LoginHistory,
  loginHistories,
  overlaps,
  type PracticeServer,
  type PracticeServerOptions,
  refreshesDone,
  refreshRequests,
  startPracticeServer,
} from '@evertoken/testing'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { readLogin, writeLogin } from './peers/login-file.ts'
import type { PeerOptions } from './peers/peer.ts'
import { heldRefreshTokens, type Peer, PeerProcess, peers } from './peers/peer-process.ts'
import { practiceLogin } from './peers/practice-login.ts'

let file: string
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-peers-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  file = join(folder, 'login.json')
})

async function start(options: PracticeServerOptions = {}): Promise<PracticeServer> {
  const server = await startPracticeServer({ lifetimes: { accessToken: 4 }, ...options })
  onTestFinished(() => server.stop())
  writeLogin(file, await practiceLogin(server.issuer, 'ann'))
  return server
}

/** A peer that refreshes every 0.4 seconds. */
function run(peer: Peer, server: PracticeServer, change: Partial<PeerOptions> = {}): PeerProcess {
  const running = new PeerProcess(peer, {
    name: 'peer',
    tokenUrl: server.tokenEndpoint,
    resourceUrl: `${server.issuer}/api/whoami`,
    clientId: 'practice-web',
    clientSecret: 'practice-web-secret',
    file,
    refreshBefore: 3.6,
    deadline: 5_000,
    interval: 20,
    retry: 500,
    stale: 10_000,
    ...change,
  })
  onTestFinished(() => running.kill())
  return running
}

const ofType = <Type extends string>(peer: PeerProcess, type: Type) =>
  peer.lines.filter((line) => line.type === type)

function historyFor(server: PracticeServer): LoginHistory {
  const history = historyOf(loginHistories(server.truth), fingerprint(readLogin(file).refresh_token))
  if (history === undefined) throw new Error('the login has no history')
  return history
}

describe.each(peers)('%s', (peer) => {
  test.each(['strict', 'none'] as const)('alone and without faults keeps its login: %s', async (rotation) => {
    const server = await start({ rotation })
    const running = run(peer, server)
    await expect.poll(() => ofType(running, 'holds').length, { timeout: 15_000 }).toBeGreaterThanOrEqual(3)
    await running.stop()
    expect(running.complaint).toBe('')
    expect(ofType(running, 'failed')).toEqual([])
    expect(ofType(running, 'call')).toSatisfy((calls: { status: number }[]) =>
      calls.every(({ status }) => status === 200),
    )
    const history = historyFor(server)
    const sent = refreshRequests(history)
    expect(sent.length).toBe(refreshesDone(history))
    expect(new Set(sent.map(({ sender }) => sender))).toEqual(new Set(['peer']))
    const held = heldRefreshTokens(file)
    expect(held).toEqual([ofType(running, 'holds').at(-1)].map((line) => Object(line).refreshToken))
    expect(judgeLogin(history, { rotation, held }).state).toBe('alive')
  })

  test('killed between the answer and the file, a strict login is lost and nobody could help it', async () => {
    const server = await start()
    const running = run(peer, server, { die: { at: 'post_recv', time: 2 } })
    expect(await running.gone).toEqual([null, 'SIGKILL'])
    const kills = [{ sender: 'peer', at: Date.now() }]
    expect(ofType(running, 'holds').length).toBe(1)
    expect(
      judgeLogin(historyFor(server), { rotation: 'strict', held: heldRefreshTokens(file), kills }),
    ).toMatchObject({ state: 'lost', avoidable: false, cause: 'killed_before_durable' })
  })

  test('killed before its send or after the file, the next process goes on', async () => {
    const server = await start()
    for (const at of ['pre_send', 'post_commit'] as const)
      expect(await run(peer, server, { die: { at, time: 1 }, stale: 200 }).gone).toEqual([null, 'SIGKILL'])
    const next = run(peer, server, { stale: 200 })
    await expect.poll(() => ofType(next, 'holds').length, { timeout: 15_000 }).toBe(1)
    await next.stop()
    expect(judgeLogin(historyFor(server), { rotation: 'strict', held: heldRefreshTokens(file) }).state).toBe(
      'alive',
    )
  })

  test('refreshes when the API refuses its token', async () => {
    const server = await start({ lifetimes: { accessToken: 3_600 } })
    writeLogin(file, { ...readLogin(file), access_token: 'dead' })
    const running = run(peer, server)
    await expect.poll(() => ofType(running, 'call').length, { timeout: 15_000 }).toBeGreaterThan(1)
    await running.stop()
    expect(ofType(running, 'call').slice(0, 2)).toMatchObject([{ status: 401 }, { status: 200 }])
    expect(ofType(running, 'holds').length).toBe(1)
  })
})

test('under a lock file four processes send one request for each refresh', async () => {
  const server = await start()
  const four = ['a', 'b', 'c', 'd'].map((name) => run('lock-file', server, { name }))
  await expect.poll(() => refreshesDone(historyFor(server)), { timeout: 15_000 }).toBeGreaterThanOrEqual(3)
  await Promise.all(four.map((peer) => peer.stop()))
  const history = historyFor(server)
  expect(refreshRequests(history).length).toBe(refreshesDone(history))
  expect(overlaps(history)).toEqual([])
  expect(judgeLogin(history, { rotation: 'strict', held: heldRefreshTokens(file) }).state).toBe('alive')
})

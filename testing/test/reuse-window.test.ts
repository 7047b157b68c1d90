import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type PracticeServer,
  type PracticeServerOptions,
  startPracticeServer,
} from '../src/practice-server.ts'
import { asks, login, refresh, type Tokens, tokensOf } from './requests.ts'

const windowed = ['idempotent', 'last_child_wins', 'fork'] as const

let folder: string
let server: PracticeServer | undefined
let now: number
beforeEach(() => {
  now = 1_800_000_000_000
  folder = mkdtempSync(join(tmpdir(), 'evertoken-'))
})
afterEach(async () => {
  await server?.stop()
  rmSync(folder, { recursive: true })
})

/** Starts a server on the test's journal; again is a restart. */
async function start(options: PracticeServerOptions): Promise<PracticeServer> {
  const port = server?.port ?? 0
  await server?.stop()
  const stateFile = join(folder, 'practice.jsonl')
  server = await startPracticeServer({ now: () => now, stateFile, port, ...options })
  return server
}

/** A login whose refresh token was used once. */
async function usedOnce(running: PracticeServer): Promise<{ parent: string; child: Tokens }> {
  const first = await login(running)
  return { parent: first.refresh, child: tokensOf(await refresh(running, first.refresh)) }
}

describe('idempotent', () => {
  test('gives the same pair with what is left of its life, also after a restart', async () => {
    let running = await start({ rotation: 'idempotent' })
    const { parent, child } = await usedOnce(running)
    now += 10_000
    running = await start({ rotation: 'idempotent' })
    const again = await refresh(running, parent)
    expect(tokensOf(again)).toEqual(child)
    expect(again.json).toMatchObject({ expires_in: 290, scope: 'read write' })
    expect(running.requests.at(-1)?.outcome).toBe('repeated')
    expect((await refresh(running, child.refresh)).status).toBe(200)
    expect(tokensOf(await refresh(running, parent))).toEqual(child)
  })

  test('leaves no token in the journal', async () => {
    const running = await start({ rotation: 'idempotent' })
    const { parent, child } = await usedOnce(running)
    const text = readFileSync(join(folder, 'practice.jsonl'), 'utf8')
    for (const secret of [parent, child.access, child.refresh]) expect(text).not.toContain(secret)
  })
})

describe('last_child_wins', () => {
  test('gives another child, and the earlier one is dead', async () => {
    let running = await start({ rotation: 'last_child_wins', reuseKillsFamily: false })
    const { parent, child } = await usedOnce(running)
    running = await start({ rotation: 'last_child_wins', reuseKillsFamily: false })
    const second = tokensOf(await refresh(running, parent))
    expect(second.refresh).not.toBe(child.refresh)
    running = await start({ rotation: 'last_child_wins', reuseKillsFamily: false })
    expect(running.introspect(child.refresh)).toEqual({ active: false })
    expect(await refresh(running, child.refresh)).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant', error_description: 'the refresh token was used before' },
    })
    expect((await asks(running, child.access)).status).toBe(200)
    expect((await refresh(running, second.refresh)).status).toBe(200)
  })

  test('a child that was used closes the window of its parent', async () => {
    const running = await start({ rotation: 'last_child_wins' })
    const { parent, child } = await usedOnce(running)
    const grandchild = tokensOf(await refresh(running, child.refresh))
    expect((await refresh(running, parent)).json.error).toBe('invalid_grant')
    expect((await refresh(running, grandchild.refresh)).json.error_description).toBe(
      'the login is revoked: refresh_token_reused',
    )
  })
})

test('fork gives a further child, and both live', async () => {
  let running = await start({ rotation: 'fork' })
  const { parent, child } = await usedOnce(running)
  running = await start({ rotation: 'fork' })
  const second = tokensOf(await refresh(running, parent))
  expect(second.refresh).not.toBe(child.refresh)
  for (const token of [child.refresh, second.refresh])
    expect((await refresh(running, token)).status).toBe(200)
})

describe.each(windowed)('%s outside of its window', (rotation) => {
  test('the last millisecond is inside, the next kills the family', async () => {
    const running = await start({ rotation, reuseWindow: 20 })
    const { parent } = await usedOnce(running)
    now += 19_999
    const last = tokensOf(await refresh(running, parent))
    now += 1
    expect((await refresh(running, parent)).json.error).toBe('invalid_grant')
    expect((await asks(running, last.access)).status).toBe(401)
  })

  test('with reuseKillsFamily false only the request fails', async () => {
    const running = await start({ rotation, reuseWindow: 0, reuseKillsFamily: false })
    const { parent, child } = await usedOnce(running)
    expect((await refresh(running, parent)).json.error_description).toBe('the refresh token was used before')
    expect((await refresh(running, child.refresh)).status).toBe(200)
  })
})

test('a window that is no number of seconds is refused', async () => {
  await expect(startPracticeServer({ reuseWindow: -1 })).rejects.toThrow(
    'reuseWindow must be a number of seconds from 0, not -1',
  )
})

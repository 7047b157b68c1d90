import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import {
  fingerprint,
  historyOf,
  judgeLogin,
  type LoginVerdict,
  type LossEvidence,
  loginHistories,
  type PracticeFault,
  type PracticeServer,
  type Rotation,
  startPracticeServer,
} from '../src/practice-server.ts'
import { login, post, refresh, type Tokens, tokensOf } from './requests.ts'

let now: number
let server: PracticeServer
let first: Tokens
beforeEach(() => {
  now = 1_800_000_000_000
})

async function start(rotation: Rotation): Promise<void> {
  server = await startPracticeServer({ now: () => now, rotation, reuseWindow: 30 })
  onTestFinished(() => server.stop())
  first = await login(server)
}

/** A refresh of `sender` that meets a fault, or none; what it gives is forgotten. */
async function meets(token: string, fault?: PracticeFault, sender = 'a'): Promise<void> {
  if (fault !== undefined) server.fault(fault)
  await refresh(server, token, undefined, sender).catch(() => undefined)
  await expect.poll(() => server.truth.at(-1)?.type).toBe('answered')
}

/** A request that the server holds until its client is gone, and processes only when {@link release}d. */
async function held(token: string, sender: string): Promise<{ release: () => Promise<void> }> {
  server.fault({ kind: 'process_when_client_gone' })
  const leaving = new AbortController()
  const body = { grant_type: 'refresh_token', client_id: 'practice-app', refresh_token: token }
  const left = fetch(server.tokenEndpoint, {
    method: 'POST',
    body: new URLSearchParams(body),
    headers: { 'x-practice-sender': sender },
    signal: leaving.signal,
  }).catch(() => 'left')
  await expect.poll(() => server.requests.at(-1)?.fault).toBe('process_when_client_gone')
  const number = server.requests.at(-1)?.number
  return {
    release: async () => {
      leaving.abort()
      await left
      await expect
        .poll(() => server.truth.find(({ request, type }) => request === number && type === 'processed'))
        .toBeDefined()
    },
  }
}

function verdict(evidence: Partial<LossEvidence> & { tokens?: readonly string[] }): LoginVerdict {
  const { tokens = [first.refresh], ...rest } = evidence
  const history = historyOf(loginHistories(server.truth), fingerprint(first.refresh))
  if (history === undefined) throw new Error('the login has no history')
  return judgeLogin(history, { rotation: 'strict', held: tokens.map(fingerprint), ...rest })
}

const drop: PracticeFault = { kind: 'drop_answer' }

describe('a login is alive', () => {
  test('while the client holds its live refresh token, whatever else it holds', async () => {
    await start('strict')
    const second = tokensOf(await refresh(server, first.refresh))
    expect(verdict({ tokens: [first.refresh, second.refresh] })).toEqual({
      state: 'alive',
      live: [fingerprint(second.refresh)],
      familyKill: undefined,
    })
  })

  test('after a fault before the processing, or one that a replay mended', async () => {
    await start('idempotent')
    await meets(first.refresh, { kind: 'drop_request' })
    expect(verdict({ rotation: 'idempotent' }).state).toBe('alive')
    await meets(first.refresh, drop)
    const second = tokensOf(await refresh(server, first.refresh))
    expect(verdict({ rotation: 'idempotent', tokens: [second.refresh] }).state).toBe('alive')
  })

  test('and one that was revoked was not lost', async () => {
    await start('strict')
    await post(server, { token: first.refresh, client_id: 'practice-app' }, {}, '/revoke')
    expect(verdict({ tokens: [] })).toMatchObject({ state: 'revoked', live: [] })
  })
})

describe('strict: nobody could have helped it when', () => {
  beforeEach(() => start('strict'))

  test.each<[PracticeFault, string]>([
    [drop, 'answer_lost'],
    [{ kind: 'cut_answer', bytes: 40 }, 'answer_lost'],
    [{ kind: 'fail_after', status: 502 }, 'answer_lost'],
    [{ kind: 'replace_answer', body: '{' }, 'answer_lost'],
  ])('the answer was truly lost: %j', async (fault, cause) => {
    await meets(first.refresh, fault)
    expect(verdict({})).toMatchObject({
      state: 'lost',
      avoidable: false,
      cause,
      request: { presented: fingerprint(first.refresh), sender: 'a' },
    })
  })

  test('the request was processed after its client had gone', async () => {
    const { release } = await held(first.refresh, 'a')
    await release()
    expect(verdict({})).toMatchObject({ avoidable: false, cause: 'processed_late' })
  })

  test('the process with the answer was killed before it could have been durable', async () => {
    await meets(first.refresh)
    const kills = [{ sender: 'a', at: now + 200 }]
    expect(verdict({ kills })).toMatchObject({ avoidable: false, cause: 'killed_before_durable' })
    expect(verdict({ kills: [{ sender: 'b', at: now + 200 }] })).toMatchObject({ cause: 'answer_dropped' })
    expect(verdict({ kills: [{ sender: 'a', at: now + 2_000 }] })).toMatchObject({ cause: 'answer_dropped' })
    expect(verdict({ kills, timing: { handover: 100 } })).toMatchObject({ cause: 'answer_dropped' })
  })

  test('the process with the answer stood still, and was killed as soon as it went on', async () => {
    await meets(first.refresh)
    const kills = [{ sender: 'a', at: now + 2_700 }]
    const stops = [{ sender: 'a', from: now + 5, until: now + 2_600 }]
    expect(verdict({ kills, stops })).toMatchObject({ avoidable: false, cause: 'killed_before_durable' })
    expect(verdict({ kills, stops: [{ ...stops[0]!, sender: 'b' }] })).toMatchObject({
      cause: 'answer_dropped',
    })
    expect(verdict({ kills: [{ sender: 'a', at: now + 3_700 }], stops })).toMatchObject({
      cause: 'answer_dropped',
    })
  })

  test('the process with the answer stood still, until another no longer had to wait for it', async () => {
    const second = tokensOf(await refresh(server, first.refresh, undefined, 'a'))
    const from = now + 10
    now += 120_000
    await meets(first.refresh, undefined, 'b')
    // It went on afterwards, and has the token now that it is dead.
    const tokens = [second.refresh]
    const stops = [{ sender: 'a', from, until: now + 10_000 }]
    expect(verdict({ tokens, stops })).toMatchObject({
      avoidable: false,
      cause: 'stopped_before_durable',
      familyKill: { alreadyLost: false, request: { sender: 'b' } },
    })
    expect(verdict({ tokens, stops: [{ sender: 'a', from, until: now - 2_000 }] })).toMatchObject({
      avoidable: true,
      cause: 'family_killed',
    })
    expect(verdict({ tokens, stops, timing: { quiescence: 121_000 } })).toMatchObject({
      cause: 'family_killed',
    })
  })

  test('the live refresh token is on a host that never came back', async () => {
    const second = tokensOf(await refresh(server, first.refresh))
    const unreachable = [fingerprint(second.refresh)]
    expect(verdict({ unreachable })).toMatchObject({ avoidable: false, cause: 'host_gone' })
    await meets(first.refresh)
    expect(verdict({ unreachable })).toMatchObject({
      avoidable: false,
      cause: 'host_gone',
      familyKill: { alreadyLost: true },
    })
  })

  test('a late replay killed a family of which nobody had the live token any more', async () => {
    await meets(first.refresh, drop)
    await meets(first.refresh, undefined, 'b')
    expect(verdict({})).toMatchObject({
      live: [],
      avoidable: false,
      cause: 'answer_lost',
      request: { sender: 'a' },
      familyKill: { alreadyLost: true, request: { sender: 'b' } },
    })
  })

  test('a request was processed later than anybody waits, after another had been sent', async () => {
    const { release } = await held(first.refresh, 'a')
    now += 120_000
    const second = tokensOf(await refresh(server, first.refresh, undefined, 'b'))
    await release()
    const evidence = { tokens: [second.refresh] }
    expect(verdict(evidence)).toMatchObject({
      avoidable: false,
      cause: 'processed_late',
      familyKill: { alreadyLost: false, request: { sender: 'a' } },
    })
    expect(verdict({ ...evidence, timing: { quiescence: 200_000 } })).toMatchObject({
      avoidable: true,
      cause: 'family_killed',
    })
  })

  test('a process was stopped just before its send', async () => {
    const from = now
    now += 130_000
    const second = tokensOf(await refresh(server, first.refresh, undefined, 'b'))
    await meets(first.refresh, undefined, 'a')
    const evidence = { tokens: [second.refresh], stops: [{ sender: 'a', from, until: now }] }
    expect(verdict(evidence)).toMatchObject({ avoidable: false, cause: 'stopped_before_send' })
    expect(verdict({ ...evidence, timing: { quiescence: 150_000 } })).toMatchObject({
      avoidable: true,
      cause: 'family_killed',
    })
  })
})

describe('strict: a better client would have kept it when', () => {
  beforeEach(() => start('strict'))

  test('a used refresh token was sent while the client had the live one', async () => {
    const second = tokensOf(await refresh(server, first.refresh, undefined, 'a'))
    await meets(first.refresh, undefined, 'b')
    for (const evidence of [
      { tokens: [second.refresh] },
      { tokens: [], kept: [fingerprint(second.refresh)] },
      // A kill of the sender cannot excuse what it had made durable.
      { tokens: [], kept: [fingerprint(second.refresh)], kills: [{ sender: 'a', at: now }] },
    ])
      expect(verdict(evidence)).toMatchObject({
        avoidable: true,
        cause: 'family_killed',
        request: { sender: 'b' },
        familyKill: { alreadyLost: false },
      })
  })

  test('the answer arrived, nobody died, and nobody has it', async () => {
    await meets(first.refresh)
    expect(verdict({})).toMatchObject({ avoidable: true, cause: 'answer_dropped' })
  })

  test('the client had used the live refresh token and has forgotten it', async () => {
    const second = tokensOf(await refresh(server, first.refresh))
    await meets(second.refresh, { kind: 'fail_before', status: 503 })
    expect(verdict({})).toMatchObject({ avoidable: true, cause: 'token_discarded' })
  })
})

describe.each(['idempotent', 'last_child_wins', 'fork'] as const)('%s: a lost answer', (rotation) => {
  beforeEach(async () => {
    await start(rotation)
    await meets(first.refresh, drop)
  })

  test('could have been had again by whoever lived inside the window', () => {
    expect(verdict({ rotation })).toMatchObject({ avoidable: true, cause: 'window_missed' })
    const absences = [{ from: now + 9_000, until: now + 60_000 }]
    expect(verdict({ rotation, absences, timing: { lease: 8_000 } })).toMatchObject({
      cause: 'window_missed',
    })
  })

  test('is lost for good when nobody lived inside the window for long enough', () => {
    const absences = [
      { from: now + 15_000, until: now + 40_000 },
      { from: now, until: now + 5_000 },
    ]
    expect(verdict({ rotation, absences })).toMatchObject({ avoidable: false, cause: 'answer_lost' })
  })

  test('is lost for good when the replay was lost as well', async () => {
    now += 10_000
    await meets(first.refresh, drop, 'b')
    expect(verdict({ rotation })).toMatchObject({ avoidable: false, cause: 'answer_lost' })
  })

  test('a replay after the window, when a live child is held, is our own kill', async () => {
    now += 10_000
    const second = tokensOf(await refresh(server, first.refresh))
    now += 20_000
    await meets(first.refresh)
    expect(verdict({ rotation, tokens: [second.refresh] })).toMatchObject({
      avoidable: true,
      cause: 'family_killed',
    })
  })
})

// The answer that was lost first was taken for the loss, minutes before the login was lost.
test('fork: a child that nobody has missed is no loss, though it lives', async () => {
  await start('fork')
  await meets(first.refresh, drop)
  now += 10_000
  const second = tokensOf(await refresh(server, first.refresh, undefined, 'b'))
  now += 3_600_000
  await meets(second.refresh, drop, 'c')
  now += 40_000
  await meets(second.refresh, undefined, 'd')
  const lost = verdict({
    rotation: 'fork',
    tokens: [second.refresh],
    absences: [{ from: now - 40_000, until: now }],
  })
  expect(lost).toMatchObject({ state: 'lost', avoidable: false, request: { sender: 'c' } })
})

describe('last_child_wins: an old request that kills the family', () => {
  test.each([
    [5_000, false, 'processed_late'],
    [4_999, true, 'family_killed'],
  ])('when the child was used %i ms after its send', async (wait, avoidable, cause) => {
    await start('last_child_wins')
    const { release } = await held(first.refresh, 'a')
    const second = tokensOf(await refresh(server, first.refresh, undefined, 'b'))
    now += wait
    const third = tokensOf(await refresh(server, second.refresh, undefined, 'b'))
    await release()
    // A window of 30 s has room for two requests of 12.5 s each, and so for a wait of 5 s.
    expect(verdict({ rotation: 'last_child_wins', tokens: [third.refresh] })).toMatchObject({
      avoidable,
      cause,
      familyKill: { alreadyLost: false, request: { sender: 'a' } },
    })
  })
})

test('none: the one refresh token is never lost by an answer', async () => {
  await start('none')
  await meets(first.refresh, drop)
  expect(verdict({ rotation: 'none' }).state).toBe('alive')
  expect(verdict({ rotation: 'none', tokens: [] })).toMatchObject({
    avoidable: true,
    cause: 'token_discarded',
  })
})

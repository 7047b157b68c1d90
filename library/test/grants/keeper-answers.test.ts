import type { RespondRequest, ScriptedResponse } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { practised } from './practised.ts'

const minute = 60_000
const json = (body: object): ScriptedResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})
const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
/** An id_token as far as anybody looks at it. */
const idTokenOf = (sub: string): string => `${encoded({ alg: 'none' })}.${encoded({ sub })}.`

/** A login at a provider whose every answer the test writes; refresh tokens that it was sent, in order. */
async function scripted(answer: (presented: string, request: RespondRequest) => ScriptedResponse) {
  const at = await practised()
  const presented: string[] = []
  at.answerWith((request) => {
    if (request.path !== '/token' || request.parameters.grant_type !== 'refresh_token') return undefined
    presented.push(request.parameters.refresh_token ?? '')
    return answer(request.parameters.refresh_token ?? '', request)
  })
  await at.keeper.add('work', await at.imported({ refreshToken: 'r0' }))
  return { ...at, presented }
}

describe('a refresh token that comes with something that is no access token', () => {
  test('is kept, and proved by using it', async () => {
    const at = await scripted((sent) =>
      json(
        sent === 'r0' ? { refresh_token: 'r1' } : { access_token: 'a', refresh_token: 'r2', expires_in: 60 },
      ),
    )
    expect(await at.run(at.keeper.tend('work'))).toMatchObject({
      kind: 'failed',
      outcome: { verdict: 'ambiguous', failure: { code: 'provider_answer_unusable' } },
    })
    await at.pass(250)
    expect(await at.run(at.keeper.tend('work'))).toMatchObject({ kind: 'refreshed' })
    expect(at.presented).toEqual(['r0', 'r1'])
    expect(await at.keeper.show('work')).toMatchObject({ state: 'active', generation: 1, failures: 0 })
  })

  // Four times a second, for as long as the provider answered so.
  test('for ever is asked for ever less often', async () => {
    let count = 0
    const at = await scripted(() => {
      count += 1
      return json({ refresh_token: `r${count}` })
    })
    for (let passed = 0; passed < 60; passed++) {
      await at.run(at.keeper.tend('work'))
      await at.pass(500)
    }
    expect(count).toBeGreaterThan(4)
    expect(count).toBeLessThan(10)
    // Each was bought with the one before: none was dropped.
    expect(at.presented).toEqual(Array.from({ length: count }, (_, index) => `r${index}`))
  })
})

describe('an answer for another subject', () => {
  async function switched() {
    const at = await scripted((sent) => {
      const number = Number(sent.slice(1)) + 1
      const subject = number === 1 ? 'ada' : 'bob'
      return json({
        access_token: `a${number}`,
        refresh_token: `r${number}`,
        id_token: idTokenOf(subject),
        expires_in: 3600,
      })
    })
    const notices: string[] = []
    at.keeper.on('notice', ({ kind }) => notices.push(kind))
    expect((await at.run(at.keeper.getToken('work'))).value).toBe('a1')
    await at.clock.advance(50 * minute)
    await at.run(at.keeper.tend('work'))
    return { ...at, notices }
  }

  test('is served to nobody, and an operator is told', async () => {
    const { keeper, clock, run, failure, notices, presented } = await switched()
    expect(await keeper.show('work')).toMatchObject({
      state: 'quarantined',
      reason: 'the provider answered for another subject than before',
      candidates: 1,
      generation: 1,
    })
    expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'grant_quarantined' })
    expect(notices).toEqual(['quarantined'])
    expect((await keeper.notices()).map(({ kind, grant }) => [kind, grant])).toEqual([
      ['quarantined', 'work'],
    ])
    await clock.advance(60 * minute)
    expect((await run(keeper.tend('work'))).kind).toBe('dead')
    expect(presented).toEqual(['r0', 'r1'])
  })

  test('goes on with what it brought when the operator says so', async () => {
    const { keeper, run, presented } = await switched()
    await keeper.resume('work')
    expect(await keeper.show('work')).toMatchObject({ state: 'active', candidates: 0 })
    await run(keeper.refresh('work'))
    expect(presented).toEqual(['r0', 'r1', 'r2'])
    expect(await run(keeper.getToken('work'))).toMatchObject({ value: 'a3' })
    expect(await keeper.show('work')).toMatchObject({ state: 'active' })
  })
})

// It was sent after the consent, so its answer looked like one of the new login, and would have been tried in its place.
test('an answer that was asked for before a consent is no candidate of the new login', async () => {
  const file = newStoreFile()
  const at = await practised({
    practice: { rotation: 'idempotent' },
    store: (clock) => sqliteStore(file, { clock }),
  })
  await at.keeper.add('work', at.app({ replayClass: 'idempotent', reuseWindow: 60 }))
  await at.login('work')
  await at.clock.advance(50 * minute)
  const other = await at.another()
  let find = (): void => undefined
  const asked = new Promise<void>((resolve) =>
    at.answerWith(({ path }) => {
      if (!path.startsWith('/.well-known/')) return undefined
      resolve()
      return new Promise((answer) => (find = () => answer(undefined)))
    }),
  )
  const tending = other.tend('work')
  await asked
  await at.clock.advance(10)
  await at.login('work')
  const before = at.tokenRequests().length
  find()
  expect((await at.run(tending)).kind).toBe('held')
  expect(at.tokenRequests()).toHaveLength(before + 1)
  expect(await at.keeper.show('work')).toMatchObject({ state: 'active', generation: 2, candidates: 0 })
})

import { expect, test } from 'vitest'
import { type Practised, practised } from './practised.ts'

const second = 1000
const minute = 60 * second

const json = (body: unknown, status: number) => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

/** What a worker does meanwhile: every second it takes what is due. */
async function worked({ keeper, clock, pass }: Practised, ms: number): Promise<void> {
  for (const until = clock.boot() + ms; clock.boot() < until; ) {
    const { begun } = await keeper.tendDue(64)
    for (const result of begun.values()) result.catch(() => undefined)
    await pass(second)
  }
}

async function withLogins(count: number) {
  const at = await practised()
  const names = Array.from({ length: count }, (_, index) => `login-${index}`)
  for (const name of names) await at.keeper.add(name, await at.imported())
  await worked(at, 10 * second)
  return { ...at, names }
}

// F14
test('a provider that refuses everybody for ten minutes ends no login', async () => {
  const at = await withLogins(12)
  await at.pass(50 * minute, 5 * minute)
  at.answerWith(json({ error: 'invalid_grant', error_description: 'a bad day' }, 400))
  await worked(at, 12 * minute)
  const meanwhile = await at.keeper.list()
  expect(meanwhile.map(({ state }) => state)).not.toContain('reauthorization_required')
  // Whoever was refused before it was clear that all are is a suspect, and no more than that.
  expect(meanwhile.filter(({ state }) => state === 'suspect').length).toBeLessThan(5)
  at.answerWith(undefined)
  await worked(at, 35 * minute)
  const healed = await at.keeper.list()
  expect(healed.map(({ state, generation }) => [state, generation])).toEqual(
    at.names.map(() => ['active', 2]),
  )
}, 60_000)

test('one dead login among many is believed', async () => {
  const at = await withLogins(12)
  await at.pass(45 * minute, 5 * minute)
  const refused = json({ error: 'invalid_grant' }, 400)
  let dead: string | undefined
  at.answerWith(({ parameters }) => {
    const token = parameters.refresh_token
    dead ??= token
    return token === dead ? refused : undefined
  })
  await worked(at, 15 * minute)
  const states = (await at.keeper.list()).map(({ state }) => state)
  expect(states.filter((state) => state === 'reauthorization_required')).toHaveLength(1)
  expect(states.filter((state) => state === 'active')).toHaveLength(11)
}, 60_000)

test('a provider that is down is left alone but for one try at a time, and all go on when it is back', async () => {
  const at = await practised()
  const names = Array.from({ length: 30 }, (_, index) => `service-${index}`)
  at.answerWith(json({ error: 'temporarily_unavailable' }, 503))
  for (const name of names) await at.keeper.add(name, at.service())
  await worked(at, second)
  const first = at.tokenRequests().length
  await worked(at, 60 * second)
  // The breaker's pauses are 5, 10, 20 and 40 seconds long, and somebody may come a moment later.
  expect(at.tokenRequests().length - first).toBeLessThanOrEqual(5)
  at.answerWith(undefined)
  await worked(at, 2 * minute)
  const generations = (await at.keeper.list()).map(({ generation }) => generation)
  expect(generations).toEqual(names.map(() => 1))
}, 60_000)

// It said that another process was at it, or the provider slow, a moment after it was asked.
test('who asks for a first token while the provider is left alone is told so, and for how long', async () => {
  const at = await practised()
  at.answerWith(json({ error: 'temporarily_unavailable' }, 503))
  for (let index = 0; index < 5; index += 1) await at.keeper.add(`service-${index}`, at.service())
  await worked(at, second)
  const sent = at.tokenRequests().length
  await at.keeper.add('new', at.service())
  // Its pauses grow beyond what a reader waits.
  for (let pauses = 0; pauses < 2; pauses += 1) await worked(at, 10 * second)
  const before = at.tokenRequests().length
  expect(before).toBeGreaterThan(sent)
  await at.keeper.add('newer', at.service())
  const error = await at.failure(at.keeper.getToken('newer'))
  expect(error).toMatchObject({
    code: 'token_unavailable',
    grant: 'newer',
    message: expect.stringMatching(
      /^grant newer: nothing is sent to its provider now, which has failed for this client .*; next try in \d+ s$/,
    ),
    retryAfter: expect.any(Number),
    advice: expect.stringContaining('evertoken refresh newer does not wait'),
  })
  expect(at.tokenRequests().length).toBe(before)
})

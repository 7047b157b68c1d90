import { describe, expect, test } from 'vitest'
import { imported, practisedBroker } from './practised-broker.ts'

const times = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** A broker with logins that the provider refuses for certain, and so a notice for each. */
async function lostLogins(...names: string[]) {
  const broker = await practisedBroker({
    practice: {
      respond: ({ path }) =>
        path === '/token'
          ? {
              status: 400,
              headers: { 'content-type': 'application/json' },
              body: '{"error":"interaction_required"}',
            }
          : undefined,
    },
  })
  for (const name of names) {
    await broker.keeper.add(name, imported(broker.practice, `refresh-token-of-${name}`))
    await expect(broker.keeper.getToken(name)).rejects.toMatchObject({ code: 'reauthorization_required' })
  }
  return broker
}

describe('GET /v1/notices', () => {
  test('tells what people must know, and no token', async () => {
    const { send, adminKey } = await lostLogins('work')
    const answer = await send('GET', '/v1/notices', { key: adminKey })
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toEqual({
      notices: [
        {
          number: expect.any(Number),
          grant: 'work',
          kind: 'reauthorization_required',
          epoch: 1,
          at: expect.stringMatching(times),
          message: expect.stringContaining('interaction_required'),
        },
      ],
    })
    expect(answer.body).not.toContain('refresh-token-of')
  })

  test('goes through all of them, a page at a time, and from where somebody stopped', async () => {
    const { send, adminKey } = await lostLogins('a', 'b', 'c')
    const seen: string[] = []
    let url = '/v1/notices?limit=2'
    for (;;) {
      const { notices, next } = (await send('GET', url, { key: adminKey })).json()
      seen.push(...notices.map(({ grant }: { grant: string }) => grant))
      if (next === undefined) {
        const newest = notices.at(-1).number
        const later = await send('GET', `/v1/notices?after=${newest}`, { key: adminKey })
        expect(later.json()).toEqual({ notices: [] })
        break
      }
      url = `/v1/notices?limit=2&after=${next}`
    }
    expect(seen).toEqual(['a', 'b', 'c'])
  })

  test('stand at the grant as well, and outlive it', async () => {
    const { send, adminKey } = await lostLogins('work')
    const grant = (await send('GET', '/v1/grants/work', { key: adminKey })).json()
    expect(grant).toMatchObject({
      state: 'reauthorization_required',
      replay_class: 'strict',
      notices: [{ kind: 'reauthorization_required', epoch: 1 }],
    })
    await send('DELETE', '/v1/grants/work', { key: adminKey })
    expect((await send('GET', '/v1/notices', { key: adminKey })).json().notices).toMatchObject([
      { grant: 'work', kind: 'reauthorization_required' },
    ])
  })

  test.each(['after=-1', 'after=x', 'limit=0', 'limit=1001', 'grant=work'])('refuses ?%s', async (query) => {
    const { send, adminKey } = await practisedBroker()
    const answer = await send('GET', `/v1/notices?${query}`, { key: adminKey })
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'invalid_request'])
  })
})

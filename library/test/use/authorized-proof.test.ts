import { describe, expect, test } from 'vitest'
import { authorizedFetch } from '../../src/use/authorized-fetch.ts'
import { numberedSource } from './numbered-source.ts'
import { practiceKey } from './refusing-api.ts'

const api = 'https://api.example/users?page=2'

interface Answer {
  readonly status: number
  readonly nonce?: string
  readonly asks?: boolean
}

/** A source of bound tokens, and an API that answers in turn and afterwards with 200. */
function bound(...answers: Answer[]) {
  const { source, rejected } = numberedSource('DPoP', practiceKey())
  const sent: (readonly [string | null, string | null])[] = []
  const bodies: string[] = []
  const unread: number[] = []
  const call = authorizedFetch(source, {
    fetch: async (input, init) => {
      const request = new Request(input, init)
      const { headers } = request
      bodies.push(`${request.method} ${await request.text()}`)
      sent.push([headers.get('authorization'), headers.get('dpop')])
      const { status, nonce, asks = false } = answers.shift() ?? { status: 200 }
      const count = sent.length
      return new Response(new ReadableStream({ cancel: () => void unread.push(count) }), {
        status,
        headers: {
          ...(nonce !== undefined && { 'DPoP-Nonce': nonce }),
          ...(asks && { 'WWW-Authenticate': 'DPoP error="use_dpop_nonce", error_description="x"' }),
        },
      })
    },
  })
  return { call, sent, rejected, bodies, unread }
}

describe('a token that is bound to a key', () => {
  test('goes with a proof for each request', async () => {
    const { call, sent } = bound()
    await call(api, { method: 'put' })
    await call(new Request(api, { method: 'DELETE' }))
    expect(sent).toEqual([
      ['DPoP token-1', 'PUT /users?page=2 none'],
      ['DPoP token-1', 'DELETE /users?page=2 none'],
    ])
  })

  test('is sent once more with the nonce that the API asks for, and not reported', async () => {
    const { call, sent, rejected, unread } = bound({ status: 401, nonce: 'n1', asks: true })
    expect((await call(api)).status).toBe(200)
    expect(unread).toEqual([1])
    expect(sent.map(([, proof]) => proof)).toEqual(['GET /users?page=2 none', 'GET /users?page=2 n1'])
    expect(rejected).toEqual([])
    await call(api)
    expect(sent[2]?.[1]).toBe('GET /users?page=2 n1')
  })

  test('takes method and body along, both times', async () => {
    const { call, bodies } = bound({ status: 401, nonce: 'n1', asks: true })
    await call(api, { method: 'PUT', body: 'text' })
    expect(bodies).toEqual(['PUT text', 'PUT text'])
  })

  test('keeps the nonce of an answer that is none of a refusal', async () => {
    const { call, sent } = bound({ status: 200, nonce: 'n1', asks: true })
    await call(api)
    await call(api)
    expect(sent.map(([, proof]) => proof)).toEqual(['GET /users?page=2 none', 'GET /users?page=2 n1'])
  })

  test('before an API that never has enough of nonces is sent twice, and its answer comes back', async () => {
    const { call, sent, rejected } = bound(
      { status: 401, nonce: 'n1', asks: true },
      { status: 401, nonce: 'n2', asks: true },
    )
    expect((await call(api)).status).toBe(401)
    expect([sent.length, rejected]).toEqual([2, []])
  })

  test('is not sent again for a nonce that was in it', async () => {
    const { call, sent } = bound({ status: 200, nonce: 'n1' }, { status: 401, nonce: 'n1', asks: true })
    await call(api)
    expect((await call(api)).status).toBe(401)
    expect(sent).toHaveLength(2)
  })

  test('is not sent again for a nonce that is none', async () => {
    const { call, sent, rejected } = bound({ status: 401, nonce: '', asks: true })
    expect((await call(api)).status).toBe(401)
    expect([sent.length, rejected]).toEqual([1, []])
  })

  test('that is refused for itself is reported, also behind a nonce', async () => {
    const { call, sent, rejected } = bound({ status: 401, nonce: 'n1', asks: true }, { status: 401 })
    expect((await call(api)).status).toBe(200)
    expect(sent.map(([authorization]) => authorization)).toEqual([
      'DPoP token-1',
      'DPoP token-1',
      'DPoP token-2',
    ])
    expect(rejected).toEqual([1])
  })

  test('with a stream as its body is sent once, and the nonce kept for the next request', async () => {
    const { call, sent, rejected } = bound({ status: 401, nonce: 'n1', asks: true })
    const init = { method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' } as RequestInit
    expect((await call(api, init)).status).toBe(401)
    expect([sent.length, rejected]).toEqual([1, []])
    await call(api)
    expect(sent[1]?.[1]).toBe('GET /users?page=2 n1')
  })
})

test('a token that is bound to no key is refused by an API that wants a nonce of it', async () => {
  const { source, rejected } = numberedSource()
  const headers = { 'DPoP-Nonce': 'n1', 'WWW-Authenticate': 'DPoP error="use_dpop_nonce"' }
  const call = authorizedFetch(source, { fetch: async () => new Response(null, { status: 401, headers }) })
  expect((await call(api)).status).toBe(401)
  expect(rejected).toEqual([1])
})

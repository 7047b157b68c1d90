import { describe, expect, test } from 'vitest'
import { boundedBody } from '../../src/use/bounded-body.ts'

/** An answer in pieces, and whether the rest of it was declined. */
function answer(...pieces: string[]) {
  const bytes = pieces.map((piece) => new TextEncoder().encode(piece))
  const seen = { cancelled: false }
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const next = bytes.shift()
        if (next === undefined) controller.close()
        else controller.enqueue(next)
      },
      cancel() {
        seen.cancelled = true
      },
    },
    { highWaterMark: 0 },
  )
  return { response: new Response(body), seen }
}

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes)

describe('the bytes of a body', () => {
  test('are those of its pieces in order', async () => {
    const { response } = answer('one, ', 'two', ', three')
    expect(text(await boundedBody(response, 100))).toBe('one, two, three')
    expect(text(await boundedBody(new Response(null), 100))).toBe('')
  })

  test('may be as many as is said, and no more are read', async () => {
    expect(text(await boundedBody(answer('12', '34').response, 4))).toBe('1234')
    const { response, seen } = answer('12', '345', 'never read')
    expect(await boundedBody(response, 4)).toBeUndefined()
    expect(seen.cancelled).toBe(true)
  })
})

import {
  AccessToken,
  type TokenPresentation,
  type TokenRequest,
  type TokenSource,
} from '../../src/grants/token.ts'

/** A source of `token-1`, which gives the next when the present one is refused; with what it was asked and told. */
export function numberedSource(type = 'Bearer', presentation?: TokenPresentation) {
  let generation = 1
  const token = () =>
    new AccessToken(`token-${generation}`, {
      type,
      expiresAt: 1_800_000_000_000,
      scope: [],
      generation,
      metadata: {},
      stale: false,
      presentation,
    })
  const asked: (TokenRequest | undefined)[] = []
  const rejected: number[] = []
  const source: TokenSource = {
    getToken: async (request) => {
      asked.push(request)
      request?.signal?.throwIfAborted()
      return token()
    },
    rejected: async (report) => {
      rejected.push(report.generation)
      if (report.generation === generation) generation += 1
      return token()
    },
  }
  return { source, asked, rejected }
}

/** Sources whose reports of a refused token bring no newer one. */
export const noReplacement: [string, (source: TokenSource) => TokenSource][] = [
  ['brings the same one', (source) => ({ ...source, rejected: () => source.getToken() })],
  ['fails', (source) => ({ ...source, rejected: () => Promise.reject(new Error('no token')) })],
  [
    'throws at once',
    (source) => ({
      ...source,
      rejected: () => {
        throw new Error('no token')
      },
    }),
  ],
  ['brings nothing', (source) => ({ ...source, rejected: async () => undefined as unknown as AccessToken })],
]

/** What waits until its caller gives up, which happens at once. */
export const givenUp = (over: AbortController, signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason))
    queueMicrotask(() => over.abort(new Error('no longer')))
  })

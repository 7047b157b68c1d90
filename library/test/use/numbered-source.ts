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

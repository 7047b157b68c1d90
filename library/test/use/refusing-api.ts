import type { IncomingHttpHeaders } from 'node:http'
import type { TokenPresentation, TokenProof } from '../../src/grants/token.ts'
import { httpServer } from '../oauth/servers.ts'
import { numberedSource } from './numbered-source.ts'

export interface Seen {
  readonly at: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/**
 * A source whose tokens are numbered, and an API that takes those it is told to: `/moved` redirects to the other origin,
 * `/renamed` to its own `/`, all else answers with what it was sent.
 */
export async function refusingApi(
  accepts: (headers: IncomingHttpHeaders) => boolean = () => true,
  presentation?: TokenPresentation,
) {
  const { source, asked, rejected } = numberedSource('Bearer', presentation)
  const seen: Seen[] = []
  let to = ''
  const open = () =>
    httpServer(async (request, response) => {
      let body = ''
      for await (const chunk of request.setEncoding('utf8')) body += chunk
      seen.push({ at: `${request.method} ${request.url}`, headers: request.headers, body })
      if (request.url === '/moved') response.writeHead(307, { location: to }).end()
      else if (request.url === '/renamed') response.writeHead(307, { location: '/' }).end()
      else if (accepts(request.headers)) response.end(`ok ${body}`)
      else if (request.headers.dpop?.includes('none'))
        response
          .writeHead(401, { 'www-authenticate': 'DPoP error="use_dpop_nonce"', 'dpop-nonce': 'n1' })
          .end('refused')
      else response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end('refused')
    })
  const [api, other] = await Promise.all([open(), open()])
  to = `${other}/there`
  const tokens = () => seen.map(({ headers }) => headers.authorization ?? null)
  return { api, other, source, asked, seen, tokens, rejected }
}

/** A key whose proofs say what they are for, with the nonce of its origin. */
export function practiceKey(): { proof: TokenProof } {
  const nonces = new Map<string, string>()
  return {
    proof: {
      of: async ({ method, url }) => {
        const { origin, pathname, search } = new URL(url)
        return `${method} ${pathname}${search} ${nonces.get(origin) ?? 'none'}`
      },
      heard(url, nonce) {
        const { origin } = new URL(url)
        const isNew = nonces.get(origin) !== nonce
        nonces.set(origin, nonce)
        return isNew
      },
    },
  }
}

/** Keys whose proofs never have the nonce that the API wants, and how often a request is worth being sent then. */
export const endlessNonces: [string, { proof: TokenProof }, number][] = [
  ['another one each time', { proof: { of: async () => 'none', heard: () => true } }, 2],
  ['the same one', { proof: { of: async () => 'none', heard: () => false } }, 1],
]

export const second = ({ authorization }: IncomingHttpHeaders): boolean => authorization === 'Bearer token-2'

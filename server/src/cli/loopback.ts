import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { EvertokenError } from 'evertoken'
import { callbackPage } from './callback-page.ts'

export const callbackPath = '/callback'

/** Takes the provider's answer on 127.0.0.1 (RFC 8252 section 7.3). */
export interface Loopback extends AsyncDisposable {
  readonly redirectUri: string
}

/** What came of an answer: `again` when it was not the one that is waited for. */
export type Taken =
  | { readonly kind: 'done'; readonly text: string }
  | { readonly kind: 'failed' | 'again'; readonly text: string }

/**
 * Listens for the browser. Every request to the path is offered to `take`, whose verdict the browser shows.
 *
 * @param port 0 for any that is free.
 */
export async function listenForCallback(
  port: number,
  take: (callback: URL) => Promise<Taken>,
): Promise<Loopback> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 })
  await bound(server, port)
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const url = URL.parse(request.url ?? '', origin)
    if (request.method !== 'GET' || url?.pathname !== callbackPath) {
      send(response, 404, 'Nothing here', 'This address only waits for the answer of a login.', false)
      return
    }
    void take(url).then(({ kind, text }) => {
      if (kind === 'done') send(response, 200, 'Logged in', text, true)
      else send(response, 400, kind === 'again' ? 'Not the answer' : 'Not logged in', text, false)
    })
  })
  return {
    redirectUri: `${origin}${callbackPath}`,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      // An answer on its way to the browser may end; what is merely open may not keep us.
      server.closeIdleConnections()
      const late = setTimeout(() => server.closeAllConnections(), 500)
      await closed
      clearTimeout(late)
    },
  }
}

async function bound(server: Server, port: number): Promise<void> {
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause
    throw new EvertokenError('port_taken', `port ${port} on 127.0.0.1 is taken by another program`, {
      cause,
      advice: 'End that program, or leave --port away if the provider takes any port.',
    })
  }
}

function send(response: ServerResponse, status: number, title: string, text: string, good: boolean): void {
  const page = callbackPage(title, text, good)
  const style = /<style>([\s\S]*?)<\/style>/.exec(page)?.[1] ?? ''
  const hash = createHash('sha256').update(style).digest('base64')
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none'; style-src 'sha256-${hash}'; frame-ancestors 'none'; base-uri 'none'`,
    // The address holds the code.
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  })
  response.end(page)
}

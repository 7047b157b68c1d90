import { fork } from 'node:child_process'
import { once } from 'node:events'

/** An endpoint that answers every token request with a new token, in a process of its own. */
export interface TokenEndpoint extends AsyncDisposable {
  readonly url: string
  /** Where no answer brings a refresh token. */
  readonly urlWithoutRotation: string
  /** Requests since the last time this was asked. */
  count(): Promise<number>
}

/** `latency` in ms; `lifetime` of the tokens in seconds. */
export async function startTokenEndpoint(options: {
  latency: number
  lifetime: number
}): Promise<TokenEndpoint> {
  const child = fork(new URL('./token-endpoint-process.ts', import.meta.url), [
    String(options.latency),
    String(options.lifetime),
  ])
  const answer = async <T>(): Promise<T> => (await once(child, 'message'))[0] as T
  const { port } = await answer<{ port: number }>()
  return {
    url: `http://127.0.0.1:${port}/token`,
    urlWithoutRotation: `http://127.0.0.1:${port}/without-rotation`,
    async count() {
      const counted = answer<{ count: number }>()
      child.send('count')
      return (await counted).count
    },
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    },
  }
}

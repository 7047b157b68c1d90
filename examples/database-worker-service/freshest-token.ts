import { setTimeout as sleep } from 'node:timers/promises'

/** A token and what else its answer said. */
export interface FreshToken {
  readonly access_token: string
  readonly token_type: string
  /** UTC, ISO 8601. */
  readonly expires_at: string
  readonly metadata: Readonly<Record<string, unknown>>
}

/**
 * The freshest token of an account. While it is being renewed the service makes its readers wait, and says so where that takes long; then it is
 * asked again.
 *
 * @throws Error for an account that there is not, that has to log in again, or a key that is wrong.
 */
export async function freshestToken(service: string, key: string, name: string): Promise<FreshToken> {
  for (;;) {
    const answer = await fetch(`${service}/tokens/${name}`, { headers: { authorization: `Bearer ${key}` } })
    if (answer.ok) return (await answer.json()) as FreshToken
    const said = await answer.text()
    if (answer.status !== 503) throw new Error(`no token for ${name}: ${answer.status} ${said}`)
    await sleep(Number(answer.headers.get('retry-after') ?? 1) * 1000)
  }
}

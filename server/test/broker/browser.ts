import type { LightMyRequestResponse } from 'fastify'
import type { Broker } from '../../src/broker/broker.ts'

/** A person's browser before the broker: keeps cookies as one does, follows nothing by itself. */
export class Browser {
  readonly #app: Broker
  readonly #cookies = new Map<string, string>()

  constructor(app: Broker) {
    this.#app = app
  }

  get cookies(): ReadonlyMap<string, string> {
    return this.#cookies
  }

  async open(address: string, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> {
    const { pathname, search } = new URL(address)
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await this.#app.inject({
      url: `${pathname}${search}`,
      headers: { ...(cookie !== '' && { cookie }), ...headers },
    })
    for (const line of [answer.headers['set-cookie'] ?? []].flat()) this.#keep(line)
    return answer
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split(/; */)
    const [name = '', value = ''] = pair.split('=')
    if (attributes.includes('Max-Age=0')) this.#cookies.delete(name)
    else this.#cookies.set(name, value)
  }
}

import { Agent, request } from 'node:http'

/** Token requests with nothing around them: node:http with connections kept alive, the answer read and parsed. */
export class BareClient implements Disposable {
  readonly #agent: Agent
  readonly #url: string

  constructor(url: string, connections: number) {
    this.#url = url
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections })
  }

  send(body: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length }
      request(this.#url, { method: 'POST', agent: this.#agent, headers }, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => {
          text += part
        })
        response.once('end', () => resolve(JSON.parse(text)))
      })
        .once('error', reject)
        .end(body)
    })
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}

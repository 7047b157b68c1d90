import { type ErrorCode, EvertokenError, type GrantSummary, ReauthorizationRequiredError } from 'evertoken'
import { brokerKey } from './broker-key.ts'
import type { Environment } from './environment.ts'
import { grantFromJson, tokenFromJson } from './grant-json.ts'
import type { Grants, GrantsOptions } from './grants.ts'

/** Longer than a broker waits for a provider on behalf of a reader. */
const patience = 45_000

type Json = Record<string, unknown>

/** Grants at a broker, over its HTTP API. */
export function openBroker(address: string, options: GrantsOptions, environment: Environment): Grants {
  const base = checkedAddress(address)
  const client = new BrokerClient(base, brokerKey(options, environment), environment.signal)
  const grantAt = (id: string): string => `/v1/grants/${encodeURIComponent(id)}`
  const show = async (id: string): Promise<GrantSummary> =>
    grantFromJson(await client.send('GET', grantAt(id)))
  const act = async (id: string, action: string): Promise<GrantSummary> => {
    await client.send('POST', `${grantAt(id)}/${action}`, {})
    return show(id)
  }
  return {
    location: base.href,
    consent: {
      kind: 'broker',
      begin: async (id) => {
        const answer = await client.send('POST', `${grantAt(id)}/connect`, {})
        const expires = Date.parse(String(answer.expires_at))
        return {
          url: new URL(String(answer.connect_url), base).href,
          expiresAt: Number.isNaN(expires) ? environment.clock.now() + 600_000 : expires,
        }
      },
    },
    token: async (id, { minTtl, scope, resource }) => {
      const query = new URLSearchParams()
      if (minTtl !== undefined) query.set('min_ttl', String(minTtl))
      if (scope !== undefined) query.set('scope', typeof scope === 'string' ? scope : scope.join(' '))
      if (resource !== undefined) query.set('resource', resource)
      return tokenFromJson(await client.send('GET', `${grantAt(id)}/token?${query}`))
    },
    list: async () => {
      const { grants } = await client.send('GET', '/v1/grants')
      return (grants as Json[]).map(grantFromJson)
    },
    show,
    add: async (id, grant) => {
      await client.send('POST', '/v1/grants', { id, ...grant })
      return show(id)
    },
    refresh: (id) => act(id, 'refresh'),
    pause: (id) => act(id, 'pause'),
    resume: (id) => act(id, 'resume'),
    remove: async (id) => void (await client.send('DELETE', grantAt(id))),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

function checkedAddress(address: string): URL {
  const url = URL.parse(address)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw new EvertokenError('usage', `${JSON.stringify(address)} is not the address of a broker`, {
      advice: 'Write it whole: https://tokens.example.com, or http://127.0.0.1:7420.',
    })
  const loopback = /^(127(\.\d+){3}|\[::1\]|localhost)$/.test(url.hostname)
  if (url.protocol === 'http:' && !loopback)
    throw new EvertokenError('insecure_http', `the API key would go to ${url.host} in clear`, {
      advice: 'Use https; plain http is for brokers on this machine.',
    })
  return url
}

class BrokerClient {
  readonly #base: URL
  readonly #key: () => string
  readonly #signal: AbortSignal

  constructor(base: URL, key: () => string, signal: AbortSignal) {
    this.#base = base
    this.#key = key
    this.#signal = signal
  }

  async send(method: 'GET' | 'POST' | 'DELETE', path: string, body?: Json): Promise<Json> {
    const headers: Record<string, string> = {
      accept: 'application/json',
      authorization: `Bearer ${this.#key()}`,
    }
    if (body !== undefined) headers['content-type'] = 'application/json'
    const { response, text } = await this.#exchange(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      // The key is for this broker and no other.
      redirect: 'error',
    })
    const answer = parsed(text)
    if (!response.ok) throw this.#refusal(response.status, answer)
    if (answer === undefined && response.status !== 204)
      throw this.#unreachable(`it answered ${response.status} with something that is no JSON object`)
    return answer ?? {}
  }

  async #exchange(path: string, init: RequestInit): Promise<{ response: Response; text: string }> {
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(patience)])
    try {
      const response = await fetch(new URL(path, this.#base), { ...init, signal })
      return { response, text: await response.text() }
    } catch (error) {
      this.#signal.throwIfAborted()
      const { cause } = error as Error
      throw this.#unreachable((cause instanceof Error ? cause : (error as Error)).message, error)
    }
  }

  #unreachable(why: string, cause?: unknown): EvertokenError {
    return new EvertokenError(
      'broker_unreachable',
      `the broker at ${this.#base.href} does not answer: ${why}`,
      {
        cause,
        advice: 'See whether evertoken serve runs there, and whether the address is the right one.',
      },
    )
  }

  /** RFC 9457 problem details with our code become the error that they were at the broker. */
  #refusal(status: number, problem: Json | undefined): EvertokenError {
    const text = (name: string): string | undefined =>
      typeof problem?.[name] === 'string' ? (problem[name] as string) : undefined
    const code = (text('code') ?? (status === 401 ? 'unauthorized' : 'broker_unreachable')) as ErrorCode
    const message = text('detail') ?? text('title') ?? `the broker at ${this.#base.href} answered ${status}`
    const facts = { grant: text('grant'), advice: text('advice') ?? adviceOf(code) }
    return code === 'reauthorization_required'
      ? new ReauthorizationRequiredError(code, message, facts)
      : new EvertokenError(code, message, facts)
  }
}

const adviceOf = (code: ErrorCode): string | undefined =>
  code === 'unauthorized'
    ? 'Give a key of this broker by --key-file, EVERTOKEN_KEY_FILE or EVERTOKEN_KEY.'
    : undefined

function parsed(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
  } catch {
    return undefined
  }
}

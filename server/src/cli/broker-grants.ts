import {
  brokerRefusal,
  EvertokenError,
  type GrantSummary,
  isGrantId,
  type Secret,
  type StoredNotice,
  type TokenRequest,
} from 'evertoken'
import { brokerKey } from './broker-key.ts'
import type { Environment } from './environment.ts'
import {
  grantFromJson,
  noticeFromJson,
  revocationFromJson,
  tokenFromJson,
  validationFromJson,
} from './grant-json.ts'
import type { Grants, GrantsOptions } from './grants.ts'

/** Longer than a broker waits for a provider on behalf of a reader. */
const patience = 45_000
/** More than a thousand grants with their notices need, in bytes: what is larger comes from no broker. */
const largestAnswer = 33_554_432

type Json = Record<string, unknown>
type GrantBody = Parameters<typeof grantFromJson>[0]
type NoticeBody = Parameters<typeof noticeFromJson>[0]
type RemovalBody = Parameters<typeof revocationFromJson>[0]
type ValidationBody = Parameters<typeof validationFromJson>[0]

/** Grants at a broker, over its HTTP API. */
export function openBroker(address: string, options: GrantsOptions, environment: Environment): Grants {
  const base = checkedAddress(address)
  const client = new BrokerClient(base, brokerKey(options, environment), environment.signal)
  const grant = async (method: 'GET' | 'POST', path: string, body?: Json): Promise<GrantSummary> =>
    grantFromJson((await client.send(method, path, body)) as unknown as GrantBody)
  const act = (id: string, action: string): Promise<GrantSummary> =>
    grant('POST', `${grantAt(id)}/${action}`, {})
  return {
    location: base.href,
    consent: {
      kind: 'broker',
      begin: async (id, otherAccount) => {
        const body = otherAccount === true ? { other_account: true } : {}
        const answer = await client.send('POST', `${grantAt(id)}/connect`, body)
        return { url: String(answer.connect_url), expiresAt: Date.parse(String(answer.expires_at)) }
      },
    },
    token: async (id, { minTtl, ...which }) => {
      const query = tokenQuery(which)
      if (minTtl !== undefined) query.set('min_ttl', String(Math.ceil(minTtl)))
      return tokenFromJson(await client.send('GET', `${grantAt(id)}/token?${query}`))
    },
    list: () => everyGrant(client),
    show: (id) => grant('GET', grantAt(id)),
    add: (id, described) => {
      const { provider, private_network } = described.client
      if (private_network !== undefined) throw notForRequests(base.host)
      if (typeof provider === 'object' && provider.id !== undefined)
        throw notOfCatalogue(provider.id, base.host)
      return grant('POST', '/v1/grants', { id, ...described })
    },
    replace: async (id) => {
      throw new EvertokenError(
        'usage',
        `a secret is replaced where the store is, not at the broker ${base.host}`,
        {
          grant: id,
          advice:
            'Run it there, with --data or beside its evertoken.yaml; a broker on that store takes it at once.',
        },
      )
    },
    refresh: (id) => act(id, 'refresh'),
    pause: (id) => act(id, 'pause'),
    resume: (id) => act(id, 'resume'),
    validate: async (id, { scope, resource }) => {
      const path = `${grantAt(id)}/validate?${tokenQuery({ scope, resource })}`
      return validationFromJson((await client.send('POST', path, {})) as unknown as ValidationBody)
    },
    revoke: (id) => act(id, 'revoke'),
    remove: async (id, { revoke = false }) => {
      const answer = await client.send('DELETE', `${grantAt(id)}${revoke ? '?revoke=true' : ''}`)
      return revocationFromJson(answer as unknown as RemovalBody)
    },
    notices: (after) => everyNotice(client, after),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

const notForRequests = (broker: string): EvertokenError =>
  new EvertokenError('usage', `--private-network is not for the broker ${broker} to be told by a request`, {
    advice: 'Its operator says private_network: true at the top of evertoken.yaml; leave the flag out then.',
  })

const notOfCatalogue = (id: string, broker: string): EvertokenError =>
  new EvertokenError(
    'usage',
    `the broker ${broker} takes no profile of one's own, such as ${id}, in a request`,
    {
      advice: 'Put the provider, a client and the grant into the evertoken.yaml of the broker.',
    },
  )

function tokenQuery({ scope, resource }: Pick<TokenRequest, 'scope' | 'resource'>): URLSearchParams {
  const query = new URLSearchParams()
  if (scope !== undefined) query.set('scope', typeof scope === 'string' ? scope : scope.join(' '))
  if (resource !== undefined) query.set('resource', resource)
  return query
}

function grantAt(id: string): string {
  // Anything else could be another path than it seems: `..` for one.
  if (!isGrantId(id))
    throw new EvertokenError('invalid_grant_id', `${JSON.stringify(id)} cannot name a grant`, {
      advice: 'Use letters, digits, dot, dash and underscore, beginning with a letter or digit, up to 128.',
    })
  return `/v1/grants/${id}`
}

async function everyGrant(client: BrokerClient): Promise<GrantSummary[]> {
  const all: GrantSummary[] = []
  for (let after = ''; ; ) {
    const { grants, next } = await client.send(
      'GET',
      `/v1/grants?limit=1000&after=${encodeURIComponent(after)}`,
    )
    all.push(...(grants as GrantBody[]).map(grantFromJson))
    if (typeof next !== 'string') return all
    after = next
  }
}

async function everyNotice(client: BrokerClient, from: number): Promise<StoredNotice[]> {
  const all: StoredNotice[] = []
  for (let after = from; ; ) {
    const { notices, next } = await client.send('GET', `/v1/notices?limit=1000&after=${after}`)
    all.push(...(notices as NoticeBody[]).map(noticeFromJson))
    if (typeof next !== 'number') return all
    after = next
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
  // A broker may stand under a path of a larger site.
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}

class BrokerClient {
  readonly #base: URL
  readonly #key: Secret
  readonly #signal: AbortSignal

  constructor(base: URL, key: Secret, signal: AbortSignal) {
    this.#base = base
    this.#key = key
    this.#signal = signal
  }

  async send(method: 'GET' | 'POST' | 'DELETE', path: string, body?: Json): Promise<Json> {
    const headers: Record<string, string> = {
      accept: 'application/json',
      authorization: `Bearer ${this.#key.reveal()}`,
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
    if (!response.ok)
      throw brokerRefusal(this.#base, {
        status: response.status,
        problem: answer ?? {},
        wait: response.headers.get('retry-after'),
        key: this.#key,
        advice,
      })
    if (answer === undefined && response.status !== 204)
      throw this.#unreachable(`it answered ${response.status} with something that is no JSON object`)
    return answer ?? {}
  }

  async #exchange(path: string, init: RequestInit): Promise<{ response: Response; text: string }> {
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(patience)])
    try {
      const response = await fetch(new URL(`.${path}`, this.#base), { ...init, signal })
      return { response, text: await textOf(response) }
    } catch (error) {
      this.#signal.throwIfAborted()
      // What fetch itself says is that it failed.
      const { cause = error } = error as Error
      throw this.#unreachable((cause as Error).message, cause)
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
}

/** Read no further than a broker's answer goes. */
async function textOf({ body }: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of body ?? []) {
    size += part.length
    if (size > largestAnswer) throw new Error(`its answer is larger than ${largestAnswer} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** Callers of the API are told of a header, and whoever runs the command of a flag or a command. */
const advice = {
  unauthorized:
    'Give a key of this broker by --key-file, EVERTOKEN_KEY_FILE or EVERTOKEN_KEY; the key of another broker is not known here.',
  forbidden: 'This key only reads; give one that administers, such as the admin.key beside the store.',
  broker_unreachable:
    'Something else may answer there: see whether evertoken serve runs at that address, and what stands between.',
  unknown_grant: 'evertoken list shows the names there are; evertoken add makes one.',
} as const

function parsed(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
  } catch {
    return undefined
  }
}

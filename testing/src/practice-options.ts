import { checkFault, type PracticeFault } from './fault.ts'
import {
  defaultAssertionIssuers,
  defaultClients,
  type PracticeAssertionIssuer,
  type PracticeClient,
  type PracticeGrantType,
  practiceGrantTypes,
  type VerificationKey,
  verificationKey,
} from './practice-clients.ts'
import type { RecordedExchange } from './recorded-exchange.ts'
import { type Rotation, rotations } from './rotation.ts'

/** Lifetimes in seconds. */
export interface PracticeLifetimes {
  /** Default 300. */
  readonly accessToken?: number | undefined
  /** Access token lifetime by client id; wins over the client's own. */
  readonly byClient?: Readonly<Record<string, number>> | undefined
  /** Of each refresh token; rotation starts it anew. Default 2,592,000 (30 days). */
  readonly refreshToken?: number | undefined
  /** Of an authorization code. Default 60. */
  readonly code?: number | undefined
  /** Of a device code and its user code. Default 600. */
  readonly deviceCode?: number | undefined
  /** Of a pushed authorization request, until it is opened. Default 60. */
  readonly pushedRequest?: number | undefined
  /** Until another nonce for proofs is given; each is good for twice as long. Default 300. */
  readonly dpopNonce?: number | undefined
}

/** What the `respond` hook sees of a request, in clear: it is the test's own server. */
export interface RespondRequest {
  /** Counts from 1, as in the record. */
  readonly number: number
  readonly method: string
  readonly path: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The query, and over it the form. */
  readonly parameters: Readonly<Record<string, string>>
  readonly body: string
}

/** Sent as it is in place of the real answer; `hang` never answers, `close` destroys the connection. */
export type ScriptedResponse =
  | {
      readonly status: number
      readonly headers?: Readonly<Record<string, string>> | undefined
      readonly body?: string | Uint8Array | undefined
    }
  | 'hang'
  | 'close'

/** Options of `startPracticeServer`; all may be left out. */
export interface PracticeServerOptions {
  /** Default 0: the kernel chooses. */
  readonly port?: number | undefined
  /** Address to listen on. Default `127.0.0.1`. */
  readonly host?: string | undefined
  /** An origin that clients know it by, if that is not `http://host:port`. */
  readonly issuer?: string | undefined
  /** What happens to a refresh token that was used. Default `strict`. */
  readonly rotation?: Rotation | undefined
  /** Seconds after its first use in which a windowed rotation answers a used refresh token. Default 30. */
  readonly reuseWindow?: number | undefined
  /** Whether a used refresh token outside of every window kills its family, or is only refused. Default true. */
  readonly reuseKillsFamily?: boolean | undefined
  /** Whether a new access token ends the earlier ones of its login at once, as some providers do. Default false. */
  readonly oldTokenDies?: boolean | undefined
  /** Whether an answer says how long its access token lives (`expires_in`); introspection does so anyway. Default true. */
  readonly statesLifetime?: boolean | undefined
  /** Seconds that a client waits between two polls with a device code (RFC 8628 section 3.2). Default 5. */
  readonly deviceInterval?: number | undefined
  /** Whether an authorization request must be pushed (RFC 9126 section 5). Default false. */
  readonly requirePushedAuthorization?: boolean | undefined
  /** Whether every proof must hold a nonce of the server (RFC 9449 sections 8 and 9). Default false. */
  readonly dpopNonce?: boolean | undefined
  readonly lifetimes?: PracticeLifetimes | undefined
  /** Default: the clients documented at `startPracticeServer`. */
  readonly clients?: readonly PracticeClient[] | undefined
  /** Default: the issuer documented at `startPracticeServer`. */
  readonly assertionIssuers?: readonly PracticeAssertionIssuer[] | undefined
  /**
   * Whether a client assertion must name the issuer and nothing else in `aud`, as the draft of RFC 7523bis wants it. Default
   * false: the issuer or the token endpoint must be among what it names (RFC 7523 section 3).
   */
  readonly issuerAudienceOnly?: boolean | undefined
  /** Journal that survives the process; made with its folder if missing. One server at a time. Default: memory only. */
  readonly stateFile?: string | undefined
  /** Log of what truly happened that survives the process, one JSON object a line. Default: memory only. */
  readonly truthFile?: string | undefined
  /** UTC milliseconds. Default `Date.now`. */
  readonly now?: (() => number) | undefined
  /** Milliseconds that each request waits before it is processed. Default 0. */
  readonly latency?: number | ((request: RespondRequest) => number) | undefined
  /** Called before a request is processed; anything but `undefined` replaces the processing. */
  readonly respond?:
    | ((request: RespondRequest) => ScriptedResponse | undefined | Promise<ScriptedResponse | undefined>)
    | undefined
  /**
   * What a provider with a dialect of its own wants to hear, and its answers. The first that fits a request answers it; a request to
   * one of these paths that fits none is answered with status 501, which says by name what was other. All other paths are those of
   * the practice server. Default: none.
   */
  readonly recorded?: readonly RecordedExchange[] | undefined
  /** What goes wrong on purpose, in this order. Default: nothing. */
  readonly faults?: readonly PracticeFault[] | undefined
  /** Of the random numbers that faults with a probability draw. Default 1. */
  readonly faultSeed?: number | undefined
  /** How many requests the record keeps, with four facts of the ground truth for each. Default 100,000. */
  readonly recordLimit?: number | undefined
}

/** A {@link PracticeClient} with its defaults. */
export interface ResolvedClient {
  readonly clientId: string
  readonly authentication: PracticeClient['authentication']
  /** For the two methods with a JWT. */
  readonly keys: readonly VerificationKey[]
  readonly redirectUris: readonly string[]
  readonly grantTypes: ReadonlySet<PracticeGrantType>
  readonly scope: readonly string[] | undefined
  readonly dpopBoundAccessTokens: boolean
  /** Seconds. */
  readonly accessTokenLifetime: number
}

/** Every option, checked and with its default. */
export interface ResolvedPracticeOptions {
  readonly port: number
  readonly host: string
  readonly issuer: string | undefined
  readonly rotation: Rotation
  /** Seconds. */
  readonly reuseWindow: number
  readonly reuseKillsFamily: boolean
  readonly oldTokenDies: boolean
  readonly statesLifetime: boolean
  /** Seconds. */
  readonly accessTokenLifetime: number
  readonly refreshTokenLifetime: number
  readonly codeLifetime: number
  readonly deviceCodeLifetime: number
  readonly deviceInterval: number
  /** Seconds. */
  readonly pushedRequestLifetime: number
  readonly requirePushedAuthorization: boolean
  readonly dpopNonce: boolean
  /** Seconds. */
  readonly dpopNonceLifetime: number
  readonly clients: Map<string, ResolvedClient>
  readonly assertionIssuers: ReadonlyMap<string, readonly VerificationKey[]>
  readonly issuerAudienceOnly: boolean
  readonly stateFile: string | undefined
  readonly truthFile: string | undefined
  readonly now: () => number
  readonly latency: (request: RespondRequest) => number
  readonly faults: readonly PracticeFault[]
  readonly faultSeed: number
  readonly respond: NonNullable<PracticeServerOptions['respond']>
  readonly recorded: readonly RecordedExchange[]
  readonly recordLimit: number
}

const known = {
  port: true,
  host: true,
  issuer: true,
  rotation: true,
  reuseWindow: true,
  reuseKillsFamily: true,
  oldTokenDies: true,
  statesLifetime: true,
  deviceInterval: true,
  requirePushedAuthorization: true,
  dpopNonce: true,
  lifetimes: true,
  clients: true,
  assertionIssuers: true,
  issuerAudienceOnly: true,
  stateFile: true,
  truthFile: true,
  now: true,
  latency: true,
  respond: true,
  recorded: true,
  faults: true,
  faultSeed: true,
  recordLimit: true,
} satisfies Record<keyof PracticeServerOptions, true>

/** Throws a `TypeError` that says which value is wrong. */
export function resolvePracticeOptions(options: PracticeServerOptions): ResolvedPracticeOptions {
  for (const name of Object.keys(options))
    if (!Object.hasOwn(known, name)) throw new TypeError(`unknown option ${name}`)
  const { port = 0, rotation = 'strict', reuseWindow = 30, lifetimes = {}, latency = 0, issuer } = options
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new TypeError(`port must be from 0 to 65535, not ${port}`)
  if (!rotations.includes(rotation))
    throw new TypeError(`rotation must be ${orList(rotations)}, not ${String(rotation)}`)
  if (!(Number.isFinite(reuseWindow) && reuseWindow >= 0))
    throw new TypeError(`reuseWindow must be a number of seconds from 0, not ${reuseWindow}`)
  if (issuer !== undefined && !(URL.canParse(issuer) && new URL(issuer).origin === issuer))
    throw new TypeError(
      `issuer must be an origin without a path, such as http://practice:8080, not ${issuer}`,
    )
  for (const fault of options.faults ?? []) checkFault(fault)
  const accessTokenLifetime = seconds('accessToken', lifetimes.accessToken ?? 300)
  return Object.freeze({
    port,
    host: options.host ?? '127.0.0.1',
    issuer,
    rotation,
    reuseWindow,
    reuseKillsFamily: options.reuseKillsFamily ?? true,
    oldTokenDies: options.oldTokenDies ?? false,
    statesLifetime: options.statesLifetime ?? true,
    accessTokenLifetime,
    refreshTokenLifetime: seconds('refreshToken', lifetimes.refreshToken ?? 2_592_000),
    codeLifetime: seconds('code', lifetimes.code ?? 60),
    deviceCodeLifetime: seconds('deviceCode', lifetimes.deviceCode ?? 600),
    deviceInterval: checkedInterval(options.deviceInterval ?? 5),
    pushedRequestLifetime: seconds('pushedRequest', lifetimes.pushedRequest ?? 60),
    requirePushedAuthorization: options.requirePushedAuthorization ?? false,
    dpopNonce: options.dpopNonce ?? false,
    dpopNonceLifetime: seconds('dpopNonce', lifetimes.dpopNonce ?? 300),
    clients: resolveClients(options.clients ?? defaultClients, accessTokenLifetime, lifetimes.byClient ?? {}),
    assertionIssuers: resolveIssuers(options.assertionIssuers ?? defaultAssertionIssuers),
    issuerAudienceOnly: options.issuerAudienceOnly ?? false,
    stateFile: options.stateFile,
    truthFile: options.truthFile,
    now: options.now ?? Date.now,
    latency: typeof latency === 'function' ? latency : () => latency,
    respond: options.respond ?? (() => undefined),
    recorded: options.recorded ?? [],
    faults: options.faults ?? [],
    faultSeed: options.faultSeed ?? 1,
    recordLimit: options.recordLimit ?? 100_000,
  })
}

function checkedInterval(value: number): number {
  if (!(Number.isInteger(value) && value > 0))
    throw new TypeError(`deviceInterval must be a whole number of seconds above 0, not ${value}`)
  return value
}

function orList(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}

function seconds(name: string, value: number): number {
  if (!(Number.isFinite(value) && value > 0))
    throw new TypeError(`the lifetime ${name} must be a number of seconds above 0, not ${value}`)
  return value
}

function resolveClients(
  clients: readonly PracticeClient[],
  lifetime: number,
  byClient: Readonly<Record<string, number>>,
): Map<string, ResolvedClient> {
  const resolved = new Map<string, ResolvedClient>()
  for (const client of clients) {
    const { clientId, authentication, grantTypes = ['client_credentials'] } = client
    if (resolved.has(clientId)) throw new TypeError(`the client ${clientId} is given twice`)
    for (const type of grantTypes)
      if (!practiceGrantTypes.includes(type))
        throw new TypeError(`client ${clientId}: unknown grant type ${type}`)
    if (authentication.method === 'none' && grantTypes.includes('client_credentials'))
      throw new TypeError(
        `client ${clientId}: client_credentials needs an authentication (RFC 6749 section 4.4)`,
      )
    resolved.set(clientId, {
      clientId,
      authentication,
      keys: clientKeys(client),
      redirectUris: client.redirectUris ?? [],
      grantTypes: new Set(grantTypes),
      scope: client.scope,
      dpopBoundAccessTokens: client.dpopBoundAccessTokens ?? false,
      accessTokenLifetime: seconds(
        `of ${clientId}`,
        byClient[clientId] ?? client.accessTokenLifetime ?? lifetime,
      ),
    })
  }
  for (const clientId of Object.keys(byClient))
    if (!resolved.has(clientId))
      throw new TypeError(`lifetimes.byClient names the unknown client ${clientId}`)
  return resolved
}

function secretsOf({ secret }: { secret: string | readonly string[] }, clientId: string): readonly string[] {
  const secrets = [secret].flat()
  if (secrets.length === 0 || secrets.includes(''))
    throw new TypeError(`client ${clientId}: the secret is empty`)
  return secrets
}

/** The client with other secrets. Throws a `TypeError` for a client that has none. */
export function withSecret(client: ResolvedClient, secret: string | readonly string[]): ResolvedClient {
  if (!('secret' in client.authentication))
    throw new TypeError(`client ${client.clientId}: it has no secret to change`)
  const changed = { ...client, authentication: { ...client.authentication, secret } }
  return { ...changed, keys: clientKeys(changed) }
}

function clientKeys({
  clientId,
  authentication,
}: Pick<PracticeClient, 'clientId' | 'authentication'>): readonly VerificationKey[] {
  switch (authentication.method) {
    case 'client_secret_jwt':
      return secretsOf(authentication, clientId).map((key) =>
        verificationKey({ algorithm: 'HS256', key }, `client ${clientId}`),
      )
    case 'private_key_jwt':
      if (authentication.algorithm === 'HS256')
        throw new TypeError(`client ${clientId}: private_key_jwt needs an asymmetric algorithm`)
      return [verificationKey(authentication, `client ${clientId}`)]
    case 'client_secret_basic':
    case 'client_secret_post':
      secretsOf(authentication, clientId)
      return []
    case 'none':
      return []
    default:
      throw new TypeError(
        `client ${clientId}: unknown authentication ${JSON.stringify(Object(authentication).method)}`,
      )
  }
}

function resolveIssuers(
  issuers: readonly PracticeAssertionIssuer[],
): ReadonlyMap<string, readonly VerificationKey[]> {
  const keys = new Map<string, VerificationKey[]>()
  for (const entry of issuers)
    keys.set(entry.issuer, [
      ...(keys.get(entry.issuer) ?? []),
      verificationKey(entry, `assertion issuer ${entry.issuer}`),
    ])
  return keys
}

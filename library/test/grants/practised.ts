import {
  consent,
  type PracticeRequest,
  type PracticeServerOptions,
  type RespondRequest,
  type ScriptedResponse,
  startPracticeServer,
} from '@evertoken/testing'
import { beforeAll, onTestFinished } from 'vitest'
import {
  authorizationCode,
  type ClientCredentialsOptions,
  clientCredentials,
  type GrantDefinition,
  type JwtBearerOptions,
  jwtBearer,
  refreshToken,
} from '../../src/grants/definition.ts'
import type { KeeperEvent } from '../../src/grants/events.ts'
import { Keeper, type KeeperOptions } from '../../src/grants/keeper.ts'
import type { StoreOpener } from '../../src/grants/store.ts'
import { nodeTransport } from '../../src/oauth/node-transport.ts'
import type { Transport } from '../../src/oauth/transport.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { ControlledClock } from './controlled-clock.ts'

export const redirectUri = 'http://127.0.0.1:49152/callback'

/** What a provider does in place of answering; undefined lets it answer. */
export type Script = (
  request: RespondRequest,
) => ScriptedResponse | undefined | Promise<ScriptedResponse | undefined>

/**
 * A keeper before a practice server, both on one clock that the test moves. Everything ends with the test.
 */
export async function practised(
  options: {
    practice?: PracticeServerOptions
    store?: (clock: ControlledClock) => StoreOpener
    timing?: KeeperOptions['timing']
    /** How long a token lives, in seconds. */
    lifetime?: number
  } = {},
) {
  const clock = new ControlledClock()
  let script: Script = () => undefined
  const server = await startPracticeServer({
    now: clock.now,
    respond: (request) => script(request),
    lifetimes: { accessToken: options.lifetime ?? 3600 },
    ...options.practice,
  })
  const open = options.store ?? ((time: ControlledClock) => memoryStore({ clock: time, ephemeral: true }))
  const wire = nodeTransport()
  let underWay = 0
  const counted = async <T>(work: Promise<T>): Promise<T> => {
    underWay += 1
    try {
      return await work
    } finally {
      underWay -= 1
    }
  }
  const transport: Transport = (request) => counted(wire(request))
  const told: [KeeperEvent, Record<string, unknown>][] = []
  const keepers: Keeper[] = []
  /** Another keeper, on the same store if that is one for several. */
  const another = async (): Promise<Keeper> => {
    const made = await Keeper.open({
      store: open(clock),
      clock,
      transport,
      random: () => 0.5,
      timing: options.timing,
    })
    keepers.push(made)
    // The disk takes its time too, and no timer waits for it.
    const { spool } = made.store
    if (spool !== undefined) {
      const append = spool.append.bind(spool)
      spool.append = (entry) => counted(append(entry))
      const ready = spool.ready.bind(spool)
      spool.ready = () => counted(ready())
    }
    for (const event of ['refreshed', 'failing', 'reauthorization_required', 'recovered'] as const)
      made.on(event, (facts) => told.push([event, { ...facts }]))
    return made
  }
  const keeper = await another()
  onTestFinished(async () => {
    script = () => undefined
    await server.stop()
    await Promise.all(keepers.map((open) => clock.until(open.close())))
    wire.close()
  })

  /** Lets time pass as far as `work` needs it. */
  const run = <T>(work: Promise<T>): Promise<T> => clock.until(work, () => underWay > 0)
  /** Time passes in steps, and whatever was sent in one is answered before the next. */
  const pass = async (ms: number, step = ms): Promise<void> => {
    for (let passed = 0; passed < ms; passed += step) {
      await clock.advance(Math.min(step, ms - passed))
      while (underWay > 0) await clock.advance(0)
      await clock.advance(0)
    }
  }
  const tokenRequests = (): readonly PracticeRequest[] =>
    server.requests.filter(({ path }) => path === '/token')

  return {
    clock,
    server,
    keeper,
    another,
    transport,
    run,
    pass,
    told,
    tokenRequests,
    /** From now on the provider does this first. */
    answerWith: (next: Script | ScriptedResponse | undefined) => {
      script = typeof next === 'function' ? next : () => next
    },
    /** The reason of a rejection. */
    failure: async (work: Promise<unknown>): Promise<Error & { code?: string }> =>
      run(
        work.then(
          (value) => {
            throw new Error(`it did not fail: ${JSON.stringify(value)}`)
          },
          (error: Error) => error,
        ),
      ),
    /** A service of the practice server. */
    service: (change: Partial<ClientCredentialsOptions> = {}): GrantDefinition =>
      clientCredentials({
        tokenUrl: server.tokenEndpoint,
        clientId: 'practice-service',
        clientSecret: 'practice-service-secret',
        ...change,
      }),
    account: (change: Partial<JwtBearerOptions> = {}): GrantDefinition =>
      jwtBearer({
        tokenUrl: server.tokenEndpoint,
        scope: 'read',
        assertion: {
          issuer: 'practice-issuer',
          subject: 'robot',
          key: { algorithm: 'HS256', key: 'practice-issuer-secret-of-32-bytes-or-more' },
        },
        ...change,
      }),
    app: (change: Partial<Parameters<typeof authorizationCode>[0]> = {}): GrantDefinition =>
      authorizationCode({
        issuer: server.issuer,
        clientId: 'practice-app',
        scope: 'read write',
        ...change,
      }),
    /** A login made elsewhere, whose newest refresh token is handed over. */
    imported: async (change: Partial<Parameters<typeof refreshToken>[0]> = {}): Promise<GrantDefinition> =>
      refreshToken({
        tokenUrl: server.tokenEndpoint,
        clientId: 'practice-app',
        refreshToken: await newRefreshToken(server),
        ...change,
      }),
    /** A person logs in and agrees. */
    login: async (id: string, subject?: string, by: Keeper = keeper): Promise<void> => {
      const { url } = await run(by.beginConsent(id, { redirectUri }))
      const callback = await consent(url, { subject })
      await run(by.finishConsent(new URL(callback)))
    },
  }
}

/** Grants that a worker would find due. */
export const dueIds = ({ store }: Keeper): Promise<readonly string[]> =>
  store.updateDue(10, ({ id }) => ({ result: id }))

export type Practised = Awaited<ReturnType<typeof practised>>

const verifier = 'v'.repeat(43)

/** A refresh token of a login of the practice server's public client. */
export async function newRefreshToken(
  server: { readonly issuer: string },
  scope = 'read write',
): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  const parameters = {
    response_type: 'code',
    client_id: 'practice-app',
    redirect_uri: redirectUri,
    scope,
    state: 'state',
    code_challenge: Buffer.from(digest).toString('base64url'),
    code_challenge_method: 'S256',
  }
  const callback = await consent(`${server.issuer}/authorize?${new URLSearchParams(parameters)}`)
  const answer = await fetch(`${server.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: 'practice-app',
      code: new URL(callback).searchParams.get('code') ?? '',
      redirect_uri: redirectUri,
      code_verifier: verifier,
    }),
  })
  const { refresh_token } = (await answer.json()) as { refresh_token: string }
  return refresh_token
}

/**
 * Everything that is loaded when first needed is loaded before a test begins: nobody can see such a load from outside,
 * and the controlled clock would run on while it lasts.
 */
beforeAll(async () => {
  await Promise.all([
    import('../../src/oauth/revocation.ts'),
    import('../../src/oauth/introspection.ts'),
    import('../../src/oauth/pushed-authorization.ts'),
    import('../../src/oauth/canary.ts'),
    import('../../src/oauth/token-exchange.ts'),
    import('../../src/oauth/requested-token.ts'),
    import('../../src/oauth/second-exchange.ts'),
    import('../../src/grants/password-login.ts'),
    import('../../src/oauth/password.ts'),
    import('../../src/grants/endpoint-hosts.ts'),
  ])
  await using server = await startPracticeServer()
  await using keeper = await Keeper.open({ store: memoryStore({ ephemeral: true }) })
  const shared = { tokenUrl: server.tokenEndpoint, clientId: 'practice-service' }
  await keeper.add('service', clientCredentials({ ...shared, clientSecret: 'practice-service-secret' }))
  await keeper.add(
    'account',
    jwtBearer({
      ...shared,
      assertion: {
        issuer: 'x',
        key: { algorithm: 'HS256', key: 'practice-issuer-secret-of-32-bytes-or-more' },
      },
    }),
  )
  await keeper.add('app', authorizationCode({ issuer: server.issuer, clientId: 'practice-app' }))
  await keeper.add('login', refreshToken({ ...shared, clientId: 'practice-app', refreshToken: 'unknown' }))
  await keeper.getToken('service')
  await keeper.beginConsent('app', { redirectUri })
  await Promise.allSettled([keeper.getToken('account'), keeper.getToken('login')])
})

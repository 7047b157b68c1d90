import { consent } from '@evertoken/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Keeper } from '../../src/grants/keeper.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { authorizationHeaders } from '../../src/use/authorization.ts'
import type { SavedTokens } from '../../src/use/saved-tokens.ts'
import { type TokenSourceOptions, tokenSource } from '../../src/use/token-source.ts'
import { practised, redirectUri } from '../grants/practised.ts'

const minute = 60_000

/** A source before the practice server, on the test's clock. */
async function sourced(
  make: (
    at: Awaited<ReturnType<typeof practised>>,
  ) => Parameters<typeof tokenSource>[0] | Promise<Parameters<typeof tokenSource>[0]>,
  options: TokenSourceOptions = {},
) {
  const at = await practised()
  const source = tokenSource(await make(at), {
    clock: at.clock,
    transport: at.transport,
    random: () => 0.5,
    ...options,
  })
  onTestFinished(() => at.run(source.close()))
  return { ...at, source }
}

describe('a token source', () => {
  test('gives tokens and refreshes them by itself, with nothing stored', async () => {
    const { source, clock, run, server, tokenRequests } = await sourced((at) => at.service({ scope: 'read' }))
    expect(source.peekToken()).toBeUndefined()
    const told: number[] = []
    source.on('refreshed', ({ generation }) => told.push(generation))
    const first = await run(source.getToken())
    expect(server.introspect(first.value)).toMatchObject({ active: true, scope: 'read' })
    expect(source.peekToken()).toBe(first)
    expect(await run(source.getToken())).toBe(first)
    await clock.advance(61 * minute)
    expect((await run(source.getToken())).generation).toBe(2)
    expect((await run(source.refresh())).generation).toBe(3)
    expect((await run(source.rejected({ generation: 3 }))).generation).toBe(4)
    expect(tokenRequests()).toHaveLength(4)
    expect(told).toEqual([1, 2, 3, 4])
  })

  test('opens once, however many ask first', async () => {
    const { source, run, tokenRequests } = await sourced((at) => at.account())
    const tokens = await run(Promise.all(Array.from({ length: 100 }, () => source.getToken())))
    expect(new Set(tokens).size).toBe(1)
    expect(tokenRequests()).toHaveLength(1)
  })

  test('a listener that was taken off before anything happened hears nothing', async () => {
    const { source, run } = await sourced((at) => at.service())
    const told: string[] = []
    const off = source.on('refreshed', () => told.push('early'))
    source.on('refreshed', () => told.push('kept'))
    off()
    await run(source.getToken())
    const later = source.on('refreshed', () => told.push('late'))
    later()
    await run(source.refresh())
    expect(told).toEqual(['kept', 'kept'])
  })

  test('a listener from before anything happened can be taken off afterwards', async () => {
    const { source, run } = await sourced((at) => at.service())
    const told: number[] = []
    const off = source.on('refreshed', ({ generation }) => told.push(generation))
    await run(source.getToken())
    off()
    await run(source.refresh())
    expect(told).toEqual([1])
  })

  test('sends by the transport that it is given, and waits by the times', async () => {
    const deadlines: number[] = []
    const at = await practised()
    const source = tokenSource(at.service(), {
      clock: at.clock,
      transport: (request) => {
        deadlines.push(request.deadline)
        return at.transport(request)
      },
      timing: { deadline: 7_000 },
    })
    onTestFinished(() => at.run(source.close()))
    await at.run(source.getToken())
    expect(deadlines).toEqual([7_000])
  })

  test('that is closed gives no more new tokens', async () => {
    const { source, run, failure, clock } = await sourced((at) => at.service())
    await run(source.getToken())
    await source.close()
    await source.close()
    await clock.advance(2000)
    expect(await failure(source.getToken())).toMatchObject({ code: 'closed' })
  })
})

// It said "grant source:", and nobody had named a grant so.
test('errors and events of a token source call it by its client and its provider', async () => {
  const { source, answerWith, failure, run } = await sourced((at) => at.service())
  answerWith(({ path }) =>
    path === '/token' ? { status: 401, body: '{"error":"invalid_client"}' } : undefined,
  )
  expect(await failure(source.getToken())).toMatchObject({
    code: 'invalid_client',
    grant: 'practice-service-at-127.0.0.1',
    message: expect.stringMatching(
      /^grant practice-service-at-127\.0\.0\.1: the provider refused the client/,
    ),
  })
  answerWith(undefined)
  const told: string[] = []
  source.on('refreshed', ({ grant }) => told.push(grant))
  await run(source.refresh())
  expect(told).toEqual(['practice-service-at-127.0.0.1'])
})

test('what is no grant, no store or no token is a TypeError that says what is wanted', async () => {
  const nothing = undefined as never
  await expect(Keeper.open({} as never)).rejects.toThrow(
    'Keeper.open takes a store: { store: sqliteStore(file) }',
  )
  await using keeper = await Keeper.open({ store: memoryStore() })
  const options = { tokenUrl: 'https://auth.example/token', clientId: 'abc' } as never
  await expect(keeper.add('billing', nothing)).rejects.toThrow(
    'keeper.add takes a grant: clientCredentials({…})',
  )
  await expect(keeper.ensure('billing', options)).rejects.toThrow('keeper.ensure takes a grant: ')
  const request = { url: 'https://api.example' }
  await expect(authorizationHeaders(nothing, request)).rejects.toThrow(
    'authorizationHeaders takes a token source, which has getToken and rejected',
  )
})

test('what is no grant is refused when the source is made', () => {
  expect(() => tokenSource({ clientId: 'abc' } as never)).toThrow(
    new TypeError('tokenSource takes a grant: clientCredentials({…}), jwtBearer({…}), refreshToken({…})'),
  )
})

describe('a refresh token that may rotate', () => {
  // The error was thrown once more by `await using`, and hid itself behind a SuppressedError.
  test('is refused when nobody keeps it, and closing says nothing of it again', async () => {
    const { source, failure } = await sourced((at) => at.imported())
    expect(await failure(source.getToken())).toMatchObject({
      code: 'store_not_durable',
      advice: expect.stringContaining('save'),
    })
    await source.close()
    await source[Symbol.asyncDispose]()
  })

  test.each<[string, TokenSourceOptions]>([
    ['losing it at exit is understood', { ephemeral: true }],
    ['it is saved', { save: async () => undefined }],
  ])('is accepted when %s', async (_name, options) => {
    const { source, run } = await sourced((at) => at.imported(), options)
    expect((await run(source.getToken())).generation).toBe(1)
  })

  test('is accepted when the provider never rotates it', async () => {
    const { source, run } = await sourced((at) => at.imported({ replayClass: 'non_rotating' }))
    expect((await run(source.getToken())).generation).toBe(1)
  })
})

describe('save', () => {
  async function saving(save: (tokens: SavedTokens) => Promise<void>, options: TokenSourceOptions = {}) {
    return sourced((at) => at.imported(), { save, ...options })
  }

  test('is given every new token, and is done before anybody gets it', async () => {
    const saved: SavedTokens[] = []
    let release = (): void => undefined
    const { source, clock, run, server } = await saving((tokens) => {
      saved.push(tokens)
      return new Promise((resolve) => (release = resolve))
    })
    let given = false
    const asking = source.getToken().then((token) => {
      given = true
      return token
    })
    await expect.poll(() => saved.length).toBe(1)
    await clock.advance(1000)
    expect(given).toBe(false)
    expect(source.peekToken()).toBeUndefined()
    release()
    const token = await run(asking)
    expect(saved).toEqual([
      {
        accessToken: token.value,
        refreshToken: expect.stringMatching(/^practice_refresh_/),
        obtainedAt: token.expiresAt - 60 * minute,
        expiresAt: token.expiresAt,
        tokenType: 'Bearer',
        scope: ['read', 'write'],
        metadata: {},
      },
    ])
    expect(server.introspect(saved[0]?.refreshToken ?? '')).toMatchObject({ active: true })
  })

  test('is given the tokens of a service, which has no refresh token, and it goes on from them', async () => {
    const saved: SavedTokens[] = []
    const save = async (tokens: SavedTokens): Promise<void> => void saved.push(tokens)
    const { source, run, clock, transport, service, tokenRequests } = await sourced((at) => at.service(), {
      save,
    })
    await run(source.getToken())
    const second = await run(source.refresh())
    expect(saved).toMatchObject([
      { refreshToken: undefined },
      { refreshToken: undefined, accessToken: second.value },
    ])
    const again = tokenSource(service(), { clock, transport, save, saved: saved[1] })
    onTestFinished(() => run(again.close()))
    expect((await run(again.getToken())).value).toBe(second.value)
    expect(tokenRequests()).toHaveLength(2)
  })

  test('is called once a refresh: not for claims, failures and refused tokens', async () => {
    const saved: SavedTokens[] = []
    const { source, clock, run, answerWith } = await saving(async (tokens) => void saved.push(tokens))
    await run(source.getToken())
    answerWith({ status: 429 })
    expect((await run(source.rejected({ generation: 1 }))).generation).toBe(1)
    expect(saved).toHaveLength(1)
    answerWith(undefined)
    await clock.advance(2 * minute)
    expect((await run(source.refresh())).generation).toBe(2)
    expect(saved).toHaveLength(2)
    expect(new Set(saved.map(({ refreshToken }) => refreshToken)).size).toBe(2)
  })

  test('that fails is called again until it does not; readers hear store_unavailable meanwhile, and nothing is lost', async () => {
    let broken = true
    let calls = 0
    const saved: SavedTokens[] = []
    const { source, clock, run, failure, server, tokenRequests } = await saving(
      async (tokens) => {
        calls += 1
        if (broken) throw new Error('no room on the disk')
        saved.push(tokens)
      },
      { timing: { patience: 3000 } },
    )
    const told: string[] = []
    source.on('failing', ({ code, message }) => told.push(`${code}: ${message}`))
    expect(await failure(source.getToken())).toMatchObject({
      code: 'store_unavailable',
      cause: expect.objectContaining({ message: 'no room on the disk' }),
    })
    expect(calls).toBeGreaterThan(2)
    expect(told[0]).toContain('store_unavailable: the new token cannot be stored yet: no room on the disk')
    broken = false
    await clock.advance(5000)
    const token = await run(source.getToken())
    expect(saved.map(({ accessToken }) => accessToken)).toEqual([token.value])
    const refreshes = tokenRequests().filter(({ grantType }) => grantType === 'refresh_token')
    expect(refreshes).toHaveLength(1)
    expect((await run(source.refresh())).generation).toBe(2)
    expect(server.introspect((await run(source.getToken())).value).active).toBe(true)
  })

  // Only the grant's own token was looked at: the refresh token that came with another was kept from its keeper.
  test('is given the refresh token that came with a token of another scope', async () => {
    const saved: SavedTokens[] = []
    const { source, run, server } = await saving(async (tokens) => void saved.push(tokens))
    const narrow = await run(source.getToken({ scope: 'read' }))
    expect(saved).toHaveLength(1)
    expect(saved[0]).toMatchObject({ accessToken: narrow.value, scope: ['read'] })
    expect(server.introspect(saved[0]?.refreshToken ?? '').active).toBe(true)
    const own = await run(source.getToken())
    await run(source.getToken({ scope: 'write' }))
    expect(saved).toHaveLength(3)
    // The grant's own token goes with the newest refresh token.
    expect(saved[2]?.accessToken).toBe(own.value)
    expect(server.introspect(saved[2]?.refreshToken ?? '').active).toBe(true)
  })

  // The same while the own token stood refused by its API.
  test('is given it also when the own token was refused by an API', async () => {
    const saved: SavedTokens[] = []
    const { source, clock, run, answerWith, server } = await saving(async (tokens) => void saved.push(tokens))
    await run(source.getToken())
    answerWith({ status: 429 })
    await run(source.rejected({ generation: 1 }))
    answerWith(undefined)
    await clock.advance(2 * minute)
    await run(source.getToken({ scope: 'read' }))
    expect(saved).toHaveLength(2)
    expect(server.introspect(saved[1]?.refreshToken ?? '').active).toBe(true)
  })

  test('lets a program go on where it stopped', async () => {
    let saved: SavedTokens | undefined
    const save = async (tokens: SavedTokens): Promise<void> => {
      saved = tokens
    }
    const { source, run, clock, transport, imported, server } = await saving(save)
    await run(source.getToken())
    await run(source.refresh())
    await source.close()
    const next = tokenSource(await imported({ refreshToken: saved?.refreshToken ?? '' }), {
      clock,
      transport,
      save,
    })
    onTestFinished(() => next.close())
    const token = await run(next.getToken())
    expect(server.introspect(token.value).active).toBe(true)
  })
})

describe('a login that was saved', () => {
  /** What a first source saved last, and a second one that begins with it. */
  async function goingOn(wait: number, change: Partial<SavedTokens> = {}) {
    const at = await practised()
    const saved: SavedTokens[] = []
    const options = {
      clock: at.clock,
      transport: at.transport,
      random: () => 0.5,
      save: async (tokens: SavedTokens) => void saved.push(tokens),
    }
    const definition = await at.imported()
    const first = tokenSource(definition, options)
    const token = await at.run(first.getToken())
    await at.run(first.close())
    await at.clock.advance(wait)
    const last = saved.at(-1) as SavedTokens
    const source = tokenSource(definition, { ...options, saved: { ...last, ...change } })
    onTestFinished(() => at.run(source.close()))
    return { ...at, source, token, saved }
  }

  test('goes on with the access token that it had, and sends and saves nothing', async () => {
    const { source, token, saved, run, tokenRequests } = await goingOn(10 * minute)
    const before = tokenRequests().length
    const again = await run(source.getToken())
    expect([again.value, again.expiresAt, again.scope]).toEqual([token.value, token.expiresAt, token.scope])
    expect([tokenRequests().length, saved.length]).toEqual([before, 1])
  })

  test('spends the newest refresh token when its access token has ended, and not the one of the definition', async () => {
    const { source, saved, run, server } = await goingOn(61 * minute)
    const token = await run(source.getToken())
    expect(server.introspect(token.value)).toMatchObject({ active: true })
    expect(new Set(saved.map(({ refreshToken }) => refreshToken)).size).toBe(2)
    expect(server.introspect(saved.at(-1)?.refreshToken ?? '').active).toBe(true)
  })

  test('can be told that its token has ended', async () => {
    const { source, token, run } = await goingOn(minute, { expiresAt: 0 })
    expect((await run(source.getToken())).value).not.toBe(token.value)
  })
})

describe('a consent', () => {
  test('is begun and finished by a source, saved, validated, and ended at the provider', async () => {
    const saved: SavedTokens[] = []
    const { source, run, failure, server } = await sourced((at) => at.app(), {
      save: async (tokens) => void saved.push(tokens),
    })
    expect(await failure(source.getToken())).toMatchObject({ code: 'grant_pending' })
    const { url } = await run(source.beginConsent({ redirectUri, binding: 'cookie' }))
    const callback = new URL(await consent(url, { subject: 'ann' }))
    expect(await failure(source.finishConsent(callback, 'another'))).toMatchObject({ code: 'state_unknown' })
    const again = await run(source.beginConsent({ redirectUri, binding: 'cookie' }))
    await run(source.finishConsent(new URL(await consent(again.url, { subject: 'ann' })), 'cookie'))
    const token = await run(source.getToken())
    expect(server.introspect(token.value)).toMatchObject({ active: true, sub: 'ann' })
    expect(saved).toMatchObject([{ accessToken: token.value, scope: ['read', 'write'] }])
    expect(await run(source.validate())).toMatchObject({ valid: true, by: 'introspection' })
    expect(await run(source.revoke())).toBe('revoked')
    expect(server.introspect(token.value).active).toBe(false)
    expect(await failure(source.getToken())).toMatchObject({ code: 'grant_revoked' })
  })

  test('that cannot be ended at the provider is over here all the same, and asking again tells the provider again', async () => {
    const { source, run, failure, server, answerWith, clock } = await sourced((at) => at.app(), {
      ephemeral: true,
    })
    const { url } = await run(source.beginConsent({ redirectUri }))
    await run(source.finishConsent(new URL(await consent(url))))
    const token = await run(source.getToken())
    answerWith(({ path }) => (path === '/revoke' ? { status: 503 } : undefined))
    expect(await run(source.revoke())).toBe('revoking')
    expect(await failure(source.getToken())).toMatchObject({ code: 'grant_revoked' })
    expect(server.introspect(token.value).active).toBe(true)
    answerWith(undefined)
    await clock.advance(10 * minute)
    expect(await run(source.revoke())).toBe('revoked')
    expect(server.introspect(token.value).active).toBe(false)
  })
})

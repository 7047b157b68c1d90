import type { ScriptedResponse } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { authorizationCode, type GrantDefinition } from '../../src/grants/definition.ts'
import type { ProfileLifetimes, ProviderProfile } from '../../src/providers/profile.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { practised } from './practised.ts'

const minute = 60_000

const json = (body: object): ScriptedResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

describe.each(['memory', 'sqlite'])('a lifetime that stands not where the profile has it, on %s', (kind) => {
  /** A login at a provider whose answers are `members` and tokens, by a profile that is as `change` says. */
  async function loggedIn(members: object, change: Partial<ProviderProfile> = {}) {
    const file = newStoreFile()
    const at = await practised(kind === 'sqlite' ? { store: (clock) => sqliteStore(file, { clock }) } : {})
    let said = members
    let count = 0
    at.answerWith(({ path }) => {
      if (path !== '/token') return undefined
      count += 1
      return json({ access_token: `access-${count}`, refresh_token: `refresh-${count}`, ...said })
    })
    const definition = (more: Partial<ProviderProfile> = {}): GrantDefinition =>
      authorizationCode({
        profile: {
          id: 'example',
          name: 'Example',
          token_url: at.server.tokenEndpoint,
          authorization_url: `${at.server.issuer}/authorize`,
          answer: { expiry: '/expires_at', expiry_format: 'iso8601' },
          ...change,
          ...more,
        },
        clientId: 'practice-app',
        scope: 'read',
      })
    const notices: string[] = []
    at.keeper.on('notice', ({ kind: notice }) => notices.push(notice))
    await at.keeper.add('work', definition())
    await at.login('work')
    return {
      ...at,
      notices,
      definition,
      says: (next: object) => {
        said = next
      },
      shown: () => at.keeper.show('work'),
    }
  }
  const why = 'the profile example has answer.expiry at /expires_at, and there was none that can be read'

  test.each<[string, object]>([
    ['is missing', {}],
    ['is of another format', { expires_at: 1_900_000_000 }],
    ['has passed', { expires_at: '2001-01-01T00:00:00Z' }],
    ['stands somewhere else', { expires_in: 600 }],
  ])('because it %s is told once, and the token is served', async (_, members) => {
    const { keeper, shown, notices, run, pass } = await loggedIn(members)
    expect(await shown()).toMatchObject({ state: 'active', lifetimeFrom: 'assumed', lifetimeReason: why })
    expect((await shown()).notices.at(-1)).toMatchObject({
      kind: 'lifetime_assumed',
      message: `a token is taken to live 3300 s: ${why}`,
    })
    expect((await run(keeper.getToken('work'))).value).toBe('access-1')
    for (const generation of [2, 3]) {
      await pass(55 * minute)
      await run(keeper.tend('work'))
      expect(await shown()).toMatchObject({ generation, failures: 0, lifetimeReason: why })
    }
    expect(notices.filter((notice) => notice === 'lifetime_assumed')).toHaveLength(1)
  })

  test('is no more told of once the answer has it, and again only of another login', async () => {
    const { says, shown, pass, run, keeper, login, clock, notices } = await loggedIn({})
    says({ expires_at: new Date(clock.now() + 120 * minute).toISOString() })
    await pass(50 * minute)
    await run(keeper.tend('work'))
    const stated = await shown()
    expect([stated.lifetimeFrom, stated.lifetimeReason]).toEqual(['stated', undefined])
    says({})
    await run(keeper.refresh('work'))
    expect(await shown()).toMatchObject({ lifetimeFrom: 'assumed', lifetimeReason: why })
    expect(notices.filter((notice) => notice === 'lifetime_assumed')).toHaveLength(1)
    await login('work')
    expect((await shown()).notices.filter(({ kind: said }) => said === 'lifetime_assumed')).toHaveLength(2)
  })

  test('is found by whoever mends the profile, and told of no more', async () => {
    const { keeper, definition, shown, run, says } = await loggedIn({ good_for: 600 })
    says({ good_for: 600 })
    await keeper.ensure('work', definition({ answer: { expiry: '/good_for' } }))
    await run(keeper.refresh('work'))
    const mended = await shown()
    expect([mended.lifetimeFrom, mended.lifetimeReason]).toEqual(['stated', undefined])
  })

  test.each<[string, Partial<ProviderProfile>, ProfileLifetimes?]>([
    ['the profile says no place', { answer: {} }],
    ['tokens never expire by the profile', {}, { never_expires: true }],
  ])('is as usual where %s', async (_, change, lifetimes) => {
    const { shown, notices } = await loggedIn({}, { ...change, ...(lifetimes && { lifetimes }) })
    expect(await shown()).toMatchObject({ lifetimeFrom: 'assumed', lifetimeReason: undefined })
    expect(notices).not.toContain('lifetime_assumed')
  })

  test('is named with the place below which it is looked for, and never with what was there', async () => {
    const { shown } = await loggedIn(
      { data: { access_token: 'access-1', expires_at: 'secret-looking' } },
      { answer: { root: '/data', expiry: ['/expires_at', '/ends'], expiry_format: 'iso8601' } },
    )
    const { lifetimeReason } = await shown()
    expect(lifetimeReason).toBe(
      'the profile example has answer.expiry at /expires_at or /ends, below answer.root at /data, and there was none that can be read',
    )
    expect(JSON.stringify(await shown())).not.toContain('secret-looking')
  })
})

import type { ScriptedResponse } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { authorizationCode, type GrantDefinition } from '../../src/grants/definition.ts'
import type { ProviderProfile } from '../../src/providers/profile.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { dueIds, type Practised, practised, redirectUri } from './practised.ts'

const minute = 60_000

const json = (body: object): ScriptedResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

/** What is in the sealed part of the newest token, as it is written. */
async function sealedOf({ keeper: { store } }: Practised, id: string) {
  const record = await store.read(id)
  const [row] = record?.tokens ?? []
  if (row === undefined) throw new Error('no token')
  return JSON.parse(
    store.seal.open(row.sealed, { grant: id, field: 'access_token', scope: '', resource: '' }),
  )
}

describe.each(['memory', 'sqlite'])('what an answer brings beside its token, on %s', (kind) => {
  const begun = async (profile: Partial<ProviderProfile>, answers: readonly object[], query = '') => {
    const file = newStoreFile()
    const at = await practised(kind === 'sqlite' ? { store: (clock) => sqliteStore(file, { clock }) } : {})
    let count = 0
    at.answerWith(({ path }) => {
      if (path !== '/token') return undefined
      count += 1
      const tokens = { access_token: `access-token-${count}`, refresh_token: `refresh-token-${count}` }
      return json({ ...tokens, expires_in: 3600, ...answers[Math.min(count, answers.length) - 1] })
    })
    const defined = (
      change: Partial<ProviderProfile> = {},
      metadata: readonly string[] = [],
    ): GrantDefinition =>
      authorizationCode({
        profile: {
          id: 'example',
          name: 'Example',
          token_url: at.server.tokenEndpoint,
          authorization_url: `${at.server.issuer}/authorize`,
          ...profile,
          ...change,
        },
        clientId: 'practice-app',
        scope: 'read write',
        metadata,
      })
    await at.keeper.add('work', defined())
    const login = async (more = query) => {
      const { state } = await at.run(at.keeper.beginConsent('work', { redirectUri }))
      await at.run(at.keeper.finishConsent(new URL(`${redirectUri}?code=code-1&state=${state}${more}`)))
    }
    await login()
    return { ...at, defined, login, asked: () => count }
  }

  test('stays over a refresh that leaves it out, and goes by the refresh that changes it', async () => {
    const at = await begun({ answer: { metadata: { instance: '/instance_url', team: '/team/id' } } }, [
      { instance_url: 'https://one.example', team: { id: 'T1' } },
      { team: null },
      { instance_url: 'https://two.example' },
    ])
    const metadata = async () => (await at.run(at.keeper.getToken('work'))).metadata
    expect(await metadata()).toEqual({ instance: 'https://one.example', team: 'T1' })
    await at.run(at.keeper.refresh('work'))
    expect(await metadata()).toEqual({ instance: 'https://one.example', team: 'T1' })
    await at.run(at.keeper.refresh('work'))
    expect(await metadata()).toEqual({ instance: 'https://two.example', team: 'T1' })
  })

  test('goes with a token for a narrower scope too', async () => {
    const at = await begun({ answer: { metadata: { team: '/team' } } }, [{ team: 'T1' }, {}])
    const narrow = await at.run(at.keeper.getToken('work', { scope: 'read' }))
    expect(narrow).toMatchObject({ value: 'access-token-2', metadata: { team: 'T1' }, scope: ['read'] })
  })

  test('does not outlive the login: another consent begins anew', async () => {
    const at = await begun({ answer: { metadata: { team: '/team' } } }, [{ team: 'T1' }, {}])
    await at.login()
    expect((await at.run(at.keeper.getToken('work'))).metadata).toEqual({})
  })

  test('may come with the callback, and stays over refreshes as well', async () => {
    const at = await begun(
      { consent: { metadata: ['realmId', 'region'] } },
      [{}],
      `&realmId=4620816365&region=&other=x`,
    )
    expect((await at.run(at.keeper.getToken('work'))).metadata).toEqual({ realmId: '4620816365' })
    await at.run(at.keeper.refresh('work'))
    await at.run(at.keeper.refresh('work'))
    expect((await at.run(at.keeper.getToken('work'))).metadata).toEqual({ realmId: '4620816365' })
  })

  test('that comes twice, or without end, is left out of the callback', async () => {
    const long = 'x'.repeat(1025)
    const at = await begun(
      { consent: { metadata: ['realmId', 'region'] } },
      [{}],
      `&realmId=1&realmId=2&region=${long}`,
    )
    expect((await at.run(at.keeper.getToken('work'))).metadata).toEqual({})
  })

  test('is served from the kept answer when the configuration allows it later, without a new token', async () => {
    const at = await begun({}, [{ team: { id: 'T1', token: 'refresh-token-1' }, region: 'eu' }, {}])
    await at.run(at.keeper.refresh('work'))
    expect((await at.run(at.keeper.getToken('work'))).metadata).toEqual({})
    await at.keeper.ensure('work', at.defined({}, ['region', 'team']))
    await at.pass(minute)
    expect(await dueIds(at.keeper)).toEqual([])
    // What holds a token is handed out no more than it would have been with the answer itself.
    expect(await at.run(at.keeper.getToken('work'))).toMatchObject({
      generation: 2,
      metadata: { region: 'eu' },
    })
    await at.keeper.ensure('work', at.defined({ answer: { metadata: { team_id: '/team/id' } } }))
    await at.pass(minute)
    expect(await at.run(at.keeper.getToken('work'))).toMatchObject({
      generation: 2,
      metadata: { team_id: 'T1' },
    })
    expect(at.asked()).toBe(2)
    await at.pass(59 * minute)
    expect(await at.run(at.keeper.getToken('work'))).toMatchObject({ value: 'access-token-3' })
  })

  test('that only another answer can bring is asked for at once', async () => {
    const at = await begun({}, [{ scope: 'read' }])
    await at.keeper.ensure('work', at.defined({}, ['scope']))
    expect(await dueIds(at.keeper)).toEqual(['work'])
  })

  test('is kept without a token in it, and not at all where there is nothing of use', async () => {
    const at = await begun({ answer: { secondary_tokens: { other: { root: '/other' } } } }, [
      {
        other: { access_token: 'other-token-1', said: 'not other-token-1' },
        'access-token-1': 1,
        region: 'eu',
        id_token: 'a.b.c-of-a-token',
      },
      {},
    ])
    expect((await sealedOf(at, 'work')).answer).toEqual({
      expires_in: 3600,
      region: 'eu',
      other: { access_token: '[secret]', said: '[secret]' },
    })
    const plain = await begun({}, [{ scope: 'read write', token_type: 'Bearer' }])
    expect(await sealedOf(plain, 'work')).toEqual({ value: 'access-token-1', metadata: {}, answer: {} })
  })

  test('is bounded: an answer of endless members is handed out as allowed, and not kept', async () => {
    const at = await begun({ answer: { metadata: { region: '/region' } } }, [
      { region: 'eu', noise: 'x'.repeat(17_000) },
    ])
    expect(await sealedOf(at, 'work')).toEqual({ value: 'access-token-1', metadata: { region: 'eu' } })
    await at.keeper.ensure('work', at.defined({ answer: {} }))
    expect((await sealedOf(at, 'work')).metadata).toEqual({})
    expect(await dueIds(at.keeper)).toEqual(['work'])
  })

  test('the scope that was granted stays when a refresh does not say it again (RFC 6749 section 6)', async () => {
    const at = await begun({}, [{ scope: 'read' }, {}])
    await at.run(at.keeper.refresh('work'))
    expect((await at.run(at.keeper.getToken('work'))).scope).toEqual(['read'])
  })
})

import { expect, test } from 'vitest'
import { newRefreshToken, practised } from './practised.ts'

const minute = 60_000

/** A login of the client that has a secret, which the provider has just replaced. */
async function withNewSecret() {
  const at = await practised()
  const client = { clientId: 'practice-web', clientSecret: 'practice-web-secret' }
  await at.keeper.add('work', at.app({ ...client, clientAuthentication: 'client_secret_post' }), {
    labels: { team: 'money' },
  })
  await at.login('work')
  at.server.setClientSecret('practice-web', 'new-secret')
  return at
}

test('another client secret takes the place of the one that was handed in; login, token and labels stay', async () => {
  const { keeper, run, failure, tokenRequests } = await withNewSecret()
  const before = await run(keeper.getToken('work'))
  expect(await failure(keeper.refresh('work'))).toMatchObject({ code: 'invalid_client' })
  const replaced = await keeper.replace('work', { clientSecret: 'new-secret' })
  expect(replaced).toMatchObject({ state: 'active', generation: 1, labels: { team: 'money' } })
  expect((await run(keeper.getToken('work'))).value).toBe(before.value)
  const sent = tokenRequests().length
  expect(await run(keeper.refresh('work'))).toMatchObject({ generation: 2 })
  expect(
    tokenRequests()
      .slice(sent)
      .map(({ status }) => status),
  ).toEqual([200])
})

test('the new secret is used at once, by whoever finds the grant due', async () => {
  const { keeper, clock, run } = await withNewSecret()
  await keeper.replace('work', { clientSecret: ['practice-web-secret', 'new-secret'] })
  await clock.advance(1)
  expect(await run(keeper.tend('work'))).toMatchObject({ kind: 'refreshed' })
  expect(await keeper.show('work')).toMatchObject({ generation: 2, failures: 0 })
})

test('a login that was handed in and is over lives again by the refresh token of another', async () => {
  const { keeper, clock, run, failure, server, imported, answerWith } = await practised()
  await keeper.add('crm', await imported())
  answerWith(({ path }) =>
    path === '/token' ? { status: 400, body: '{"error":"invalid_grant"}' } : undefined,
  )
  for (const pause of [0, minute, 10 * minute]) {
    await clock.advance(pause)
    await run(keeper.tend('crm'))
  }
  expect(await failure(keeper.getToken('crm'))).toMatchObject({ code: 'reauthorization_required' })
  answerWith(undefined)
  const token = await newRefreshToken(server)
  expect(await keeper.replace('crm', { refreshToken: token })).toMatchObject({ state: 'active' })
  expect(server.introspect((await run(keeper.getToken('crm'))).value)).toMatchObject({ active: true })
})

test('what a grant does not have is not replaced, and it stays as it was', async () => {
  const { keeper, failure, app, account, imported } = await practised()
  await keeper.add('work', app())
  await keeper.add('robot', account())
  await keeper.add('crm', await imported())
  const before = await keeper.store.read('crm')
  const refused = async (id: string, replacement: Parameters<typeof keeper.replace>[1]) => {
    const { code, message } = await failure(keeper.replace(id, replacement))
    return [code, message]
  }
  expect(await refused('work', { refreshToken: 'r' })).toEqual([
    'invalid_request',
    'grant work: it is of type authorization_code and takes no refresh token from elsewhere',
  ])
  expect(await refused('crm', { clientSecret: 's' })).toEqual([
    'invalid_request',
    'grant crm: its client authenticates by none and has no secret',
  ])
  expect(await refused('crm', { refreshToken: ' ' })).toEqual(['empty_secret', 'refreshToken is empty'])
  expect(await refused('nobody', { clientSecret: 's' })).toEqual([
    'unknown_grant',
    'there is no grant "nobody" in memory',
  ])
  expect(await keeper.store.read('crm')).toEqual(before)
})

test('a revoked grant takes no refresh token', async () => {
  const { keeper, failure, run, imported } = await practised()
  await keeper.add('crm', await imported())
  await run(keeper.getToken('crm'))
  await run(keeper.revoke('crm'))
  expect(await failure(keeper.replace('crm', { refreshToken: 'another' }))).toMatchObject({
    code: 'grant_revoked',
    advice: 'evertoken remove crm forgets it; it may then be added anew.',
  })
})

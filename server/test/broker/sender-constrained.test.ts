import type { PracticeServer } from '@evertoken/testing'
import { clientCredentials } from 'evertoken'
import { describe, expect, test } from 'vitest'
import { practisedBroker, service } from './practised-broker.ts'

const bound = (practice: PracticeServer) =>
  clientCredentials({
    tokenUrl: practice.tokenEndpoint,
    clientId: 'practice-service',
    clientSecret: 'practice-service-secret',
    dpop: true,
  })

describe('a token that is bound to a key', () => {
  test('is handed to no caller, from the store or from memory, nor after a report', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('billing', bound(practice))
    const read = () => send('GET', '/v1/grants/billing/token', { key: readKey })
    const report = () =>
      send('POST', '/v1/grants/billing/token/rejected', { key: readKey, payload: { generation: 1 } })
    for (const ask of [read, read, report, read]) {
      const answer = await ask()
      expect(answer.statusCode).toBe(409)
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
      expect(answer.json()).toMatchObject({
        code: 'sender_constrained',
        grant: 'billing',
        advice: expect.stringContaining('authorizedFetch'),
      })
      expect(answer.body).not.toContain('practice_access')
    }
    expect(keeper.peekToken('billing')?.presentation?.scheme).toBe('DPoP')
  })

  test('is told in its grant, and in no other', async () => {
    const { practice, keeper, send, adminKey } = await practisedBroker()
    await keeper.add('billing', bound(practice))
    await keeper.add('plain', service(practice))
    const shown = await send('GET', '/v1/grants/billing', { key: adminKey })
    expect(shown.json()).toMatchObject({ sender_constrained: true })
    const plain = await send('GET', '/v1/grants/plain', { key: adminKey })
    expect(plain.json()).not.toHaveProperty('sender_constrained')
  })

  test('comes of a grant that a request describes', async () => {
    const { practice, send, adminKey } = await practisedBroker()
    const client = {
      provider: practice.issuer,
      client_id: 'practice-service',
      client_secret: 'practice-service-secret',
      dpop: true,
    }
    const answer = await send('POST', '/v1/grants', {
      key: adminKey,
      payload: { id: 'billing', grant_type: 'client_credentials', client },
    })
    expect([answer.statusCode, answer.json().sender_constrained]).toEqual([201, true])
    const refreshed = await send('POST', '/v1/grants/billing/refresh', { key: adminKey })
    expect(refreshed.json()).toMatchObject({ generation: 1, sender_constrained: true })
    const valid = await send('POST', '/v1/grants/billing/validate', { key: adminKey })
    expect(valid.json()).toMatchObject({ valid: true, by: 'introspection' })
  })
})

test('a token that is bound to a certificate is handed to no caller either', async () => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const jwt = `${part({ alg: 'ES256' })}.${part({ cnf: { 'x5t#S256': 'x' } })}.e30`
  const body = JSON.stringify({ access_token: jwt, expires_in: 60 })
  const { practice, keeper, send, readKey } = await practisedBroker({
    practice: { respond: ({ path }) => (path === '/token' ? { status: 200, body } : undefined) },
  })
  await keeper.add('billing', service(practice))
  const answer = await send('GET', '/v1/grants/billing/token', { key: readKey })
  expect([answer.statusCode, answer.json().code]).toEqual([409, 'sender_constrained'])
  expect(answer.json().detail).toContain('certificate')
  expect(answer.body).not.toContain(jwt)
  // Only keys were looked for, and the token was handed out.
  const issued = await send('POST', '/oauth/token', {
    headers: {
      authorization: `Basic ${btoa(`${readKey.split('_')[1]}:${readKey}`)}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    payload: 'grant_type=client_credentials&scope=grant:billing',
  })
  expect([issued.statusCode, issued.json().error]).toEqual([400, 'invalid_request'])
  expect(issued.json().error_description).toContain('bound to the certificate')
  expect(issued.body).not.toContain(jwt)
})

import { expect, test } from 'vitest'
import { login, startPracticeServer } from '../src/practice-server.ts'

test('a login gives both tokens of the person who was named', async () => {
  await using server = await startPracticeServer()
  const { accessToken, refreshToken, expiresIn } = await login(server.issuer, {
    subject: 'ann',
    scope: ['read'],
  })
  expect(server.introspect(accessToken)).toMatchObject({ active: true, sub: 'ann', scope: 'read' })
  expect(server.introspect(refreshToken)).toMatchObject({ active: true, sub: 'ann' })
  expect(expiresIn).toBe(300)
})

test('a client with a secret sends it', async () => {
  await using server = await startPracticeServer()
  const web = { clientId: 'practice-web', clientSecret: 'practice-web-secret' }
  const { accessToken } = await login(server.issuer, web)
  expect(server.introspect(accessToken)).toMatchObject({ active: true, client_id: 'practice-web' })
})

test('a refusal is told in the words of the server', async () => {
  await using server = await startPracticeServer()
  const wrong = login(server.issuer, { clientId: 'practice-web', clientSecret: 'wrong' })
  await expect(wrong).rejects.toThrow(/the practice server refused: invalid_client/)
})

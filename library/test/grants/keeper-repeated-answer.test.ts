// A provider that repeats its answer states the lifetime of one and the same token anew; django-oauth-toolkit does.

import { expect, test } from 'vitest'
import { practised } from './practised.ts'

test('the lifetime of a token that was given twice counts from the first time it may have been given', async () => {
  const { clock, keeper, run, pass, imported, tokenRequests, answerWith } = await practised()
  await keeper.add('work', await imported({ replayClass: 'idempotent', reuseWindow: 120 }))
  await run(keeper.getToken('work'))
  const asked = tokenRequests().length
  answerWith('close')
  const before = clock.now()
  await run(keeper.refresh('work').catch(() => undefined))
  expect(await keeper.show('work')).toMatchObject({ generation: 1, unresolved: true })
  await pass(30_000)
  const repeated = { access_token: 'again', refresh_token: 'next', token_type: 'Bearer', expires_in: 600 }
  answerWith({ status: 200, body: JSON.stringify(repeated) })
  await run(keeper.tend('work'))
  expect(tokenRequests()).toHaveLength(asked + 2)
  expect(await keeper.show('work')).toMatchObject({ generation: 2, unresolved: false })
  expect((await keeper.show('work')).expiresAt).toBe(before + 600_000)
})

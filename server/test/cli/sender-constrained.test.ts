import type { PracticeServer } from '@evertoken/testing'
import { expect, test } from 'vitest'
import { evertoken, folder } from './command.ts'
import { provider, serviceFlags, serviceSecret } from './practice.ts'

/** A data folder that holds the grant `billing`, whose tokens are bound to a key. */
async function bound(): Promise<{ server: PracticeServer; data: string }> {
  const server = await provider({ dpopNonce: true })
  const data = folder()
  const args = ['add', 'billing', '--data', data, ...serviceFlags(server), '--dpop']
  const added = await evertoken([...args, '--client-secret-file', '-'], { input: serviceSecret })
  expect(added).toMatchObject({ code: 0, stdout: expect.stringContaining('billing') })
  return { server, data }
}

test('evertoken token says what a bound token needs, and prints none', async () => {
  const { data } = await bound()
  const token = (...more: string[]) => evertoken(['token', 'billing', '--data', data, ...more])
  const [plain, json] = await Promise.all([token(), token('--json')])
  for (const { code, stdout, stderr } of [plain, json]) {
    expect([code, (stdout + stderr).includes('practice_access')]).toEqual([1, false])
    expect(stdout + stderr).toContain('bound to a key')
    expect(stdout + stderr).toContain('authorizedFetch')
  }
  expect(plain.stdout).toBe('')
})

test('list, show and validate work on it and say that it is bound', async () => {
  const { data } = await bound()
  const commands = [['list'], ['show', 'billing'], ['show', 'billing', '--json'], ['validate', 'billing']]
  const [list, show, json, valid] = await Promise.all(
    commands.map((command) => evertoken([...command, '--data', data])),
  )
  expect(list?.stdout).toContain('client_credentials, DPoP')
  expect(show?.stdout).toMatch(/bound +the token is bound to a key of this grant \(DPoP\)/)
  expect(JSON.parse(json?.stdout ?? '')).toMatchObject({ sender_constrained: true })
  expect([valid?.code, valid?.stdout]).toEqual([0, expect.stringContaining('introspection')])
})

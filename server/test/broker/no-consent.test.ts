import { expect, test } from 'vitest'
import { checkConsentable } from '../../src/broker/no-consent.ts'

const advice = (id: string, grantType: Parameters<typeof checkConsentable>[0]['grantType']) => {
  try {
    return checkConsentable({ id, grantType })
  } catch (error) {
    return (error as { advice: string }).advice
  }
}
const plain = 'Only authorization_code and password grants need a login; the others go on by themselves.'

test('a grant that nobody consents to says so, and one that may have come beside another where it comes from', () => {
  expect(advice('work.user', 'authorization_code')).toBeUndefined()
  expect(advice('billing.eu', 'client_credentials')).toBe(plain)
  const handedIn = (id: string) =>
    `It lives by a refresh token that was handed in: evertoken replace ${id}, where its store is, takes that of a new login.`
  expect(advice('work', 'refresh_token')).toBe(handedIn('work'))
  expect(advice('work.user', 'refresh_token')).toBe(
    `${handedIn('work.user')} If it came beside work, it comes anew with that.`,
  )
})

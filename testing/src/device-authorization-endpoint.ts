import { randomInt } from 'node:crypto'
import { type Answer, jsonAnswer, OAuthError } from './answer.ts'
import { needClient } from './client-verification.ts'
import { type Exchange, type Practice, readForm } from './exchange.ts'
import { newSecret } from './issue.ts'
import { digest, fingerprint } from './request-record.ts'
import { firstScope, readAudience } from './scope.ts'

/** RFC 8628 section 6.1: no vowels, so that no words come of it, and nothing that looks like something else. */
const letters = 'BCDFGHJKLMNPQRSTVWXZ'

/** The device authorization endpoint, RFC 8628 sections 3.1 and 3.2. */
export async function deviceAuthorizationEndpoint(exchange: Exchange, practice: Practice): Promise<Answer> {
  const form = readForm(exchange)
  const client = await needClient(exchange, form, practice)
  if (!client.grantTypes.has('urn:ietf:params:oauth:grant-type:device_code'))
    throw new OAuthError('unauthorized_client', 'the client is not registered for this grant type')
  const { deviceCodeLifetime, deviceInterval } = practice.options
  const deviceCode = newSecret('device')
  const userCode = newUserCode()
  const now = practice.now()
  practice.state.commit({
    type: 'device_code_issued',
    at: now,
    code: {
      digest: digest(deviceCode),
      userCode: digest(normalUserCode(userCode)),
      clientId: client.clientId,
      scope: firstScope(form, client),
      audience: readAudience(form),
      expiresAt: now + deviceCodeLifetime * 1000,
      interval: deviceInterval,
    },
  })
  exchange.record.presented = fingerprint(deviceCode)
  const verificationUri = `${practice.issuer}/device`
  return jsonAnswer(200, {
    device_code: deviceCode,
    user_code: userCode,
    verification_uri: verificationUri,
    verification_uri_complete: `${verificationUri}?user_code=${userCode}`,
    expires_in: deviceCodeLifetime,
    interval: deviceInterval,
  })
}

/** A user code however somebody types it. */
export function normalUserCode(typed: string): string {
  return typed.toUpperCase().replaceAll(/[^A-Z]/g, '')
}

function newUserCode(): string {
  const code = Array.from({ length: 8 }, () => letters[randomInt(letters.length)]).join('')
  return `${code.slice(0, 4)}-${code.slice(4)}`
}

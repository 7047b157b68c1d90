import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import {
  authorizationCode,
  clientCredentials,
  type GrantDefinition,
  jwtBearer,
} from '../../src/grants/definition.ts'
import { sendTokenMessage } from '../../src/grants/token-message.ts'
import { authorizationCodeGrant } from '../../src/oauth/authorization-code.ts'
import type { ServerMetadata } from '../../src/oauth/client.ts'
import type { Transport, WireRequest } from '../../src/oauth/transport.ts'
import type { ProviderProfile } from '../../src/providers/profile.ts'
import { Secret } from '../../src/secret.ts'
import {
  app,
  base,
  exchanged,
  type Given,
  redirectUri,
  rows,
  type Sent,
  type TokenOperation,
} from './profile-request-rows.ts'

function sentOf({ method, url, headers, body }: WireRequest): Sent {
  const { origin, pathname, searchParams } = new URL(url)
  return {
    line: `${method} ${origin}${pathname}`,
    headers,
    ...(searchParams.size === 0 ? {} : { query: Object.fromEntries(searchParams) }),
    ...(body?.startsWith('{') ? { json: JSON.parse(body) } : {}),
    ...(body === undefined || body.startsWith('{')
      ? {}
      : { form: Object.fromEntries(new URLSearchParams(body)) }),
  }
}

const serverOf = ({ client }: GrantDefinition): ServerMetadata => {
  if (client.provider.kind !== 'endpoints') throw new Error('no endpoints')
  return client.provider.metadata
}

async function sent(
  operation: TokenOperation,
  profile: Partial<ProviderProfile>,
  given: Given = {},
): Promise<Sent> {
  const requests: WireRequest[] = []
  const transport: Transport = async (request) => {
    requests.push(request)
    return { status: 200, headers: {}, body: '{"access_token":"at-1"}' }
  }
  const options = { ...app, profile: { ...base, ...profile }, ...given }
  const key = { scope: '', resource: '' }
  const wire = { transport, clock: systemClock }
  const held = new Secret('refresh-token-1')
  if (operation === 'exchange' || operation === 'refresh') {
    const definition = authorizationCode(options)
    const server = serverOf(definition)
    if (operation === 'refresh')
      await sendTokenMessage({ server, definition, held, key, deadline: 1000 }, wire)
    else {
      const message = { code: new Secret('code-1'), redirectUri, codeVerifier: new Secret('verifier-1') }
      const { parameters } = definition
      await authorizationCodeGrant(
        server,
        definition.client,
        { ...message, parameters },
        { transport, now: () => 0, deadline: 1000 },
      )
    }
  } else {
    const assertion = { issuer: 'i', key: { algorithm: 'HS256', key: 'k'.repeat(32) } } as const
    const definition =
      operation === 'jwt_bearer' ? jwtBearer({ ...options, assertion }) : clientCredentials(options)
    const server = serverOf(definition)
    await sendTokenMessage({ server, definition, held: undefined, key, deadline: 1000 }, wire)
  }
  expect(requests).toHaveLength(1)
  return sentOf(requests[0] as WireRequest)
}

describe('a request in the words of the provider', () => {
  test.each(rows)('%s', async (_, operation, profile, { headers = {}, ...expected }, given) => {
    const request = await sent(operation, profile, given)
    for (const [part, wanted] of Object.entries(expected)) expect(request[part as keyof Sent]).toEqual(wanted)
    expect(request.headers).toMatchObject(headers)
    if (request.form === undefined && request.json === undefined)
      expect(request.headers).not.toHaveProperty('content-type')
  })
})

describe('without PKCE', () => {
  test('no code_verifier is sent with the code', async () => {
    const requests: WireRequest[] = []
    const transport: Transport = async (request) => {
      requests.push(request)
      return { status: 200, headers: {}, body: '{}' }
    }
    const { client } = authorizationCode({ ...app, profile: base })
    await authorizationCodeGrant(
      { tokenEndpoint: base.token_url },
      client,
      { code: new Secret('code-1'), redirectUri },
      { transport, now: () => 0, deadline: 1000 },
    )
    const { code_verifier: _, ...rest } = exchanged
    expect(requests.map(sentOf)).toMatchObject([{ form: rest }])
    expect(requests[0]?.body).not.toContain('code_verifier')
  })
})

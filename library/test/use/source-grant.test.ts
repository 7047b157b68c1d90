import { expect, test } from 'vitest'
import { clientCredentials, jwtBearer } from '../../src/grants/definition.ts'
import { isGrantId } from '../../src/grants/grant-id.ts'
import { sourceName } from '../../src/use/source-grant.ts'

const issuer = 'https://auth.example:8443/tenant'
const service = (clientId: string) => clientCredentials({ issuer, clientId, clientSecret: 'secret' })
const key = { algorithm: 'HS256', key: 'a secret of at least 32 bytes, or more' } as const

test.each([
  [service('abc'), 'abc-at-auth.example'],
  [service('https://app.example/id?x=1'), 'https_app.example_id_x_1-at-auth.example'],
  [service('-'), 'at-auth.example'],
  [service('x'.repeat(500)), 'x'.repeat(128)],
  [clientCredentials({ tokenUrl: 'http://[::1]:7/token', clientId: 'abc', clientSecret: 's' }), 'abc-at-_1_'],
  [
    jwtBearer({ tokenUrl: 'https://auth.example/token', assertion: { issuer: 'robot', key } }),
    'auth.example',
  ],
])('a source is called by client and provider, as a grant may be called: %#', (grant, name) => {
  expect(sourceName(grant)).toBe(name)
  expect(isGrantId(name)).toBe(true)
})

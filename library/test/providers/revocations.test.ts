import { describe, expect, test } from 'vitest'
import { refreshToken } from '../../src/grants/definition.ts'
import { revokeToken } from '../../src/oauth/revocation.ts'
import type { WireRequest } from '../../src/oauth/transport.ts'
import { catalogueProfile } from '../../src/providers/catalogue.ts'
import { Secret } from '../../src/secret.ts'

/** One token, told to a provider as the catalogue has it. */
async function told(
  id: string,
  answer: { status?: number; body?: string } = {},
  hint: 'access_token' | 'refresh_token' = 'access_token',
) {
  const { client } = refreshToken({
    profile: catalogueProfile(id),
    clientId: 'client-1',
    clientSecret: 'secret-1',
    refreshToken: 'rt',
  })
  if (client.provider.kind !== 'endpoints') throw new Error('no endpoints')
  const requests: WireRequest[] = []
  const transport = async (request: WireRequest) => {
    requests.push(request)
    return { status: 200, headers: {}, body: '', ...answer }
  }
  const server = {
    ...client.provider.metadata,
    ...(client.revocationEndpoint === undefined ? {} : { revocationEndpoint: client.revocationEndpoint }),
  }
  const wire = { transport, now: () => 0, deadline: 1000 }
  const said = await revokeToken(server, client, { token: new Secret('at-1'), hint }, wire)
  const [request] = requests
  return {
    kind: said.kind,
    line: request && `${request.method} ${request.url}`,
    authorization: request?.headers.authorization,
    body: request?.body,
  }
}

const github = {
  line: 'DELETE https://api.github.com/applications/client-1/token',
  authorization: `Basic ${btoa('client-1:secret-1')}`,
  body: '{"access_token":"at-1"}',
}

describe('a login is ended in the words of', () => {
  test.each([
    ['slack', { line: 'POST https://slack.com/api/auth.revoke', body: 'token=at-1' }],
    ['github-oauth-app', github],
    ['github-app', github],
    ['facebook', { line: 'DELETE https://graph.facebook.com/v22.0/me/permissions?access_token=at-1' }],
    [
      'dropbox',
      { line: 'POST https://api.dropboxapi.com/2/auth/token/revoke', authorization: 'Bearer at-1' },
    ],
    [
      'square',
      {
        line: 'POST https://connect.squareup.com/oauth2/revoke',
        authorization: 'Client secret-1',
        body: '{"access_token":"at-1","client_id":"client-1"}',
      },
    ],
    [
      'line',
      {
        line: 'POST https://api.line.me/oauth2/v2.1/revoke',
        body: 'access_token=at-1&client_id=client-1&client_secret=secret-1',
      },
    ],
    [
      'miro',
      {
        line: 'POST https://api.miro.com/v2/oauth/revoke',
        body: '{"accessToken":"at-1","clientId":"client-1","clientSecret":"secret-1"}',
      },
    ],
    [
      'yandex',
      {
        line: 'POST https://oauth.yandex.ru/revoke_token',
        authorization: github.authorization,
        body: 'access_token=at-1',
      },
    ],
    ['strava', { line: 'POST https://www.strava.com/oauth/deauthorize', body: 'access_token=at-1' }],
  ])('%s', async (id, { line, authorization, body }: Record<string, string>) => {
    expect(await told(id)).toMatchObject({ line, authorization, body })
  })

  test.each([
    ['slack', { body: '{"ok":true,"revoked":true}' }, 'revoked'],
    ['slack', { body: '{"ok":true,"revoked":false}' }, 'failed'],
    ['slack', { body: '{"ok":false,"error":"token_revoked"}' }, 'revoked'],
    ['slack', { body: '{"ok":false,"error":"invalid_auth"}' }, 'failed'],
    ['github-app', { status: 204 }, 'revoked'],
    ['github-app', { status: 404, body: '{"message":"Not Found"}' }, 'failed'],
    ['facebook', { body: '{"success":true}' }, 'revoked'],
    ['facebook', { body: 'true' }, 'revoked'],
    ['facebook', { body: '{"success":false}' }, 'failed'],
    ['dropbox', { body: 'null' }, 'revoked'],
    ['dropbox', { status: 401, body: '{"error_summary":"expired_access_token/"}' }, 'failed'],
    ['square', { body: '{"success":true}' }, 'revoked'],
    ['square', { status: 401, body: '{"errors":[{"code":"UNAUTHORIZED"}]}' }, 'failed'],
  ])('%s, which answers %j', async (id, answer, kind) => {
    expect((await told(id, answer)).kind).toBe(kind)
  })

  test.each(['slack', 'github-app', 'dropbox', 'square'])('%s, which takes no refresh token', async (id) => {
    expect(await told(id, {}, 'refresh_token')).toMatchObject({ kind: 'unsupported', line: undefined })
  })
})

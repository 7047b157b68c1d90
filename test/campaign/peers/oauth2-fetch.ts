// OAuth2Fetch of @badgateway/oauth2-client with a file as its store, by its three hooks: `getStoredToken` reads the file,
// `storeToken` writes it, and `getNewToken`, which is asked when a refresh fails, takes what another process may have put
// there meanwhile. It is made anew for each call, so that it starts from the file: one that is made once keeps its token in
// memory and never sees what another process has stored. The package refreshes on 401 by itself.

import { OAuth2Client, OAuth2Fetch, type OAuth2Token } from '@badgateway/oauth2-client'
import { readLogin, writeLogin } from './login-file.ts'
import { callApi, live, options, point, tellHolds } from './peer.ts'

const { name, file, refreshBefore, deadline, tokenUrl, clientId, clientSecret } = options

// The package warns of every refused refresh on the console; the lines of the loop say it as well.
console.warn = () => undefined

const client = new OAuth2Client({
  tokenEndpoint: tokenUrl,
  clientId,
  clientSecret,
  authenticationMethod: 'client_secret_post',
  fetch: async (input, init) => {
    const headers = new Headers(init?.headers)
    headers.set('x-practice-sender', name)
    point('pre_send')
    return fetch(input, { ...init, headers, signal: AbortSignal.timeout(deadline) })
  },
})

/** The package refreshes when a token has expired, so what it is told ends `refreshBefore` early. */
function fromFile(): OAuth2Token {
  const { access_token, refresh_token, expires_at } = readLogin(file)
  return {
    accessToken: access_token,
    refreshToken: refresh_token,
    expiresAt: (expires_at - refreshBefore) * 1000,
  }
}

function store({ accessToken, refreshToken, expiresAt }: OAuth2Token): void {
  point('post_recv')
  writeLogin(file, {
    access_token: accessToken,
    refresh_token: refreshToken ?? '',
    expires_at: (expiresAt ?? Date.now()) / 1000,
  })
  point('post_commit')
  tellHolds(accessToken, refreshToken ?? '')
}

await live(async () => {
  const stored = fromFile()
  let others: OAuth2Token | null = null
  const oauth = new OAuth2Fetch({
    client,
    scheduleRefresh: false,
    getStoredToken: () => stored,
    getNewToken: () => {
      const present = fromFile()
      others = present.refreshToken === stored.refreshToken ? null : present
      return others
    },
    storeToken: (token) => {
      // It is told of what getNewToken took from the file as well.
      if (token !== others) store(token)
    },
  })
  await oauth.mw()(new Request(options.resourceUrl), (request) =>
    callApi(request.headers.get('authorization')?.replace('Bearer ', '') ?? ''),
  )
})

// Every process by itself refreshes on expiry with simple-oauth2, as its README shows under "Refresh an access token":
// `createToken` from what is stored, `expired(window)`, `refresh()`, and store it. The store is a file that is read anew for
// every use, so that a process takes what another has refreshed; and when its refresh is refused, or the API refuses its
// token, it looks there first.

import { readLogin, writeLogin } from './login-file.ts'
import { callApi, live, options, point, tellHolds } from './peer.ts'
import { refreshed, simpleOAuth2 } from './simple-oauth2-client.ts'

const { file, refreshBefore } = options
const client = simpleOAuth2(options)

/** Gives the access token of the file, refreshed if it is about to expire or is `dead`. */
async function accessToken(dead?: string): Promise<string> {
  const stored = readLogin(file)
  if (stored.access_token !== dead && !client.createToken(stored).expired(refreshBefore))
    return stored.access_token
  try {
    point('pre_send')
    const login = await refreshed(client, stored)
    point('post_recv')
    writeLogin(file, login)
    point('post_commit')
    tellHolds(login.access_token, login.refresh_token)
    return login.access_token
  } catch (error) {
    const others = readLogin(file)
    if (others.refresh_token !== stored.refresh_token) return others.access_token
    throw error
  }
}

await live(async () => {
  const token = await accessToken()
  const { status } = await callApi(token)
  if (status === 401) await callApi(await accessToken(token))
})

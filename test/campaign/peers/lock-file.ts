// A lock file around the refresh, as proper-lockfile and the many like it do it: made with `wx`, touched while it is held,
// taken over when it has not been touched for `stale` milliseconds (proper-lockfile: 10 s), and under it the login is read
// again before anything is sent. The refresh itself is simple-oauth2.

import { closeSync, openSync, statSync, unlinkSync, utimesSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { readLogin, type StoredLogin, writeLogin } from './login-file.ts'
import { callApi, live, options, point, tellHolds } from './peer.ts'
import { refreshed, simpleOAuth2 } from './simple-oauth2-client.ts'

const { file, refreshBefore, stale } = options
const lock = `${file}.lock`
const client = simpleOAuth2(options)

const isGood = (login: StoredLogin, dead?: string): boolean =>
  login.access_token !== dead && !client.createToken(login).expired(refreshBefore)

/** Gives the access token of the file, refreshed under the lock if it is about to expire or is `dead`. */
async function accessToken(dead?: string): Promise<string> {
  const stored = readLogin(file)
  if (isGood(stored, dead)) return stored.access_token
  return locked(async () => {
    const present = readLogin(file)
    if (isGood(present, dead)) return present.access_token
    point('pre_send')
    const login = await refreshed(client, present)
    point('post_recv')
    writeLogin(file, login)
    point('post_commit')
    tellHolds(login.access_token, login.refresh_token)
    return login.access_token
  })
}

async function locked<Result>(work: () => Promise<Result>): Promise<Result> {
  while (!taken()) await sleep(10)
  const touching = setInterval(() => touch(), stale / 2)
  try {
    return await work()
  } finally {
    clearInterval(touching)
    unlinkSync(lock)
  }
}

function taken(): boolean {
  try {
    closeSync(openSync(lock, 'wx'))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  // The lock may go between any two of these steps; then it is tried again.
  try {
    if (Date.now() - statSync(lock).mtimeMs > stale) unlinkSync(lock)
  } catch {}
  return false
}

function touch(): void {
  try {
    const now = new Date()
    utimesSync(lock, now, now)
  } catch {}
}

await live(async () => {
  const token = await accessToken()
  const { status } = await callApi(token)
  if (status === 401) await callApi(await accessToken(token))
})

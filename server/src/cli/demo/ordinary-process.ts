// One of several ordinary processes that share a login through a file: each reads the newest tokens, refreshes when it
// sees that they have expired, and writes what it got. No mistake in it but that it is not alone.

import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type OrdinaryTokens, ordinaryTokens, type TokenAnswer } from './ordinary-login.ts'
import { lookEvery, type Report } from './report.ts'

const [issuer = '', clientId = '', file = ''] = process.argv.slice(2)
const report = (what: Report): void => void process.send?.(what)
process.on('disconnect', () => process.exit())

const read = (): OrdinaryTokens => JSON.parse(readFileSync(file, 'utf8')) as OrdinaryTokens

function write(tokens: OrdinaryTokens): void {
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, JSON.stringify(tokens), { mode: 0o600 })
  renameSync(draft, file)
}

async function refreshed(tokens: OrdinaryTokens): Promise<OrdinaryTokens | undefined> {
  const response = await fetch(new URL('/token', issuer), {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: clientId,
      refresh_token: tokens.refresh_token,
    }),
  })
  const answer = (await response.json()) as TokenAnswer
  if (!response.ok) {
    report({ kind: 'refused', error: String(answer.error) })
    return undefined
  }
  report({ kind: 'refreshed' })
  const fresh = ordinaryTokens(answer)
  write(fresh)
  return fresh
}

for (;;) {
  let tokens: OrdinaryTokens | undefined = read()
  if (Date.now() >= tokens.expires_at) tokens = await refreshed(tokens)
  if (tokens !== undefined) {
    const { status } = await fetch(new URL('/api/whoami', issuer), {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    })
    report({ kind: 'called', status })
  }
  await sleep(lookEvery * (0.5 + Math.random()))
}

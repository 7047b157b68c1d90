import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AuthorizationCodeOptions,
  authorizationCode,
  type GrantDefinition,
  type GrantSummary,
  Keeper,
  type KeeperOptions,
} from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'
import { onTestFinished } from 'vitest'
import { consentInBrowser } from './browser.ts'
import { redirectUri, secrets } from './clients.ts'

/** A person's login at an oidc-provider that gives a refresh token. */
export const login = (issuer: string, options: Partial<AuthorizationCodeOptions> = {}): GrantDefinition =>
  authorizationCode({
    issuer,
    scope: ['openid', 'offline_access', 'api:read'],
    // Without it the provider gives no refresh token (OpenID Connect Core section 11).
    authorizationParameters: { prompt: 'consent' },
    clientId: 'basic',
    clientSecret: secrets.basic,
    ...options,
  })

/** The person signs in and consents; gives where the browser would be sent back to. */
export const signIn = async (keeper: Keeper, grant: string): Promise<URL> =>
  consentInBrowser((await keeper.beginConsent(grant, { redirectUri })).url, redirectUri)

export const consent = async (keeper: Keeper, grant: string): Promise<GrantSummary> =>
  keeper.finishConsent(await signIn(keeper, grant))

/** A folder that is removed when the test has ended. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A keeper on a SQLite file of its own, closed when the test has ended. */
export async function testKeeper(options: Omit<KeeperOptions, 'store'> = {}): Promise<Keeper> {
  const store = sqliteStore(join(testFolder(), 'tokens.db'))
  const keeper = await Keeper.open({ ...options, store })
  onTestFinished(() => keeper.close())
  return keeper
}

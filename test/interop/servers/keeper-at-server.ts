import {
  type AuthorizationCodeOptions,
  authorizationCode,
  Keeper,
  type KeeperOptions,
  memoryStore,
} from 'evertoken'
import type { RealServer } from './real-server.ts'

/** What shows that a server can, or cannot. */
export type Check = (server: RealServer) => Promise<void>

export async function withKeeper(
  use: (keeper: Keeper) => Promise<void>,
  clock?: KeeperOptions['clock'],
): Promise<void> {
  await using keeper = await Keeper.open({ store: memoryStore({ ephemeral: true }), clock })
  await use(keeper)
}

/** A login of a person at a keeper, as the grant `work`. */
export async function loggedIn(
  keeper: Keeper,
  server: RealServer,
  options: Partial<AuthorizationCodeOptions> = {},
): Promise<URL> {
  await keeper.add(
    'work',
    authorizationCode({ ...server.endpoints, ...server.loginClient, ...server.login, ...options }),
  )
  const { url } = await keeper.beginConsent('work', { redirectUri: server.redirectUri })
  const callback = await server.consent(url)
  await keeper.finishConsent(callback)
  return new URL(url)
}

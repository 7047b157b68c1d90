import {
  type AuthorizationCodeOptions,
  authorizationCode,
  Keeper,
  type KeeperOptions,
  memoryStore,
  nodeTransport,
} from 'evertoken'
import type { RealServer } from './real-server.ts'

/** What shows that a server can, or cannot. */
export type Check = (server: RealServer) => Promise<void>

export async function withKeeper(
  use: (keeper: Keeper) => Promise<void>,
  options: Pick<KeeperOptions, 'clock' | 'transport'> = {},
): Promise<void> {
  await using keeper = await Keeper.open({ store: memoryStore({ ephemeral: true }), ...options })
  await use(keeper)
}

/** A transport of its own, which trusts the server's authority where it has one. */
export const transportTo = ({ mtls }: RealServer): ReturnType<typeof nodeTransport> =>
  nodeTransport({ ca: mtls?.ca })

/** The refresh token of the grant `work`, which a keeper shows to nobody. */
export async function refreshTokenOf(keeper: Keeper): Promise<string> {
  const record = await keeper.store.read('work')
  if (record?.refreshToken === undefined) throw new Error('the login has no refresh token')
  return keeper.store.seal.open(record.refreshToken.sealed, { grant: 'work', field: 'refresh_token' })
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

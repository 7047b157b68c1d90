import { authorizationCode, type GrantDefinition, systemClock } from 'evertoken'
import {
  consentedLogin,
  type Measurement,
  type MeasureOptions,
  measureServer,
  type SandboxLogin,
  sandboxGrant,
} from 'evertoken/measurement'
import type { RealServer } from './real-server.ts'

/** A login at a server, as its client needs it. Where nobody needs the metadata, endpoints are named. */
export const loginAt = (server: RealServer): GrantDefinition =>
  authorizationCode({
    ...server.endpoints,
    ...server.loginClient,
    ...server.login,
    validationUrl: server.api,
  })

/** A new login of the person, whose tokens nobody else has. */
export const sandboxLogin = (server: RealServer): Promise<SandboxLogin> =>
  consentedLogin(loginAt(server), async (keeper) => {
    const { url } = await keeper.beginConsent(sandboxGrant, { redirectUri: server.redirectUri })
    await keeper.finishConsent(await server.consent(url))
  })

/** What the library measures at a server, with as many consents as it asks for, each `age` seconds old by then. */
export const measuredAt = (
  server: RealServer,
  { longestWindow, age = 0 }: Pick<MeasureOptions, 'longestWindow'> & { readonly age?: number | undefined },
): Promise<Measurement> =>
  measureServer(loginAt(server), {
    longestWindow,
    logins: async () => {
      const login = await sandboxLogin(server)
      await systemClock.sleep(age * 1000)
      return login
    },
  })

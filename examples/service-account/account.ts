import {
  jwtBearer,
  nodeTransport,
  type RefreshingTokenSource,
  type TokenSourceOptions,
  tokenSource,
} from 'evertoken'
import { catalogueProfile } from 'evertoken/providers'

/** A key of a service account, as Studio shows it once. */
export interface ServiceAccountKey {
  readonly keyId: string
  readonly email: string
  readonly secret: string
  /** Default: the provider's own. */
  readonly tokenUrl?: string | undefined
}

/**
 * The tokens of a service account. An assertion is signed for each with the secret (HS256), good for an hour, and the token is renewed 60 seconds
 * before its end: the profile of the provider says both.
 *
 * @param told is called when a new token is asked for.
 */
export function serviceAccount(
  { keyId, email, secret, tokenUrl }: ServiceAccountKey,
  told: () => void,
  { transport = nodeTransport(), ...options }: TokenSourceOptions = {},
): RefreshingTokenSource {
  return tokenSource(
    jwtBearer({
      profile: catalogueProfile('disruptive-technologies'),
      tokenUrl,
      assertion: { issuer: email, key: { algorithm: 'HS256', key: secret, keyId } },
    }),
    {
      ...options,
      transport: (request) => {
        told()
        return transport(request)
      },
    },
  )
}

import type { Secret } from '../secret.ts'
import { mayCarrySecrets, webAddress } from './address.ts'
import type { Reach } from './client.ts'
import { type Wire, WireError } from './transport.ts'

/** Whether the API takes an access token: `unclear` for every answer but 401 and 2xx, and for none. */
export type CanaryAnswer = 'accepted' | 'rejected' | 'unclear'

/**
 * Asks the API itself, with a GET that changes nothing, whether an access token still works (RFC 6750 section 3.1: 401
 * is the answer to one that was revoked). Only the status counts, so an answer of any length will do.
 *
 * @throws TypeError when `url` is no http address, or has user information.
 */
export async function askCanary(
  url: string,
  token: { readonly accessToken: Secret; readonly tokenType?: string | undefined },
  { insecureHttp, privateNetwork }: Reach,
  wire: Wire,
): Promise<CanaryAnswer> {
  const address = webAddress(url)
  if (address === undefined)
    throw new TypeError('the canary must be an http address without user information')
  if (!mayCarrySecrets(address, insecureHttp)) return 'unclear'
  try {
    const { status } = await wire.transport({
      method: 'GET',
      url: address.href,
      headers: {
        accept: '*/*',
        authorization: `${token.tokenType ?? 'Bearer'} ${token.accessToken.reveal()}`,
        'user-agent': 'evertoken',
      },
      deadline: wire.deadline,
      insecureHttp,
      privateNetwork,
    })
    return meaning(status)
  } catch (error) {
    return error instanceof WireError && error.status !== undefined ? meaning(error.status) : 'unclear'
  }
}

function meaning(status: number): CanaryAnswer {
  if (status === 401) return 'rejected'
  return status >= 200 && status < 300 ? 'accepted' : 'unclear'
}

import type { Secret } from '../secret.ts'
import { mayCarrySecrets, webAddress } from './address.ts'
import type { ClientRegistration, Reach } from './client.ts'
import { shownCertificate } from './client-certificate.ts'
import { dpopProof } from './dpop-proof.ts'
import type { ProofKey } from './proof-key.ts'
import { keepNonce, nonceFor } from './proof-nonces.ts'
import { type Wire, WireError, type WireResponse } from './transport.ts'

/** Whether the API takes an access token: `unclear` for every answer but 401 and 2xx, and for none. */
export type CanaryAnswer = 'accepted' | 'rejected' | 'unclear'

/** An access token on its way to an API. */
export interface ShownToken {
  readonly accessToken: Secret
  /** Default `Bearer`. */
  readonly tokenType?: string | undefined
  /** What it is bound to, where it is: it is shown with a proof then (RFC 9449 section 7). */
  readonly proofKey?: ProofKey | undefined
}

/**
 * Asks the API itself, with a GET that changes nothing, whether an access token still works (RFC 6750 section 3.1: 401
 * is the answer to one that was revoked). Only the status counts, so an answer of any length will do. A bound token whose
 * proof lacks the API's nonce is shown once more with it (RFC 9449 section 9).
 *
 * @throws EvertokenError where the client's certificate cannot be shown, as {@link shownCertificate} says.
 * @throws TypeError when `url` is no http address, or has user information.
 */
export async function askCanary(
  url: string,
  token: ShownToken,
  client: Reach & Pick<ClientRegistration, 'certificate' | 'provider' | 'clientId'>,
  wire: Wire,
): Promise<CanaryAnswer> {
  const { insecureHttp } = client
  const address = webAddress(url)
  if (address === undefined)
    throw new TypeError('the canary must be an http address without user information')
  if (!mayCarrySecrets(address, insecureHttp)) return 'unclear'
  const accessToken = token.accessToken.reveal()
  const { proofKey } = token
  const certificate = await shownCertificate(client, address, wire)
  const ask = async (nonce: string | undefined): Promise<Shown> => {
    const request = { method: 'GET', url: address.href } as const
    const dpop = proofKey && dpopProof(proofKey, { ...request, nonce, accessToken }, wire)
    const headers = {
      accept: '*/*',
      authorization: `${token.tokenType ?? 'Bearer'} ${accessToken}`,
      'user-agent': 'evertoken',
      ...(dpop === undefined ? {} : { dpop }),
    }
    try {
      return await wire.transport({
        ...request,
        ...certificate,
        headers,
        deadline: wire.deadline,
        insecureHttp,
        privateNetwork: client.privateNetwork,
      })
    } catch (error) {
      return { status: error instanceof WireError ? error.status : undefined }
    }
  }
  const nonce = proofKey && nonceFor(address.href)
  const { status, headers } = await ask(nonce)
  const isNew = proofKey !== undefined && keepNonce(address.href, headers?.['dpop-nonce'], nonce, wire.now())
  return meaning(status === 401 && isNew ? (await ask(nonceFor(address.href))).status : status)
}

/** As much of an answer as matters; no status where there was none. */
interface Shown {
  readonly status: number | undefined
  readonly headers?: WireResponse['headers']
}

function meaning(status: number | undefined): CanaryAnswer {
  if (status === undefined) return 'unclear'
  if (status === 401) return 'rejected'
  return status >= 200 && status < 300 ? 'accepted' : 'unclear'
}

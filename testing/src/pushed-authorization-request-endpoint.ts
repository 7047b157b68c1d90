import { type Answer, jsonAnswer, OAuthError } from './answer.ts'
import { readAuthorizationRequest, readReturnAddress } from './authorization-request.ts'
import { needClient } from './client-verification.ts'
import { type Exchange, type Practice, readForm } from './exchange.ts'
import { newSecret } from './issue.ts'
import { verifyProof } from './proof-verification.ts'
import { digest, fingerprint } from './request-record.ts'

/** They say who pushes, and are no part of what is asked for. */
const proofs = ['client_secret', 'client_assertion', 'client_assertion_type']

/** The pushed authorization request endpoint, RFC 9126 section 2: checks all that the page would check. */
export async function pushedAuthorizationRequestEndpoint(
  exchange: Exchange,
  practice: Practice,
): Promise<Answer> {
  const form = readForm(exchange)
  const { clientId } = await needClient(exchange, form, practice)
  if (form.get('request_uri') !== undefined)
    throw new OAuthError('invalid_request', 'a pushed request must not hold a request_uri')
  const query = new URLSearchParams(exchange.body)
  for (const name of proofs) query.delete(name)
  query.set('client_id', clientId)
  // RFC 9449 section 10.1: a proof says the same as dpop_jkt.
  const jkt = await verifyProof(exchange, practice)
  if (jkt !== undefined && (form.get('dpop_jkt') ?? jkt) !== jkt)
    throw new OAuthError('invalid_dpop_proof', 'dpop_jkt is not the key of the proof')
  if (jkt !== undefined) query.set('dpop_jkt', jkt)
  readAuthorizationRequest(query, readReturnAddress(query, practice))
  const requestUri = `urn:ietf:params:oauth:request_uri:${newSecret('request')}`
  const { pushedRequestLifetime } = practice.options
  const now = practice.now()
  const expiresAt = now + pushedRequestLifetime * 1000
  practice.state.commit({
    type: 'request_pushed',
    at: now,
    request: { digest: digest(requestUri), clientId, query: query.toString(), expiresAt },
  })
  exchange.record.presented = fingerprint(requestUri)
  return jsonAnswer(201, { request_uri: requestUri, expires_in: pushedRequestLifetime })
}

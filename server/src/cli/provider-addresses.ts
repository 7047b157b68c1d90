import {
  discover,
  EvertokenError,
  type ProviderProfile,
  type ServerMetadata,
  type Transport,
} from 'evertoken'
import type { Environment } from './environment.ts'
import { transportOf } from './transport.ts'

/** What became of one address of a profile. */
export interface Finding {
  /** The key of the profile. */
  readonly key: string
  readonly url: string
  readonly ok: boolean
  readonly result: string
}

/** Milliseconds; nobody waits longer for a check. */
const patience = 10_000

/** What a provider's metadata says of an address, by the key that a profile has for it (RFC 8414 section 2). */
const published = {
  token_url: 'tokenEndpoint',
  authorization_url: 'authorizationEndpoint',
  revocation_url: 'revocationEndpoint',
  introspection_url: 'introspectionEndpoint',
  device_authorization_url: 'deviceAuthorizationEndpoint',
  pushed_authorization_request_url: 'pushedAuthorizationRequestEndpoint',
} as const satisfies Partial<Record<keyof ProviderProfile, keyof ServerMetadata>>

/**
 * Asks each address of a profile by a GET without parameters, and its issuer for its metadata. Nothing secret can be sent: variables
 * are filled in with defaults and examples alone.
 */
export async function askAddresses(
  profile: ProviderProfile,
  environment: Pick<Environment, 'env' | 'stderr' | 'signal' | 'clock'>,
  privateNetwork = false,
): Promise<readonly Finding[]> {
  const transport = transportOf(environment)
  const { issuer } = profile
  const findings: Finding[] = []
  const visit = async (key: string, template: string | undefined, ask: Question): Promise<void> => {
    if (template === undefined) return
    environment.signal.throwIfAborted()
    const url = withExamples(template, profile)
    const missing = /\{(\w+)\}/.exec(url)
    const finding =
      missing === null
        ? await ask(url)
        : { ok: true, result: `not asked: ${missing[1]} has no default or example to try` }
    findings.push({ key, url, ...finding })
  }
  let metadata: ServerMetadata | undefined
  await visit('issuer', issuer, async (url) => {
    try {
      const now = () => environment.clock.now()
      metadata = await discover(
        url,
        { insecureHttp: false, privateNetwork },
        { transport, now, deadline: patience },
      )
      return { ok: true, result: 'publishes metadata and calls itself so' }
    } catch (error) {
      if (!(error instanceof EvertokenError)) throw error
      // Where the token endpoint is named, the issuer is only compared and never asked.
      return {
        ok: error.code === 'discovery_failed' && profile.token_url !== undefined,
        result: error.message,
      }
    }
  })
  for (const key of [...(Object.keys(published) as (keyof typeof published)[]), 'userinfo_url'] as const)
    await visit(key, profile[key], async (url) => {
      const finding = await reached(url, transport, privateNetwork)
      const named = metadata !== undefined && key !== 'userinfo_url' ? metadata[published[key]] : undefined
      return named === undefined || named === url
        ? finding
        : { ...finding, result: `${finding.result}; the issuer names ${named}` }
    })
  for (const [operation, { url }] of Object.entries(profile.requests ?? {}))
    await visit(`requests.${operation}.url`, url, (whole) => reached(whole, transport, privateNetwork))
  return findings
}

type Question = (url: string) => Promise<Pick<Finding, 'ok' | 'result'>>

/** Any answer says that somebody is there: an endpoint for POST refuses a GET as it likes. */
async function reached(url: string, transport: Transport, privateNetwork: boolean): ReturnType<Question> {
  const headers = { 'user-agent': 'evertoken', accept: 'application/json' }
  try {
    const { status } = await transport({
      method: 'GET',
      url,
      headers,
      deadline: patience,
      insecureHttp: false,
      privateNetwork,
    })
    return { ok: true, result: `answers (status ${status})` }
  } catch (error) {
    const { status, reason } = error as { status?: number; reason?: string }
    if (status !== undefined) return { ok: true, result: `answers (status ${status})` }
    const { message } = error as Error
    return {
      ok: false,
      result:
        reason === 'private_address'
          ? `not asked: ${message}; --private-network allows one of your own`
          : `does not answer: ${message}`,
    }
  }
}

const withExamples = (template: string, { variables = {} }: ProviderProfile): string =>
  template.replaceAll(/\{(\w+)\}/g, (whole, name: string) => {
    const { secret, default: usual, example } = Object.hasOwn(variables, name) ? (variables[name] ?? {}) : {}
    return secret === true ? whole : (usual ?? example ?? whole)
  })

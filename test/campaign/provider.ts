import { createHash, randomBytes } from 'node:crypto'
import path from 'node:path'
import { consent, type PracticeClient, type PracticeProcess, spawnPracticeServer } from '@evertoken/testing'
import { type ProviderClass, rotationOf } from './provider-class.ts'
import type { Scale } from './scale.ts'

const redirectUri = 'http://127.0.0.1/callback'
const verifier = 'v'.repeat(43)

/** A client of the practice server, with a secret that nothing else in the world contains. */
export interface CampaignClient {
  readonly clientId: string
  readonly clientSecret: string
}

/** The practice server of a campaign, in a process of its own. */
export interface Provider {
  readonly server: PracticeProcess
  readonly truthFile: string
  readonly clients: readonly CampaignClient[]
}

/**
 * More clients than logins: what several logins of one client suffer within minutes is taken for trouble of the provider
 * (breaker, incident), and in a campaign many suffer, each for itself.
 */
export async function startProvider(
  name: ProviderClass,
  scale: Pick<Scale, 'accessToken' | 'reuseWindow'>,
  folder: string,
  seed: number,
  logins: number,
): Promise<Provider> {
  const clients = Array.from({ length: 8 * logins }, (_, index) => ({
    clientId: `campaign-${index}`,
    clientSecret: `canary_secret_${randomBytes(24).toString('base64url')}`,
  }))
  const truthFile = path.join(folder, 'truth.jsonl')
  const server = await spawnPracticeServer({
    rotation: rotationOf(name),
    reuseWindow: scale.reuseWindow,
    lifetimes: { accessToken: scale.accessToken },
    truthFile,
    recordLimit: 1_000_000,
    faultSeed: seed,
    clients: clients.map(
      ({ clientId, clientSecret }): PracticeClient => ({
        clientId,
        authentication: { method: 'client_secret_post', secret: clientSecret },
        redirectUris: [redirectUri],
        grantTypes: ['authorization_code', 'refresh_token'],
      }),
    ),
  })
  return { server, truthFile, clients }
}

/** What a login begins with. */
export interface FirstTokens {
  readonly accessToken: string
  readonly refreshToken: string
  /** Seconds. */
  readonly expiresIn: number
}

/** A person's consent and the exchange of its code, by hand. */
export async function logIn(
  { server }: Provider,
  { clientId, clientSecret }: CampaignClient,
  subject: string,
): Promise<FirstTokens> {
  const url = new URL(server.authorizationEndpoint)
  const asked = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    state: subject,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value)
  const code = new URL(await consent(url, { subject })).searchParams.get('code') ?? ''
  const answer = await fetch(server.tokenEndpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uri: redirectUri,
      code,
      code_verifier: verifier,
    }),
  })
  if (!answer.ok) throw new Error(`no login at the practice server: ${answer.status}`)
  const tokens = (await answer.json()) as Record<string, unknown>
  return {
    accessToken: String(tokens.access_token),
    refreshToken: String(tokens.refresh_token),
    expiresIn: Number(tokens.expires_in),
  }
}

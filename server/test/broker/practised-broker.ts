import { createHash } from 'node:crypto'
import { type PracticeServer, type PracticeServerOptions, startPracticeServer } from '@evertoken/testing'
import {
  authorizationCode,
  clientCredentials,
  Keeper,
  type KeeperOptions,
  memoryStore,
  refreshToken,
} from 'evertoken'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { onTestFinished } from 'vitest'
import { createApiKey } from '../../src/broker/api-key.ts'
import { type Broker, type BrokerOptions, createBroker } from '../../src/broker/broker.ts'
import { grantDescription } from '../../src/config/grant-description.ts'

/** Where the broker is told to be; the practice server's clients allow this redirect URI. */
export const publicUrl = 'http://127.0.0.1:7420'

export interface PractisedBroker {
  readonly practice: PracticeServer
  readonly keeper: Keeper
  readonly app: Broker
  readonly readKey: string
  readonly adminKey: string
  /** Sends without a port; with `key` as the caller's. */
  readonly send: (
    method: 'GET' | 'POST' | 'DELETE',
    url: string,
    more?: Omit<InjectOptions, 'method' | 'url'> & { key?: string },
  ) => Promise<LightMyRequestResponse>
}

export interface PractisedOptions {
  practice?: PracticeServerOptions
  keeper?: Partial<KeeperOptions>
  broker?: Partial<BrokerOptions>
}

/** A broker on a keeper on a real practice server, with a key of each right. Everything stops with the test. */
export async function practisedBroker(options: PractisedOptions = {}): Promise<PractisedBroker> {
  const practice = await startPracticeServer(options.practice)
  const keeper = await Keeper.open({ store: memoryStore({ ephemeral: true }), ...options.keeper })
  const app = createBroker({ keeper, publicUrl, grantDescription, ...options.broker })
  onTestFinished(async () => {
    await app.close()
    await keeper.close()
    await practice.stop()
  })
  const readKey = (await createApiKey(keeper.store, { label: 'reader', rights: 'read' })).reveal()
  const adminKey = (await createApiKey(keeper.store, { label: 'admin', rights: 'administer' })).reveal()
  return {
    practice,
    keeper,
    app,
    readKey,
    adminKey,
    send: (method, url, { key, headers, ...more } = {}) =>
      app.inject({
        method,
        url,
        headers: { ...headers, ...(key !== undefined && { authorization: `Bearer ${key}` }) },
        ...more,
      }),
  }
}

export const service = (practice: PracticeServer) =>
  clientCredentials({
    tokenUrl: practice.tokenEndpoint,
    clientId: 'practice-service',
    clientSecret: 'practice-service-secret',
    scope: ['read', 'write'],
  })

export const person = (practice: PracticeServer) =>
  authorizationCode({ issuer: practice.issuer, clientId: 'practice-app', scope: 'profile' })

/** A login of `practice-app` that began elsewhere: its refresh token. */
export async function login(practice: PracticeServer): Promise<string> {
  const verifier = 'v'.repeat(43)
  const redirectUri = 'http://127.0.0.1/callback'
  const asked = new URLSearchParams({
    response_type: 'code',
    client_id: 'practice-app',
    redirect_uri: redirectUri,
    state: 'state-1',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  const returned = new URL(await practice.consent(`${practice.issuer}/authorize?${asked}`))
  const answer = await fetch(practice.tokenEndpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: 'practice-app',
      code: returned.searchParams.get('code') ?? '',
      redirect_uri: redirectUri,
      code_verifier: verifier,
    }),
  })
  return ((await answer.json()) as { refresh_token: string }).refresh_token
}

export const imported = (practice: PracticeServer, token: string) =>
  refreshToken({ issuer: practice.issuer, clientId: 'practice-app', refreshToken: token })

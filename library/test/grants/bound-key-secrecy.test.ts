import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { authorizationCode, clientCredentials, refreshToken } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import { openedProofKey } from '../../src/grants/proof-key.ts'
import type { Transport, WireResponse } from '../../src/oauth/transport.ts'
import { loggedTransport } from '../../src/oauth/wire-log.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { selfSigned } from '../oauth/certificate.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { ControlledClock } from './controlled-clock.ts'

/** What a provider may answer, also with everything that it was sent in it. */
type Answer = 'tokens' | 'nonce' | 'refusal' | 'echo' | 'page' | 'trouble' | 'cut'
const answers: readonly Answer[] = ['tokens', 'nonce', 'refusal', 'echo', 'page', 'trouble', 'cut']

function answerOf(kind: Answer, count: number, request: Parameters<Transport>[0]): WireResponse {
  const json = (status: number, body: object, headers = {}): WireResponse => ({
    status,
    headers,
    body: JSON.stringify(body),
  })
  switch (kind) {
    case 'tokens':
      return json(200, {
        access_token: `at-${count}`,
        token_type: 'DPoP',
        refresh_token: `rt-${count}`,
        expires_in: 60,
      })
    case 'nonce':
      return json(400, { error: 'use_dpop_nonce' }, { 'dpop-nonce': `nonce-${count}` })
    case 'refusal':
      return json(400, { error: 'invalid_dpop_proof', error_description: 'the proof is bad' })
    case 'echo':
      return json(400, { error: 'invalid_request', error_description: JSON.stringify(request) })
    case 'page':
      return { status: 200, headers: {}, body: `<html>${JSON.stringify(request.headers)}` }
    case 'trouble':
      return json(503, { message: request.body })
    case 'cut':
      throw new Error(`it broke: ${JSON.stringify(request)}`)
    default:
      return kind satisfies never
  }
}

const client = {
  clientId: 'client-1',
  issuer: 'https://provider.example',
  tokenUrl: 'https://provider.example/token',
}
const { cert: certificate, key } = selfSigned('client.example')
const bound = { ...client, dpop: true, clientCertificate: { certificate, key } } as const

test('the keys that tokens are bound to stand in nothing that leaves, whatever a provider answers', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...answers), { minLength: 1, maxLength: 6 }),
      async (script) => {
        const file = newStoreFile()
        const clock = new ControlledClock()
        const said: unknown[] = []
        let count = 0
        const provider: Transport = Object.assign(
          async (request: Parameters<Transport>[0]) => {
            // What the transport itself needs leaves only with the connection.
            const { certificate: shown, ...sent } = request
            said.push(sent)
            if (shown === undefined) throw new Error('the certificate is missing')
            const kind = script[count % script.length] as Answer
            return answerOf(kind, count++, sent)
          },
          { showsCertificates: true },
        )
        const keeper = await Keeper.open({
          store: sqliteStore(file, { clock }),
          clock,
          transport: loggedTransport(provider, (line) => said.push(line)),
          random: () => 0.5,
        })
        try {
          for (const event of [
            'refreshed',
            'failing',
            'reauthorization_required',
            'recovered',
            'circuit',
          ] as const)
            keeper.on(event, (facts) => said.push(facts))
          await keeper.add('service', clientCredentials(bound))
          await keeper.add('login', refreshToken({ ...bound, refreshToken: 'rt' }))
          await keeper.add(
            'person',
            authorizationCode({
              ...bound,
              authorizationUrl: 'https://provider.example/a',
              pushedAuthorization: true,
            }),
          )
          const tell = async (work: () => Promise<unknown>): Promise<void> => {
            said.push(await clock.until(work()).catch((error: unknown) => error))
          }
          for (const id of ['service', 'login']) {
            await tell(() => keeper.getToken(id))
            await tell(() => keeper.refresh(id))
            await tell(() => keeper.validate(id))
            const token = keeper.peekToken(id)
            said.push(token, token?.presentation)
            await tell(async () =>
              token?.presentation?.proof?.of({ method: 'GET', url: 'https://api.example/' }),
            )
          }
          await tell(() => keeper.beginConsent('person', { redirectUri: 'http://127.0.0.1/callback' }))
          said.push(await keeper.list(), await keeper.notices(), keeper)

          const secrets = key.split('\n').filter((line) => line.length > 30)
          for (const id of ['service', 'login', 'person']) {
            const record = await keeper.store.read(id)
            if (record?.proofKey === undefined) throw new Error(`${id} has no key`)
            const { privateKey } = openedProofKey(keeper.store.seal, id, record.proofKey)
            secrets.push((JSON.parse(privateKey.reveal()) as { d: string }).d)
          }
          expect(new Set(secrets).size).toBe(secrets.length)
          const folder = path.dirname(file)
          const disk = readdirSync(folder, { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile() && !entry.name.endsWith('.key'))
            .map((entry) => readFileSync(path.join(entry.parentPath, entry.name)).toString('latin1'))
          expect(disk.length).toBeGreaterThan(1)
          const all = [
            ...said.map(
              (one) =>
                `${typeof one === 'string' ? one : inspect(one, { depth: 20, showHidden: true })} ${textOf(one)}`,
            ),
            ...disk,
          ].join('\n')
          for (const secret of secrets) expect(all.includes(secret), 'a key leaked').toBe(false)
          // It would be found if it were there.
          expect(all).toContain('client-1')
        } finally {
          await clock.until(keeper.close())
        }
      },
    ),
    { numRuns: 12 },
  )
}, 60_000)

function textOf(value: unknown): string {
  if (value instanceof Error) return `${value.message} ${value.stack} ${JSON.stringify(value)}`
  try {
    return JSON.stringify(value) ?? ''
  } catch {
    return ''
  }
}

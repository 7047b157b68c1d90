import { type PracticeServer, type PracticeServerOptions, startPracticeServer } from '@evertoken/testing'
import { onTestFinished } from 'vitest'
import { evertoken, folder } from './command.ts'

/** A practice provider that is gone after the test. */
export async function provider(options?: PracticeServerOptions): Promise<PracticeServer> {
  const server = await startPracticeServer(options)
  onTestFinished(() => server.stop())
  return server
}

/** Flags of a client credentials grant at the practice provider. */
export const serviceFlags = ({ issuer }: { issuer: string }): string[] => [
  '--type',
  'client_credentials',
  '--issuer',
  issuer,
  '--client-id',
  'practice-service',
]

export const serviceSecret = 'practice-service-secret'

/** A data folder that holds the grant `billing` with its first token. */
export async function billing(
  options?: PracticeServerOptions,
): Promise<{ server: PracticeServer; data: string }> {
  const server = await provider(options)
  const data = folder()
  const { code, stderr } = await evertoken(
    ['add', 'billing', '--data', data, ...serviceFlags(server), '--client-secret-file', '-'],
    { input: serviceSecret },
  )
  if (code !== 0) throw new Error(stderr)
  return { server, data }
}

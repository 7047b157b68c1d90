import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const source = (path: string): string => new URL(`../../src/${path}`, import.meta.url).href

/** Runs one grant in a process of its own and gives the packages that were loaded. */
async function packagesLoadedBy(grant: string): Promise<string[]> {
  const program = `
    import { registerHooks } from 'node:module'
    const loaded = new Set()
    registerHooks({
      resolve(specifier, context, next) {
        if (/^(jose|oauth4webapi|node:crypto)$/.test(specifier)) loaded.add(specifier)
        return next(specifier, context)
      },
    })
    const { clientCredentialsGrant } = await import('${source('oauth/client-credentials.ts')}')
    const { jwtBearerGrant } = await import('${source('oauth/jwt-bearer.ts')}')
    const { Secret } = await import('${source('secret.ts')}')
    const server = { tokenEndpoint: 'https://provider.example/token' }
    const transport = async () => ({ status: 200, headers: {}, body: '{"access_token":"x"}' })
    const wire = { transport, now: () => 0, deadline: 1000 }
    const client = (authentication) => ({ clientId: 'c', authentication, insecureHttp: false })
    const secret = new Secret('s'.repeat(32))
    const answer = await ${grant}
    if (answer.kind !== 'tokens') throw new Error(answer.kind)
    process.stdout.write(JSON.stringify([...loaded]))`
  const run = promisify(execFile)
  const { stdout } = await run(process.execPath, ['--input-type=module', '--no-warnings', '-e', program])
  return JSON.parse(stdout) as string[]
}

test.each(['client_secret_basic', 'client_secret_post', 'client_secret_jwt'])(
  '%s never loads jose',
  async (method) => {
    const grant = `clientCredentialsGrant(server, client({ method: '${method}', secret }), {}, wire)`
    expect(await packagesLoadedBy(grant)).toEqual(['oauth4webapi'])
  },
)

test('an assertion does', async () => {
  const assertion = `{ issuer: 'i', audience: 'a', key: { algorithm: 'HS256', key: secret } }`
  const grant = `jwtBearerGrant(server, client({ method: 'none' }), { assertion: ${assertion} }, wire)`
  expect(await packagesLoadedBy(grant)).toEqual(['oauth4webapi', 'jose'])
})

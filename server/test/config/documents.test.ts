import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { configured, temporaryFolder } from './configured.ts'

const root = path.resolve(import.meta.dirname, '../../..')

/** Every YAML that a page shows, with the line it begins at. */
const shownOn = (pages: readonly string[]) =>
  pages.flatMap((page) => {
    const text = fs.readFileSync(path.join(root, page), 'utf8')
    return [...text.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(({ 1: yaml = '', index }) => ({
      place: `${page}:${text.slice(0, index).split('\n').length}`,
      yaml,
    }))
  })

const shown = shownOn([
  'README.md',
  'docs/getting-started.md',
  'docs/configuration.md',
  'docs/postgres.md',
  'docs/sender-constrained.md',
])
const environment = {
  ACME_CLIENT_SECRET: 's',
  BANK_CLIENT_SECRET: 's',
  CRM_KEY: 'k',
  DATABASE_URL: 'postgres://me@db.example/tokens',
}

/** A client without a grant is not made into one: so that it is held against the library, each gets one. */
function granted(
  yaml: string,
  grantType = 'authorization_code',
): { readonly whole: string; readonly clients: number } {
  const clients = [...(/^clients:\n((?: .*\n)+)/m.exec(yaml)?.[1] ?? '').matchAll(/^ {2}(\w+):/gm)]
  // One with a grant on the page is held against the library by that.
  const bare = clients.filter(([, name]) => !new RegExp(`client: ${name}\\b`).test(yaml))
  const grants = bare.map(([, name]) => `  of-${name}: { client: ${name}, grant_type: ${grantType} }\n`)
  if (clients.length === 0) return { whole: yaml, clients: 0 }
  const whole = /^grants:$/m.test(yaml) ? yaml + grants.join('') : `${yaml}grants:\n${grants.join('')}`
  return { whole, clients: clients.length }
}

describe('the configuration that a page shows', () => {
  test('is there', () => {
    expect(shown.length).toBeGreaterThanOrEqual(5)
  })

  test.each(shown)('is one that is read: $place', ({ yaml }) => {
    const folder = temporaryFolder()
    for (const [, name = ''] of yaml.matchAll(/_file: (\S+)/g))
      fs.writeFileSync(path.join(folder, name), 'a-secret', { mode: 0o600 })
    const { whole, clients } = granted(yaml)
    const { grants: read } = configured(whole, environment, folder)
    expect(read.length).toBeGreaterThanOrEqual(clients)
  })
})

describe('the profile that a page shows', () => {
  const profiles = shownOn(['docs/provider-profiles.md'])
  const endpoints =
    'token_url: https://acme.example/token\nauthorization_url: https://acme.example/authorize\n'

  test('is there', () => {
    expect(profiles.length).toBeGreaterThanOrEqual(10)
  })

  test.each(profiles)('is one that a client can name: $place', ({ yaml }) => {
    const folder = temporaryFolder()
    const isConfiguration = /^(clients|providers):$/m.test(yaml)
    const profile = isConfiguration ? endpoints : /^token_url:/m.test(yaml) ? yaml : endpoints + yaml
    fs.writeFileSync(path.join(folder, 'acme.yaml'), profile)
    const { variables = {} } = (parse(profile) ?? {}) as { variables?: Record<string, { example?: string }> }
    const values = Object.fromEntries(Object.entries(variables).map(([name, { example }]) => [name, example]))
    const own = { provider: { profile_file: './acme.yaml' }, client_id: 'abc', variables: values }
    const alone = `clients:\n  own: ${JSON.stringify(own)}\n`
    // What stands under `providers` is looked at when a client names it.
    const named = [...(/^providers:\n((?: .*\n)+)/m.exec(yaml)?.[1] ?? '').matchAll(/^ {2}(\w+):/gm)]
    const clients = `clients:\n${named.map(([, name]) => `  c_${name}: { provider: ${name}, client_id: abc }\n`).join('')}`
    const written = !isConfiguration ? alone : named.length === 0 ? yaml : yaml + clients
    const { whole, clients: count } = granted(written, 'client_credentials')
    expect(count).toBeGreaterThan(0)
    expect(configured(whole, environment, folder).grants).toHaveLength(count)
  })
})

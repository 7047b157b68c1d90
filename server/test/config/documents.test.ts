import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { configured, temporaryFolder } from './configured.ts'

const root = path.resolve(import.meta.dirname, '../../..')

/** Every YAML that a page shows, with the line it begins at. */
const shown = ['README.md', 'docs/configuration.md'].flatMap((page) => {
  const text = fs.readFileSync(path.join(root, page), 'utf8')
  return [...text.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(({ 1: yaml = '', index }) => ({
    place: `${page}:${text.slice(0, index).split('\n').length}`,
    yaml,
  }))
})

describe('the configuration that a page shows', () => {
  test('is there', () => {
    expect(shown.length).toBeGreaterThanOrEqual(4)
  })

  test.each(shown)('is one that is read: $place', ({ yaml }) => {
    const folder = temporaryFolder()
    for (const [, name = ''] of yaml.matchAll(/_file: (\S+)/g))
      fs.writeFileSync(path.join(folder, name), 'a-secret', { mode: 0o600 })
    const environment = { ACME_CLIENT_SECRET: 's', DATABASE_URL: 'postgres://me@db.example/tokens' }
    // A client without a grant is not made into one: so that it is held against the library, each gets one.
    const clients = [...(/^clients:\n((?: .*\n)+)/m.exec(yaml)?.[1] ?? '').matchAll(/^ {2}(\w+):$/gm)]
    const grants = clients.map(
      ([, name]) => `  of-${name}: { client: ${name}, grant_type: authorization_code }\n`,
    )
    const whole = /^grants:$/m.test(yaml) ? yaml + grants.join('') : `${yaml}grants:\n${grants.join('')}`
    const { grants: read } = configured(clients.length === 0 ? yaml : whole, environment, folder)
    expect(read.length).toBeGreaterThanOrEqual(clients.length)
  })
})

// What servers that nobody here wrote do with a used refresh token, measured; the table is that of docs/measured-servers.md.

import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { testFolder } from '../keepers.ts'
import { rowOf } from './measured-row.ts'
import { everySetting, longestWindow, quick, thorough, whyMissing } from './measured-settings.ts'
import { markdownTable, publish } from './page.ts'
import type { RealServer } from './real-server.ts'
import { measuredAt, sandboxLogin } from './sandbox.ts'

const rows: string[][] = []
afterAll(() => {
  const head = [
    ...[
      'server',
      'settings',
      'documented',
      'measured',
      'reuse window',
      'a refused token',
      'old access token',
    ],
    ...['introspection', 'logins', 'measured on'],
  ]
  publish('measured-servers.md', 'measured servers', markdownTable(head, rows))
})

describe.each(thorough ? everySetting : quick)('$server, $settings', (setting) => {
  const { server: name, start, expected, window, age } = setting
  const why = whyMissing(name)
  test.skipIf(why !== undefined)(
    why === undefined ? 'treats a used refresh token as the table says' : `is not installed: ${why}`,
    async () => {
      await using server = await start()
      const measured = await measuredAt(server, { longestWindow, age })
      rows.push(rowOf(setting, server, measured))
      expect(measured).toMatchObject(expected)
      if (window === undefined) return
      const { atLeast = 0, below = 0 } = measured.reuseWindow ?? {}
      expect(atLeast).toBeGreaterThanOrEqual(window - 2)
      expect(atLeast).toBeLessThanOrEqual(window)
      expect(below).toBeGreaterThanOrEqual(window)
      expect(below).toBeLessThanOrEqual(window + 3)
    },
    600_000,
  )
})

describe('evertoken provider probe', () => {
  test.each(thorough ? quick : quick.slice(0, 1))(
    'says the same of $server, from refresh tokens of logins made elsewhere',
    async (setting) => {
      const { server: name, start, expected } = setting
      if (whyMissing(name) !== undefined) return
      await using server = await start()
      const cwd = testFolder()
      writeFileSync(join(cwd, 'evertoken.yaml'), clientOf(server))
      const tokens = [await sandboxLogin(server), await sandboxLogin(server)]
      writeFileSync(
        join(cwd, 'tokens'),
        tokens.map(({ refreshToken }) => `${refreshToken.reveal()}\n`).join(''),
        { mode: 0o600 },
      )
      const { stdout } = await evertoken(
        ['provider', 'probe', 'sandbox', '--yes', '--json', '--refresh-tokens-file', 'tokens'],
        cwd,
      )
      const { replay_class, refusal, lifetimes } = JSON.parse(stdout)
      expect(replay_class).toBe(expected.replayClass)
      expect(refusal).toMatchObject({ ends_login: expected.refusal?.endsLogin })
      expect(lifetimes).toMatchObject({ rotation: 'always', replay_class: 'strict' })
    },
    120_000,
  )
})

/** The client of a server's logins as evertoken.yaml has it. */
function clientOf({ endpoints, loginClient, api }: RealServer): string {
  const { tokenUrl, introspectionUrl } = endpoints
  const provider = { token_url: tokenUrl, introspection_url: introspectionUrl }
  const client = {
    provider,
    client_id: loginClient.clientId,
    client_secret: String(loginClient.clientSecret),
    ...(api === undefined ? {} : { validation_url: api }),
  }
  return `${JSON.stringify({ clients: { sandbox: client } })}\n`
}

const evertoken = (args: readonly string[], cwd: string) => {
  const main = fileURLToPath(import.meta.resolve('../../../server/src/cli/main.ts'))
  return promisify(execFile)(process.execPath, ['--conditions=evertoken:source', main, ...args], { cwd })
}

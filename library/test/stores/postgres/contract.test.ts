import { storeContract } from '@evertoken/testing/store-contract'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Installed } from '../../../../test/interop/debian-packages.ts'
import { pgBouncerHere, startPgBouncer } from '../../../../test/postgres/pgbouncer.ts'
import { startPooler } from '../../../../test/postgres/pooler.ts'
import { missingPostgres, through, usePostgres } from './fixture.ts'

const rules = storeContract.map((rule) => [rule.name, rule] as const)

describe.skipIf(missingPostgres)('the PostgreSQL store keeps the contract:', () => {
  const postgres = usePostgres()
  test.each(rules)('%s', async (_name, rule) => {
    const url = await postgres.database()
    const folder = postgres.host()
    await rule.check({ open: () => postgres.open(url, { folder }), shared: true })
  })
})

describe.skipIf(missingPostgres)('F29: behind a transaction pooler it keeps the contract:', () => {
  const postgres = usePostgres()
  test.each(rules)('%s', async (_name, rule) => {
    const pooler = postgres.closing(await startPooler(postgres.server.port, { sessions: 2 }))
    const url = through(await postgres.database(), pooler)
    const folder = postgres.host()
    await rule.check({ open: () => postgres.open(url, { folder }), shared: true })
    expect(pooler.handedOut).toBeGreaterThan(2)
  })
})

describe.skipIf(missingPostgres)('F29: behind PgBouncer in transaction mode it keeps the contract:', () => {
  const postgres = usePostgres()
  let pgBouncer: Installed<string>
  beforeAll(async () => {
    pgBouncer = await pgBouncerHere()
  }, 600_000)
  test.each(rules)('%s', async (_name, rule) => {
    if ('missing' in pgBouncer) return
    const bouncer = postgres.closing(await startPgBouncer(postgres.server.port))
    const url = through(await postgres.database(), bouncer)
    const folder = postgres.host()
    await rule.check({ open: () => postgres.open(url, { folder }), shared: true })
  })
  test('PgBouncer is there', (context) => {
    context.skip(
      'missing' in pgBouncer,
      `these were not run: ${'missing' in pgBouncer ? pgBouncer.missing : ''}`,
    )
  })
})

import { describe, expect, test } from 'vitest'
import type { Answer, Connections } from '../../../src/stores/postgres/connections.ts'
import { Hints } from '../../../src/stores/postgres/hints.ts'
import type { Transactions } from '../../../src/stores/postgres/transactions.ts'

const answered = (rows: Answer['rows'] = []): Answer => ({ rows, rowCount: rows.length, command: 'SELECT' })

/** Hints over a connection of the test's own, whose LISTEN is answered when the test says so. */
function hintsOver() {
  const told: unknown[] = []
  const listening = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const connection = { ended: false, keepsAlive: true }
  const own = {
    processID: 7,
    connect: async () => undefined,
    end: async () => {
      connection.ended = true
    },
    unref: () => {
      connection.keepsAlive = false
    },
    on: () => undefined,
    async query({ text }: { text: string }) {
      if (!text.startsWith('LISTEN')) return answered([[7]])
      asked.resolve()
      await listening.promise
      return answered()
    },
  }
  const transactions = {
    query: async (statement: unknown) => {
      told.push(statement)
      return answered()
    },
  }
  const hints = new Hints({
    transactions: transactions as unknown as Transactions,
    connections: { own: () => own } as unknown as Connections,
    schema: 'evertoken',
  })
  return { hints, told, connection, asked: asked.promise, listens: listening.resolve }
}

describe('what a process has to tell', () => {
  test('is told at once, and what follows within twenty milliseconds in one', async () => {
    const { hints, told } = hintsOver()
    hints.tell()
    expect(told).toHaveLength(1)
    for (let more = 0; more < 5; more += 1) hints.tell()
    expect(told).toHaveLength(1)
    await expect.poll(() => told.length).toBe(2)
    await hints.close()
    hints.tell()
    expect(told).toHaveLength(2)
  })
})

describe('a connection that listens', () => {
  test('keeps no process alive', async () => {
    const { hints, connection, listens } = hintsOver()
    hints.listen(() => undefined)
    listens()
    await expect.poll(() => connection.keepsAlive).toBe(false)
    await hints.close()
    expect(connection.ended).toBe(true)
  })

  test('is closed when the store was closed before it listened', async () => {
    // It was kept then, and with it the process.
    const { hints, connection, asked, listens } = hintsOver()
    hints.listen(() => undefined)
    await asked
    await hints.close()
    expect(connection.ended).toBe(false)
    listens()
    await expect.poll(() => connection.ended).toBe(true)
  })
})

import { inspect } from 'node:util'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { EvertokenError, errorCodes } from '../../src/errors.ts'
import { openedToken } from '../../src/grants/answer.ts'
import { type GrantDefinition, refreshToken } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import { decodeBody } from '../../src/oauth/answer-body.ts'
import { readAnswerText } from '../../src/oauth/answer-text.ts'
import { firstAt } from '../../src/oauth/json-pointer.ts'
import type { WireResponse } from '../../src/oauth/transport.ts'
import { loggedTransport } from '../../src/oauth/wire-log.ts'
import type { AnswerDialect, ErrorRule } from '../../src/providers/profile.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { cases, dialects, encoded, rules, sent, status } from '../oauth/random-dialects.ts'
import { ControlledClock } from './controlled-clock.ts'

const clientSecret = 'Zk3-mN8q-sW2x-9TfL'

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Uint8Array
}

/** Names under which the wire log shows a value as it is: no dialect of a real provider has a token there. */
const shownNames = /\/(?:scope|error|error_description|token_type|expires_in|status)(?:\/|$)/
const withoutShown = (dialect: AnswerDialect): AnswerDialect =>
  Object.fromEntries(
    Object.entries(dialect).filter(
      ([key, place]) =>
        !(key === 'root' || key.endsWith('_token')) ||
        ![place].flat().some((one) => shownNames.test(`${one}`)),
    ),
  )

const oddHeaders = fc.dictionary(
  fc.constantFrom('retry-after', 'date', 'content-type', 'content-encoding', 'location'),
  fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.constantFrom(
      'gzip',
      'br',
      'identity',
      'application/x-www-form-urlencoded',
      'text/html',
      sent,
      '-5',
      '1e9',
    ),
  ),
  { maxKeys: 3 },
)

const headers = fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: oddHeaders })

const spoken = fc
  .tuple(cases, fc.constantFrom('json', 'json', 'form', 'script'))
  .map(([{ document, dialect }, kind]) => {
    const json = JSON.stringify(document)
    const text = kind === 'json' ? json : kind === 'form' ? encoded(document) : `callback( ${json} );`
    return { dialect, bytes: new TextEncoder().encode(text) }
  })
const bytes = fc
  .tuple(dialects, fc.uint8Array({ maxLength: 200 }))
  .map(([dialect, bytes]) => ({ dialect, bytes }))
const cut = fc
  .tuple(spoken, fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([{ dialect, bytes }, share]) => ({
    dialect,
    bytes: bytes.slice(0, Math.floor(share * bytes.length)),
  }))
const answers = fc.oneof(
  { weight: 8, arbitrary: spoken },
  { weight: 2, arbitrary: bytes },
  { weight: 1, arbitrary: cut },
)

/** A keeper whose provider answers what it is told to, and everything that is ever told of that. */
async function world() {
  const clock = new ControlledClock()
  const told: string[] = []
  let next: Answer | undefined
  const answer = async (): Promise<WireResponse> => {
    const { status, headers, bytes } = next as Answer
    return { status, headers, body: decodeBody(Buffer.from(bytes), headers, status) }
  }
  const keeper = await Keeper.open({
    store: memoryStore({ clock, ephemeral: true }),
    clock,
    random: () => 0.5,
    transport: loggedTransport(answer, (line) => told.push(line)),
  })
  for (const event of ['refreshed', 'failing', 'reauthorization_required', 'recovered', 'notice'] as const)
    keeper.on(event, (facts) => told.push(JSON.stringify(facts)))
  onTestFinished(() => clock.until(keeper.close()))
  let count = 0
  /** A new login meets this answer. Gives its id and what came of it. */
  const meet = async (dialect: AnswerDialect, errors: readonly ErrorRule[], now: Answer) => {
    const id = `login-${++count}`
    // A client of its own, so that no circuit is shared.
    const definition = refreshToken({
      tokenUrl: 'https://provider.example/token',
      clientId: `client-${count}`,
      clientSecret,
      refreshToken: sent,
    })
    const client = { ...definition.client, dialect: { id: 'acme', variables: {}, answer: dialect, errors } }
    await keeper.add(id, { ...definition, client } satisfies GrantDefinition)
    next = now
    told.length = 0
    const outcome = await clock.until(
      keeper.refresh(id).then(
        () => undefined,
        (error: unknown) => error,
      ),
    )
    return { id, outcome }
  }
  return { keeper, told, meet }
}

test('whatever a provider answers in whatever dialect: a token of its pointer or a typed error, and no secret is told', async () => {
  const { keeper, told, meet } = await world()
  const counts = { tokens: 0, failures: 0 }
  await fc.assert(
    fc.asyncProperty(answers, rules, status, headers, async ({ dialect, bytes }, errors, status, headers) => {
      const answer = withoutShown(dialect)
      const { id, outcome } = await meet(answer, errors, { status, headers, bytes })
      const record = await keeper.store.read(id)
      if (record?.refreshToken === undefined) throw new Error('the login is gone')
      const [row] = record.tokens
      const held = keeper.store.seal.open(record.refreshToken.sealed, {
        grant: id,
        field: 'refresh_token',
      })
      const secrets = [sent, clientSecret]

      if (outcome === undefined) {
        counts.tokens += 1
        if (row === undefined) throw new Error('no token was stored')
        const value = openedToken(keeper.store.seal, id, row).reveal()
        const text = decodeBody(Buffer.from(bytes), headers, status)
        const document = readAnswerText(text, headers)?.value
        const root = answer.root === undefined ? document : firstAt(document, answer.root)
        expect(value).toBe(firstAt(root, answer.access_token ?? '/access_token'))
        expect([sent, firstAt(root, answer.refresh_token ?? '/refresh_token')]).toContain(held)
        if (value.startsWith('hidden-')) secrets.push(value)
      } else {
        counts.failures += 1
        expect(outcome).toBeInstanceOf(EvertokenError)
        expect(errorCodes).toContain((outcome as EvertokenError).code)
        expect((outcome as EvertokenError).message.length).toBeLessThan(1_200)
        expect(row).toBeUndefined()
      }
      if (held.startsWith('hidden-')) secrets.push(held)
      const shown = [
        JSON.stringify(await keeper.show(id)),
        inspect(record, { depth: 9, maxStringLength: null }),
        inspect(outcome, { depth: 9, maxStringLength: null }),
        JSON.stringify(outcome) ?? '',
        String(outcome),
        ...told,
      ]
      expect(shown.filter((text) => secrets.some((secret) => text.includes(secret)))).toEqual([])
    }),
    { numRuns: 300 },
  )
  expect(Math.min(counts.tokens, counts.failures)).toBeGreaterThan(8)
})

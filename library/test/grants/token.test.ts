import { format, inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { AccessToken } from '../../src/grants/token.ts'
import { Secret } from '../../src/secret.ts'

const text = 'very-secret-token-text'

/** Every usual way in which an object ends up in a log. */
const printed = (value: object): string =>
  [
    inspect(value),
    inspect(value, { depth: 9, showHidden: true, customInspect: false }),
    inspect({ deep: [{ value }] }, { depth: 9 }),
    format('%s %o %O %j', value, value, value, value),
    JSON.stringify(value),
    JSON.stringify({ value }),
    String(value),
    `${value}`,
    JSON.stringify(Object.entries(value)),
    JSON.stringify({ ...value }),
    new Error('wrapped', { cause: value }).stack,
    inspect(new Error('wrapped', { cause: value })),
    JSON.stringify(Object.getOwnPropertyDescriptors(value)),
  ].join('\n')

describe('a secret', () => {
  test('prints itself nowhere, and reveals itself once asked', () => {
    const secret = new Secret(text)
    expect(printed(secret)).not.toContain(text)
    expect(String(secret)).toBe('[secret]')
    expect(secret.reveal()).toBe(text)
  })

  test('is a text that is not empty', () => {
    expect(() => new Secret('')).toThrow(TypeError)
    expect(() => new Secret(undefined as unknown as string)).toThrow(TypeError)
  })

  test('does not survive a structured clone with its text', () => {
    expect(inspect(structuredClone({ ...new Secret(text) }))).not.toContain(text)
  })
})

describe('an access token', () => {
  const token = new AccessToken(text, {
    type: 'Bearer',
    expiresAt: 1_800_000_000_000,
    scope: ['read'],
    generation: 3,
    metadata: { instance_url: 'https://eu.example' },
    stale: false,
  })

  test('prints everything but its text', () => {
    for (const shown of [inspect(token), JSON.stringify(token), format('%s %O %j', token, token, token)]) {
      expect(shown).not.toContain(text)
      expect(shown).toContain('https://eu.example')
    }
    expect(printed(token)).not.toContain(text)
    expect(token.value).toBe(text)
  })

  test('cannot be changed', () => {
    expect(() => {
      ;(token as { generation: number }).generation = 9
    }).toThrow(TypeError)
    expect(token.generation).toBe(3)
  })

  test('is marked stale without changing anything else', () => {
    const stale = token.markedStale()
    expect(stale.stale).toBe(true)
    expect({ ...stale, stale: false }).toEqual({ ...token })
    expect(stale.value).toBe(text)
    expect(stale.markedStale()).toBe(stale)
    expect(token.stale).toBe(false)
  })
})

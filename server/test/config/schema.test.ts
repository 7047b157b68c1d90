import path from 'node:path'
import { expect, test } from 'vitest'
import { configurationSchema } from '../../src/config/schema.ts'

test('the published schema is the one that configurations are held against', async () => {
  const published = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'evertoken.yaml',
    description: 'Configuration of evertoken: where it listens, where grants live, and which it keeps alive.',
    ...configurationSchema,
  }
  // `vitest run server/test/config/schema.test.ts -u` writes it anew.
  await expect(formatted(published)).toMatchFileSnapshot(
    path.join(import.meta.dirname, '../../evertoken.schema.json'),
  )
})

/** As the formatter leaves it: a list of words stands on one line of 110 columns, where it fits. */
const formatted = (value: object): string =>
  `${JSON.stringify(value, null, 2)}\n`.replaceAll(
    /^( *"\w+": \[)\s+("[^[\]{}]*")\s+\]/gm,
    (spread, before: string, items: string) => {
      const line = `${before}${items.replaceAll(/,\s+/g, ', ')}]`
      return line.length < 110 ? line : spread
    },
  )

test('every key of it says what it is for', () => {
  const silent: string[] = []
  const visit = (schema: object, way: string): void => {
    for (const [name, member] of Object.entries(schema)) {
      if (typeof member !== 'object' || member === null) continue
      if (way.endsWith('.properties') && !('description' in member)) silent.push(`${way}.${name}`)
      visit(member, `${way}.${name}`)
    }
  }
  visit(configurationSchema, '')
  expect(silent.filter((way) => !/algorithm$/.test(way))).toEqual([])
})

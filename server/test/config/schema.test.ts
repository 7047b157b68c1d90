import path from 'node:path'
import { expect, test } from 'vitest'
import { configurationSchema } from '../../src/config/schema.ts'
import { writtenProfileSchema } from '../../src/config/written-profile.ts'
import { publishedText, silentKeys } from './published.ts'

test('the published schema is the one that configurations are held against', async () => {
  const described = {
    description: 'Configuration of evertoken: where it listens, where grants live, and which it keeps alive.',
    ...configurationSchema,
  }
  const text = publishedText('evertoken.yaml', described, { profile: writtenProfileSchema })
  expect(text.match(/"\$ref": "#\/\$defs\/profile"/g)).toHaveLength(2)
  // `vitest run server/test/config/schema.test.ts -u` writes it anew.
  await expect(text).toMatchFileSnapshot(path.join(import.meta.dirname, '../../evertoken.schema.json'))
})

test('every key of it says what it is for', () => {
  expect(silentKeys(configurationSchema).filter((way) => !/algorithm$/.test(way))).toEqual([])
})

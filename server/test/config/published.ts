/** A schema as it is published, formatted: a list of words stands on one line of 110 columns, where it fits. */
export function publishedText(
  title: string,
  schema: object,
  definitions: Record<string, object> = {},
): string {
  const names = new Map(Object.entries(definitions).map(([name, part]) => [part, name]))
  const published = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title,
    ...schema,
    ...(names.size > 0 && { $defs: {} }),
  }
  const text = JSON.stringify(
    published,
    (_, value) => (names.has(value) ? { $ref: `#/$defs/${names.get(value)}` } : value),
    2,
  )
  return `${text.replace('"$defs": {}', () => defined(definitions))}\n`.replaceAll(
    /^( *"\w+": \[)\s+("[^[\]{}]*")\s+\]/gm,
    (spread, before: string, items: string) => {
      const line = `${before}${items.replaceAll(/,\s+/g, ', ')}]`
      return line.length < 110 ? line : spread
    },
  )
}

/** What stands in more than one place, once. */
const defined = (definitions: Record<string, object>): string =>
  JSON.stringify({ $defs: definitions }, null, 2).slice(2, -2).trimStart()

/** Where a schema has keys that say nothing of themselves. */
export function silentKeys(schema: object): string[] {
  const silent: string[] = []
  const visit = (part: object, way: string): void => {
    for (const [name, member] of Object.entries(part)) {
      if (typeof member !== 'object' || member === null) continue
      if (way.endsWith('.properties') && !('description' in member)) silent.push(`${way}.${name}`)
      visit(member, `${way}.${name}`)
    }
  }
  visit(schema, '')
  return silent
}

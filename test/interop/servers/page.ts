import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Where `PAGES=write` says that what was seen goes into the pages; else it is only printed. */
const writes = process.env.PAGES === 'write'

/** A table of Markdown. */
export const markdownTable = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')

/** Prints a table, and puts it into its place in a page: between `<!-- begin NAME -->` and `<!-- end NAME -->`. */
export function publish(page: string, name: string, table: string): void {
  console.log(`\n${table}`)
  if (!writes) return
  const file = fileURLToPath(import.meta.resolve(`../../../docs/${page}`))
  const text = readFileSync(file, 'utf8')
  const place = new RegExp(`(<!-- begin ${name} -->\n)[\\s\\S]*?(<!-- end ${name} -->)`)
  if (!place.test(text)) throw new Error(`docs/${page} has no place for ${name}`)
  writeFileSync(
    file,
    text.replace(place, (_, begin: string, end: string) => `${begin}\n${table}\n${end}`),
  )
}

export const today = (): string => new Date().toISOString().slice(0, 10)

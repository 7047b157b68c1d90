import { stripVTControlCharacters } from 'node:util'

/** Rows under a head, in columns two spaces apart. Cells may hold colours; the last column is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => widthOf(row[column]))))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell)))
      .join('  ')
      .trimEnd()
  return all.map((row) => `${line(row)}\n`).join('')
}

const widthOf = (cell = ''): number => stripVTControlCharacters(cell).length

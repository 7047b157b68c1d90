import type { Statements } from './statements.ts'

/* What the triggers of the schema note of every change that a reader may have to see. */

/** Its number: no change so far has a greater one. */
export const newestChange = (statements: Statements): number =>
  Number(statements.sql('SELECT max(number) AS newest FROM changes').get()?.newest)

/** Grants that changed after that change; undefined when it is so old that it is not kept any more. */
export function changedSince(statements: Statements, number: number): readonly string[] | undefined {
  const [own, ...later] = statements
    .sql('SELECT number, grant_id FROM changes WHERE number >= ? ORDER BY number')
    .all(number)
  if (own?.number !== number) return undefined
  return [...new Set(later.map((row) => String(row.grant_id)))]
}

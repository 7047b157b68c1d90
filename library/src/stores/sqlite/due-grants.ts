import type { Statements } from './statements.ts'

/* What the worker asks of the narrow rows of `schedule`, and who holds them. */

/** Ids: first those of which an attempt has no verdict; then, and among them, longest due first. */
export function dueGrants(statements: Statements, at: number, limit: number): string[] {
  const due = (attempts: 'IS NOT NULL' | 'IS NULL', most: number): string[] =>
    statements
      .sql(`SELECT grant_id FROM schedule WHERE attempts ${attempts} AND due_at <= ? ORDER BY due_at LIMIT ?`)
      .all(at, most)
      .map((row) => String(row.grant_id))
  const unsettled = due('IS NOT NULL', limit)
  return unsettled.length < limit ? [...unsettled, ...due('IS NULL', limit - unsettled.length)] : unsettled
}

/** Store time. */
export function nextDue(statements: Statements): number | undefined {
  const row = statements
    .sql('SELECT due_at FROM schedule WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1')
    .get()
  return row === undefined ? undefined : Number(row.due_at)
}

/** Processes that hold a grant. */
export const holders = (statements: Statements): string[] =>
  statements
    .sql('SELECT DISTINCT owner FROM schedule WHERE owner IS NOT NULL')
    .all()
    .map((row) => String(row.owner))

/** A grant whose worker died is due now, not when its lease would have ended. */
export const releaseFrom = (statements: Statements, owner: string, at: number): void =>
  void statements
    .sql('UPDATE schedule SET due_at = min(due_at, ?), owner = NULL, lease_until = NULL WHERE owner = ?')
    .run(at, owner)

/** Processes that a row still names, so that whether they live must stay to be seen. */
export const namedOwners = (statements: Statements): ReadonlySet<string> =>
  new Set(
    statements
      .sql(
        `SELECT owner FROM schedule WHERE owner IS NOT NULL
         UNION SELECT value ->> 'owner' FROM schedule, json_each(attempts)
         WHERE attempts IS NOT NULL AND NOT (value ->> 'localDone')`,
      )
      .all()
      .map((row) => String(row.owner)),
  )

import type { Statements } from './statements.ts'

/** A value of the store itself, by name. */
export const setting = (statements: Statements, name: string): string | undefined => {
  const row = statements.sql('SELECT value FROM store WHERE name = ?').get(name)
  return row === undefined ? undefined : String(row.value)
}

export const setSetting = (statements: Statements, name: string, value: string): void =>
  void statements.sql('INSERT OR REPLACE INTO store (name, value) VALUES (?, ?)').run(name, value)

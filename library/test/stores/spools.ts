import { readdirSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import type { EvertokenError } from '../../src/errors.ts'
import { type HostSpool, openSpool, type SpoolOptions } from '../../src/stores/spool/spool.ts'
import { answer, spoolOptions } from './spool-answers.ts'

/** Opens the spool of a folder as one process more; closed when the test is over. */
export function openedSpool(folder: string, change: Partial<SpoolOptions> = {}) {
  const told: EvertokenError[] = []
  const spool = openSpool({ ...spoolOptions(folder), onDamaged: (error) => told.push(error), ...change })
  onTestFinished(() => spool.close())
  return Object.assign(spool, { told })
}

/** A process that had these answers when it died; gives back its id. */
export async function leftBehind(
  folder: string,
  ids: readonly string[],
  change: Partial<SpoolOptions> = {},
): Promise<string> {
  const spool = openedSpool(folder, change)
  const { owner } = spool
  for (const id of ids) await spool.append(answer(owner, id))
  // As far as others see it: the lock is free and the file is there.
  await spool.close()
  return owner
}

/** Ids of the attempts whose answers were left. */
export const left = (spool: HostSpool): string[] =>
  spool.remains().flatMap(({ entries }) => entries.map(({ attempt }) => attempt.id))

export const filesIn = (folder: string, end: string): string[] =>
  readdirSync(folder).filter((name) => name.endsWith(end))

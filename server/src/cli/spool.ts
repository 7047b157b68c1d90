import type { Keeper, SpoolRegistration } from 'evertoken'
import type { Environment } from './environment.ts'
import { openExisting } from './local-grants.ts'
import type { PlaceOptions } from './options.ts'
import { findPlace } from './place.ts'
import { confirmed } from './questions.ts'
import { table } from './table.ts'

export interface SpoolOptions extends PlaceOptions {
  json?: boolean | undefined
}

export interface RetireOptions extends SpoolOptions {
  /** `--yes`: asks nothing. */
  yes?: boolean | undefined
}

/** The spools that the store knows, and how many grants wait for what may be in each. */
export async function listSpools(options: SpoolOptions, environment: Environment): Promise<void> {
  await using keeper = await openExisting(await findPlace(options, environment), environment)
  const spools = await Promise.all(
    (await keeper.spools()).map(async (spool) => ({ ...spool, grants: await waiting(keeper, spool.id) })),
  )
  if (options.json === true) {
    environment.stdout.write(`${JSON.stringify({ spools: spools.map(spoolBody) })}\n`)
  } else if (spools.length === 0) {
    environment.stderr.write(
      `No spools in ${keeper.store.location}: nothing has been sent from anywhere yet.\n`,
    )
  } else {
    const rows = spools.map(({ id, host, folder, seenAt, retiredAt, grants }) => [
      id,
      host,
      timeText(seenAt),
      retiredAt === undefined ? '-' : timeText(retiredAt),
      String(grants),
      folder,
    ])
    environment.stdout.write(table(['ID', 'HOST', 'LAST OPENED', 'RETIRED', 'WAITING', 'FOLDER'], rows))
  }
}

/** Says that the host of a spool never comes back, after asking. */
export async function retireSpool(
  id: string,
  options: RetireOptions,
  environment: Environment,
): Promise<void> {
  await using keeper = await openExisting(await findPlace(options, environment), environment)
  const spool = (await keeper.spools()).find((known) => known.id === id)
  // A spool that is not known has nobody to be asked about: the keeper says so.
  if (spool !== undefined) {
    const grants = await waiting(keeper, id)
    const sure = await confirmed(options.yes, environment, {
      question: `Does ${spool.host} (${spool.folder}) never come back? ${grants} grants wait for answers that may be there.`,
      refusal: `retiring the spool of ${spool.host} gives up what it may hold, and nobody is here to ask`,
      command: `evertoken spool retire ${id} --yes`,
    })
    if (!sure) {
      environment.stderr.write('Nothing was retired.\n')
      return
    }
  }
  const grants = await keeper.retireSpool(id)
  environment.stdout.write(
    options.json === true
      ? `${JSON.stringify({ id, retired: true, grants })}\n`
      : `retired ${id}: ${grants} grants wait for it no longer\n`,
  )
}

const waiting = async (keeper: Keeper, id: string): Promise<number> =>
  (await keeper.store.attemptedFrom(id)).length

const timeText = (at: number): string => new Date(at).toISOString().replace(/\.\d+/, '')

const spoolBody = ({
  id,
  host,
  folder,
  seenAt,
  retiredAt,
  grants,
}: SpoolRegistration & { grants: number }) => ({
  id,
  host,
  folder,
  seen_at: new Date(seenAt).toISOString(),
  ...(retiredAt !== undefined && { retired_at: new Date(retiredAt).toISOString() }),
  grants,
})

import type { Environment } from './environment.ts'
import { openExisting } from './local-grants.ts'
import type { PlaceOptions } from './options.ts'
import { findPlace } from './place.ts'
import { withProgress } from './progress.ts'
import { confirmed } from './questions.ts'

export interface AdoptOptions extends PlaceOptions {
  /** `--yes`: asks nothing. */
  yes?: boolean | undefined
  json?: boolean | undefined
}

/** Makes a store that is a copy one of its own, after asking. */
export async function adopt(options: AdoptOptions, environment: Environment): Promise<void> {
  const { stdout, stderr } = environment
  await using keeper = await openExisting(await findPlace(options, environment), environment)
  const { location, foreign } = keeper.store
  const told = (grants: number, text: string): void =>
    void stdout.write(
      options.json === true ? `${JSON.stringify({ adopted: foreign !== undefined, grants })}\n` : `${text}\n`,
    )
  if (foreign === undefined) {
    told(0, `${location} is the store that it was: there is nothing to adopt`)
    return
  }
  stderr.write(`${foreign[0]?.toUpperCase()}${foreign.slice(1)}.\n${explanation}\n`)
  const sure = await confirmed(options.yes, environment, {
    question: `Have all processes on the other copy ended for good, and is it ${location} that goes on?`,
    refusal: 'adopting a copy while the other one is still at work ends logins, and nobody is here to ask',
    command: 'evertoken adopt --yes',
  })
  if (!sure) {
    stderr.write(
      'Nothing was adopted. Tokens are served from here until they expire, and none is refreshed.\n',
    )
    return
  }
  let looked = 0
  const grants = await withProgress(
    () => `adopting; ${looked} grants looked at`,
    environment,
    keeper.adopt((done) => {
      looked = done
    }),
  )
  const which = grants === 1 ? '1 grant has' : `${grants} grants have`
  told(grants, `adopted ${location}: ${which} a refresh token that the other copy may have spent`)
}

const explanation = `Two stores that spend the same refresh tokens end logins, so nothing is refreshed from here. Adopting makes this store
one of its own. Refresh tokens that rotate are then treated as if a refresh had been sent and not answered: they are
probed or waited for before they are sent. Nothing stops the other copy: that is up to you.`

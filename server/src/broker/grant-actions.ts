import type { GrantSummary, Keeper } from 'evertoken'
import type { Broker } from './broker.ts'
import { grantId, grantParameters } from './grant-id.ts'
import { summaryBody, summaryReference } from './grant-summary.ts'
import { answers } from './problem.ts'

interface Action {
  readonly name: string
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly run: (id: string) => Promise<GrantSummary>
}

/** What an operator does with a grant by hand. Each answers with the grant as it is then. */
export function grantActionRoutes(app: Broker, keeper: Keeper): void {
  const actions: readonly Action[] = [
    {
      name: 'refresh',
      operationId: 'refreshGrant',
      summary: 'Obtain a new token now, whatever the schedule says',
      run: async (id) => {
        await keeper.refresh(id)
        return keeper.show(id)
      },
    },
    {
      name: 'pause',
      operationId: 'pauseGrant',
      summary: 'Stop refreshing and serving',
      run: (id) => keeper.pause(id),
    },
    {
      name: 'resume',
      operationId: 'resumeGrant',
      summary: 'End a pause',
      description:
        'Also ends a quarantine, and lets a grant whose tokens are minted (client credentials, assertions, requests, exchanges) try again after reauthorization_required.',
      run: (id) => keeper.resume(id),
    },
    {
      name: 'revoke',
      operationId: 'revokeGrant',
      summary: 'End the login, here and at the provider',
      description:
        'Once it answers, no process hands out a token of this login. The provider is told (RFC 7009) at once or, while it does not answer, again and again for seven days; the state says how far that came.',
      run: (id) => keeper.revoke(id),
    },
  ]
  for (const { name, operationId, summary, description, run } of actions)
    app.post(
      `/v1/grants/:id/${name}`,
      {
        config: { right: 'administer' },
        schema: {
          operationId,
          summary,
          ...(description !== undefined && { description }),
          tags: ['grants'],
          params: grantParameters,
          response: answers({ 200: summaryReference }),
        },
      },
      async (request) => summaryBody(await run(grantId(request.params as { id: string }))),
    )
}

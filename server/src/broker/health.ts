import { EvertokenError, type Keeper } from 'evertoken'
import { Type } from 'typebox'
import type { Broker } from './broker.ts'
import { answers } from './problem.ts'

const status = (word: string, description: string) =>
  Type.Object({ status: Type.Literal(word) }, { description })

export function healthRoutes(app: Broker, keeper: Keeper, isReady: () => boolean | Promise<boolean>): void {
  app.get(
    '/healthz',
    {
      config: { right: 'public' },
      schema: {
        operationId: 'isAlive',
        summary: 'The process is alive',
        tags: ['health'],
        response: answers({ 200: status('ok', 'It is.') }),
      },
    },
    () => Promise.resolve({ status: 'ok' as const }),
  )

  app.get(
    '/readyz',
    {
      config: { right: 'public' },
      schema: {
        operationId: 'isReady',
        summary: 'The store answers and the worker runs',
        tags: ['health'],
        response: answers({ 200: status('ready', 'It is.') }),
      },
    },
    async () => {
      await keeper.store.nextDue()
      if (!(await isReady()))
        throw new EvertokenError('token_unavailable', 'the worker does not run', {
          advice: 'Wait for it to start; if it stays so, see the log of the broker.',
        })
      return { status: 'ready' as const }
    },
  )
}

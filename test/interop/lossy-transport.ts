import { nodeTransport, type Transport } from 'evertoken'
import { onTestFinished } from 'vitest'

/** A transport that loses what it is told to lose: the next token request before it leaves, or its answer. */
export interface LossyTransport {
  readonly transport: Transport
  lose(what: 'request' | 'answer'): void
}

export function lossyTransport(tokenUrl: string): LossyTransport {
  const wire = nodeTransport()
  onTestFinished(() => wire.close())
  let losing: 'request' | 'answer' | undefined
  return {
    transport: async (request) => {
      const what = request.method === 'POST' && request.url === tokenUrl ? losing : undefined
      if (what === undefined) return wire(request)
      losing = undefined
      if (what === 'answer') await wire(request)
      throw new Error('the connection was reset')
    },
    lose(what) {
      losing = what
    },
  }
}

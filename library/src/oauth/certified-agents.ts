import type { Agent } from 'node:https'
import type { WireCertificate } from './transport.ts'

/** Agents at hand; of more, those that were used longest ago are made anew. */
const mostAgents = 256

/** An agent for each certificate of each client. */
export interface CertifiedAgents {
  (certificate: WireCertificate): Agent
  close(): void
}

/**
 * Keeps the connections of clients with certificates apart: one says who it comes from, for as long as it is kept alive, and
 * so does a TLS session that is resumed. A renewed certificate has connections of its own from its first request on.
 */
export function certifiedAgents(make: (certificate: string, key: string) => Agent): CertifiedAgents {
  const agents = new Map<string, Agent>()
  const agentOf = ({ client, certificate, key }: WireCertificate): Agent => {
    const { createHash } = process.getBuiltinModule('node:crypto')
    const name = createHash('sha256')
      .update(JSON.stringify([client, certificate, key.reveal()]))
      .digest('base64')
    const agent = agents.get(name) ?? make(certificate, key.reveal())
    agents.delete(name)
    agents.set(name, agent)
    // Not destroyed: a request may be under way on it. Idle connections end by themselves.
    if (agents.size > mostAgents) agents.delete(agents.keys().next().value as string)
    return agent
  }
  return Object.assign(agentOf, {
    close: () => {
      for (const agent of agents.values()) agent.destroy()
    },
  })
}

import type { Candidate, GrantRecord } from './grant.ts'

/** The grant goes on with this refresh token, and with the access token that came with it where that lives longer. */
export function withCandidate(record: GrantRecord, candidate: Candidate): GrantRecord {
  const { refreshToken, token, fence } = candidate
  const present = record.tokens.find((row) => row.scope === token?.scope && row.resource === token.resource)
  const tokens =
    token === undefined || (present !== undefined && present.expiresAt >= token.expiresAt)
      ? record.tokens
      : [
          ...record.tokens.filter((row) => row !== present),
          { ...token, generation: (present?.generation ?? 0) + 1, fence },
        ]
  return {
    ...record,
    refreshToken,
    tokens,
    candidates: record.candidates.filter((other) => other !== candidate),
  }
}

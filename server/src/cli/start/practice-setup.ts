import type { PracticeProcessOptions } from '@evertoken/testing'

/** What `evertoken start` keeps alive when nobody has configured anything: one grant of each kind. */
export const practiceGrants = {
  service: { id: 'demo-service', seconds: 20 },
  robot: { id: 'demo-robot', seconds: 30 },
  person: { id: 'demo-person', seconds: 60 },
} as const

export interface PracticeSecrets {
  readonly clientSecret: string
  readonly assertionSecret: string
}

/** The practice provider that fits {@link practiceConfiguration}. */
export function practiceProvider(
  port: number,
  stateFile: string,
  secrets: PracticeSecrets,
  redirectUri: string,
): PracticeProcessOptions {
  return {
    port,
    stateFile,
    rotation: 'strict',
    // It may run for weeks, and nobody looks further back.
    recordLimit: 10_000,
    lifetimes: { accessToken: practiceGrants.robot.seconds },
    clients: [
      {
        clientId: 'demo-service',
        authentication: { method: 'client_secret_basic', secret: secrets.clientSecret },
        accessTokenLifetime: practiceGrants.service.seconds,
      },
      {
        clientId: 'demo-app',
        authentication: { method: 'none' },
        redirectUris: [redirectUri],
        grantTypes: ['authorization_code', 'refresh_token'],
        accessTokenLifetime: practiceGrants.person.seconds,
      },
    ],
    assertionIssuers: [
      { issuer: 'demo-robot', algorithm: 'HS256', key: secrets.assertionSecret, keyId: 'demo' },
    ],
  }
}

/** An evertoken.yaml like any other: copy it, put your own provider in, and it is yours. */
export function practiceConfiguration(listen: string, provider: string, secrets: PracticeSecrets): string {
  const { service, robot, person } = practiceGrants
  return `# Written by evertoken start each time it runs without an evertoken.yaml. Copy it to ./evertoken.yaml, put your own
# provider in, and start again: then that is served instead, from the same store.
listen: ${listen}
clients:
  service: { provider: '${provider}', client_id: demo-service, client_secret: '${secrets.clientSecret}' }
  robot: { provider: '${provider}' }
  app: { provider: '${provider}', client_id: demo-app }
grants:
  ${service.id}: { client: service, grant_type: client_credentials, scope: [read] }
  ${robot.id}:
    client: robot
    grant_type: jwt_bearer
    assertion:
      issuer: demo-robot
      subject: demo-robot
      key: { algorithm: HS256, key: '${secrets.assertionSecret}', key_id: demo }
  ${person.id}: { client: app, grant_type: authorization_code, scope: [read, write] }
`
}

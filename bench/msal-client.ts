import { ConfidentialClientApplication } from '@azure/msal-node'

const authority = 'https://login.microsoftonline.com/bench'
const scopes = ['https://graph.microsoft.com/.default']

/** What it would ask the network for before its first request; the stub is what the peers, which discover nothing, have in their options. */
const authorityMetadata = JSON.stringify({
  issuer: authority,
  authorization_endpoint: `${authority}/authorize`,
  token_endpoint: `${authority}/token`,
  end_session_endpoint: `${authority}/logout`,
  jwks_uri: `${authority}/keys`,
})
const cloudDiscoveryMetadata = JSON.stringify({
  tenant_discovery_endpoint: authority,
  'api-version': '1.1',
  metadata: [
    {
      preferred_network: 'login.microsoftonline.com',
      preferred_cache: 'login.windows.net',
      aliases: ['login.microsoftonline.com', 'login.windows.net'],
    },
  ],
})

/**
 * @azure/msal-node for client credentials, with nothing in its cache yet.
 *
 * @param post what answers its token requests: it speaks to Microsoft's addresses alone, so they are led elsewhere.
 */
export function msalClient(post: () => Promise<object>) {
  const application = new ConfidentialClientApplication({
    auth: {
      clientId: 'bench',
      clientSecret: 'bench',
      authority,
      authorityMetadata,
      cloudDiscoveryMetadata,
    },
    system: {
      networkClient: {
        sendGetRequestAsync: () => Promise.reject(new Error('nothing is to be discovered')),
        sendPostRequestAsync: async <T>() => ({ status: 200, headers: {}, body: (await post()) as T }),
      },
    },
  })
  return {
    async getToken(): Promise<string> {
      const result = await application.acquireTokenByClientCredential({ scopes })
      return result?.accessToken ?? ''
    },
  }
}

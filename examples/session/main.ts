import { EvertokenError, InvalidGrantError, InvalidScopeError } from 'evertoken'
import { Session } from './session.ts'

// node main.ts PATH: what an API has there.

const [path] = process.argv.slice(2)
const { API_URL, TOKEN_URL, CLIENT_ID, CLIENT_SECRET, SCOPE } = process.env
if (path === undefined || !API_URL || !TOKEN_URL || !CLIENT_ID || !CLIENT_SECRET) {
  console.error(
    'usage: node main.ts PATH, with API_URL, TOKEN_URL, CLIENT_ID, CLIENT_SECRET and maybe SCOPE set',
  )
  process.exit(2)
}

try {
  await using session = new Session({
    baseUrl: API_URL,
    tokenUrl: TOKEN_URL,
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    scope: SCOPE,
  })
  console.log(JSON.stringify(await session.get(path), null, 2))
} catch (error) {
  if (error instanceof InvalidScopeError)
    console.error(`SCOPE is not one that this client may have: ${error.message}`)
  else if (error instanceof InvalidGrantError) console.error(`this client gets no token: ${error.message}`)
  else if (error instanceof EvertokenError)
    console.error([error.message, error.advice].filter(Boolean).join('. '))
  else {
    const { message, cause } = error as Error
    console.error([message, (cause as Error | undefined)?.message].filter(Boolean).join('. '))
  }
  process.exitCode = 1
}

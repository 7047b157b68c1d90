import { expect, test } from 'vitest'
import { clientCredentials, passwordCredentials } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import type { Transport, WireRequest } from '../../src/oauth/transport.ts'
import { WireError } from '../../src/oauth/transport.ts'
import { loggedTransport } from '../../src/oauth/wire-log.ts'
import { memoryStore } from '../../src/stores/memory.ts'

const tokenUrl = 'https://provider.example/token'
const ann = { username: 'ann@example.com', password: 'correct horse battery staple' }

/** A keeper before a provider that answers from a list. */
async function before(answers: (object | 'silence' | 'cut')[], write?: (line: string) => void) {
  const requests: WireRequest[] = []
  const provider: Transport = async (request) => {
    requests.push(request)
    const answer = answers.shift()
    if (answer === 'silence') throw new WireError('refused', 'connect ECONNREFUSED', { sent: false })
    if (answer === 'cut') throw new WireError('deadline', 'no answer within 10 s', { sent: true })
    const { status = 200, ...body } = answer as { status?: number }
    return { status, headers: {}, body: JSON.stringify(body) }
  }
  const transport = write === undefined ? provider : loggedTransport(provider, write)
  const keeper = await Keeper.open({ store: memoryStore({ ephemeral: true }), transport })
  return { keeper, requests }
}

const tokens = { access_token: 'at-1', refresh_token: 'rt-1', expires_in: 3600 }

test('a password grant is pending until a person has logged in, and says who can change that', async () => {
  const { keeper, requests } = await before([])
  expect(await keeper.add('crm', passwordCredentials({ tokenUrl }))).toMatchObject({
    state: 'pending',
    grantType: 'password',
  })
  await expect(keeper.getToken('crm')).rejects.toMatchObject({ code: 'grant_pending' })
  await expect(keeper.beginConsent('crm', { redirectUri: 'https://a.example/cb' })).rejects.toMatchObject({
    code: 'invalid_request',
    advice: expect.stringContaining('keeper.login'),
  })
  expect(requests).toEqual([])
})

test('the request is that of RFC 6749 section 4.3.2, from a client that proves itself where it can', async () => {
  const { keeper, requests } = await before([tokens, { ...tokens, access_token: 'at-2' }])
  const options = { tokenUrl, clientId: 'c', clientSecret: 's3cret', scope: ['read', 'write'] }
  await keeper.add('crm', passwordCredentials(options))
  expect(await keeper.login('crm', ann)).toMatchObject({ state: 'active', generation: 1 })
  expect(await keeper.notices()).toMatchObject([{ kind: 'connected', message: 'a person has logged in' }])
  const [login] = requests
  expect(login?.headers.authorization).toBe(`Basic ${btoa('c:s3cret')}`)
  expect(Object.fromEntries(new URLSearchParams(login?.body))).toEqual({
    grant_type: 'password',
    scope: 'read write',
    ...ann,
  })
  expect((await keeper.refresh('crm')).value).toBe('at-2')
  expect(Object.fromEntries(new URLSearchParams(requests[1]?.body))).toEqual({
    grant_type: 'refresh_token',
    refresh_token: 'rt-1',
  })
})

test('neither the user name nor the password is kept, or stands in the log of the wire', async () => {
  const lines: string[] = []
  const { keeper } = await before([tokens], (line) => lines.push(line))
  await keeper.add('crm', passwordCredentials({ tokenUrl }))
  await keeper.login('crm', ann)
  const { seal } = keeper.store
  const record = (await keeper.store.read('crm'))!
  const definition = seal.open(record.definition, { grant: 'crm', field: 'definition' })
  for (const kept of [definition, JSON.stringify(record), lines.join('\n')]) {
    expect(kept).not.toContain('ann@')
    expect(kept).not.toContain('horse')
  }
  expect(lines.join('\n')).toContain('grant_type=password')
})

test.each<[string, object | 'silence' | 'cut', object]>([
  [
    'a wrong password',
    { status: 400, error: 'invalid_grant', error_description: `no ${ann.password} for ${ann.username}` },
    { code: 'invalid_grant', advice: expect.stringContaining('Check the user name and the password') },
  ],
  [
    'a client that is refused',
    { status: 401, error: 'invalid_client' },
    { code: 'invalid_client', advice: expect.stringContaining('what the client proves itself with') },
  ],
  [
    'a provider that slows down',
    { status: 429, error: 'slow_down' },
    { code: 'provider_error', advice: expect.stringMatching(/^Log in again later\./) },
  ],
  [
    'a provider that is not there',
    'silence',
    {
      code: 'provider_unreachable',
      advice: expect.stringMatching(/^Log in again later\. Check the token URL/),
    },
  ],
  ['a provider without an answer', 'cut', { code: 'provider_timeout' }],
  ['something that is no token', { nothing: true }, { code: 'provider_answer_unusable' }],
])(
  '%s is told to the person; it is not sent again and the grant stays as it was',
  async (_, answer, expected) => {
    const { keeper, requests } = await before([answer])
    await keeper.add('crm', passwordCredentials({ tokenUrl }))
    const told = await keeper.login('crm', ann).catch((error: Error) => error)
    expect(told).toMatchObject({ grant: 'crm', ...expected })
    expect(JSON.stringify([told, (told as Error).message, (told as Error).stack])).not.toMatch(/horse|ann@/)
    expect((told as { advice?: string }).advice ?? '').not.toContain('by itself')
    expect(await keeper.show('crm')).toMatchObject({ state: 'pending' })
    expect(requests).toHaveLength(1)
  },
)

test.each<[string, { username: string; password: string }, object]>([
  ['an empty password', { ...ann, password: ' ' }, { code: 'empty_secret' }],
  ['an empty user name', { ...ann, username: '' }, { code: 'invalid_request' }],
  ['a novel in place of a password', { ...ann, password: 'x'.repeat(1025) }, { code: 'invalid_request' }],
])('%s is refused before anything is sent', async (_, given, expected) => {
  const { keeper, requests } = await before([])
  await keeper.add('crm', passwordCredentials({ tokenUrl }))
  await expect(keeper.login('crm', given)).rejects.toMatchObject(expected)
  expect(requests).toEqual([])
})

test('no other kind of grant takes a password, and a name that is not there is said', async () => {
  const { keeper } = await before([])
  await keeper.add('billing', clientCredentials({ tokenUrl, clientId: 'c', clientSecret: 's' }))
  await expect(keeper.login('billing', ann)).rejects.toMatchObject({
    code: 'invalid_request',
    message: 'grant billing is of type client_credentials: nobody logs in to it with a password',
  })
  await expect(keeper.login('nobody', ann)).rejects.toMatchObject({ code: 'unknown_grant' })
})

test('a login whose grant was replaced while it was under way belongs to nothing', async () => {
  let replace: () => Promise<unknown> = async () => undefined
  const transport: Transport = async () => {
    await replace()
    return { status: 200, headers: {}, body: JSON.stringify(tokens) }
  }
  const keeper = await Keeper.open({ store: memoryStore({ ephemeral: true }), transport })
  await keeper.add('crm', passwordCredentials({ tokenUrl }))
  replace = async () => {
    await keeper.remove('crm')
    await keeper.add('crm', passwordCredentials({ tokenUrl: 'https://other.example/token' }))
  }
  await expect(keeper.login('crm', ann)).rejects.toMatchObject({ code: 'state_unknown' })
  expect(await keeper.show('crm')).toMatchObject({ state: 'pending', provider: 'other.example' })
})

import type { IncomingHttpHeaders } from 'node:http'
import { describe, expect, test } from 'vitest'
import { type AuthorizedFetchOptions, authorizedFetch } from '../../src/use/authorized-fetch.ts'
import { httpServer } from '../oauth/servers.ts'
import { numberedSource } from './numbered-source.ts'

interface Seen {
  readonly at: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Two origins that answer as `answers` says by `METHOD /path`, else 200, and what each was sent. */
async function apis(
  answers: (origins: { own: string; other: string }) => Record<string, [status: number, location?: string]>,
  options:
    | AuthorizedFetchOptions
    | ((origins: { own: string; other: string }) => AuthorizedFetchOptions) = {},
) {
  const seen: Seen[] = []
  const open = (name: string): Promise<string> =>
    httpServer(async (request, response) => {
      let body = ''
      for await (const chunk of request.setEncoding('utf8')) body += chunk
      const at = `${request.method} ${name}${request.url}`
      seen.push({ at, headers: request.headers, body })
      const [status, location] = table[at] ?? [200]
      response.writeHead(status, location === undefined ? {} : { location })
      response.end(`from ${at}`)
    })
  const origins = { own: await open('own'), other: await open('other') }
  const table = answers(origins)
  const { source, rejected } = numberedSource()
  const call = authorizedFetch(source, typeof options === 'function' ? options(origins) : options)
  const tokens = () => seen.map(({ at, headers }) => [at, headers.authorization ?? null])
  return { ...origins, call, seen, tokens, rejected }
}

describe('a redirect', () => {
  test('at the same origin is followed with the token, and the answer says where it came from', async () => {
    const { call, own, tokens } = await apis(() => ({ 'GET own/a': [302, '/b?c=1'] }))
    const answer = await call(`${own}/a#part`)
    expect([await answer.text(), answer.url, answer.redirected]).toEqual([
      'from GET own/b?c=1',
      `${own}/b?c=1`,
      true,
    ])
    expect(tokens()).toEqual([
      ['GET own/a', 'Bearer token-1'],
      ['GET own/b?c=1', 'Bearer token-1'],
    ])
  })

  test('to another origin is followed without the token and what else was for the first', async () => {
    const { call, own, tokens, seen, rejected } = await apis(({ other }) => ({
      'GET own/a': [307, `${other}/b`],
      'GET other/b': [401],
    }))
    const answer = await call(`${own}/a`, {
      headers: { cookie: 'session=1', 'proxy-authorization': 'Basic x', 'x-own': 'kept' },
    })
    expect([answer.status, await answer.text()]).toEqual([401, 'from GET other/b'])
    expect(tokens()).toEqual([
      ['GET own/a', 'Bearer token-1'],
      ['GET other/b', null],
    ])
    const { headers } = seen[1] as Seen
    expect([headers.cookie, headers['proxy-authorization'], headers['x-own']]).toEqual([
      undefined,
      undefined,
      'kept',
    ])
    expect(rejected).toEqual([])
  })

  test.each([
    [
      'at the same origin',
      'own',
      { cookie: 'session=1', proxy: 'Basic x', own: 'kept', token: 'Bearer token-1' },
    ],
    ['to another origin', 'other', { cookie: undefined, proxy: undefined, own: 'kept', token: undefined }],
  ] as const)('%s takes along the same headers that fetch takes along', async (_, to, left) => {
    const headers = { cookie: 'session=1', 'proxy-authorization': 'Basic x', 'x-own': 'kept' }
    const at = (origins: { own: string; other: string }) => ({
      'GET own/a': [302, `${origins[to]}/b`] as [number, string],
    })
    const sent = ({ seen }: { seen: Seen[] }) => {
      const { cookie, authorization, 'proxy-authorization': proxy, 'x-own': own } = seen[1]?.headers ?? {}
      return { cookie, proxy, own, token: authorization }
    }
    const ours = await apis(at)
    await ours.call(`${ours.own}/a`, { headers })
    const theirs = await apis(at)
    await fetch(`${theirs.own}/a`, { headers: { ...headers, authorization: 'Bearer token-1' } })
    expect(sent(ours)).toEqual(left)
    expect(sent(theirs)).toEqual(left)
  })

  // The host is the same and the port unsaid: only the scheme tells the two apart.
  test('from https to http at the same host is followed without the token, the cookie and the header of the provider', async () => {
    const sent: [string, Headers][] = []
    const { source } = numberedSource('Bearer', { header: 'x-api-token', scheme: '' })
    const call = authorizedFetch(source, {
      fetch: async (input, init) => {
        sent.push([String(input), new Headers(init?.headers)])
        return sent.length === 1
          ? new Response(null, { status: 307, headers: { location: 'http://api.example/plain' } })
          : new Response('there')
      },
    })
    const answer = await call('https://api.example/users', {
      headers: { cookie: 'a=1', accept: 'text/plain' },
    })
    expect(await answer.text()).toBe('there')
    expect(sent.map(([url]) => url)).toEqual(['https://api.example/users', 'http://api.example/plain'])
    const [[, first], [, second]] = sent as [(typeof sent)[0], (typeof sent)[0]]
    expect([first.get('x-api-token'), first.get('cookie')]).toEqual(['token-1', 'a=1'])
    expect([second.get('x-api-token'), second.get('cookie'), second.get('authorization')]).toEqual([
      null,
      null,
      null,
    ])
    expect(second.get('accept')).toBe('text/plain')
  })

  test('leaves behind at another origin what was for the first, and takes it along at its own', async () => {
    const sent: Headers[] = []
    const { source } = numberedSource('Bearer', { header: 'X-Shop-Token', scheme: '' })
    const call = authorizedFetch(source, {
      fetch: async (input, init) => {
        const request = new Request(input, init)
        sent.push(new Headers(init?.headers))
        const location = { '/a': '/b', '/b': 'https://other.example/c' }[new URL(request.url).pathname]
        return location === undefined
          ? new Response('there')
          : new Response(null, { status: 307, headers: { location } })
      },
    })
    const own = {
      authorization: 'Basic x',
      'proxy-authorization': 'Basic x',
      cookie: 'a=1',
      host: 'api.example',
      dpop: 'proof',
      'x-shop-token': 'mine',
    }
    await call('https://api.example/a', { headers: { ...own, accept: 'text/plain' } })
    const rest = { accept: 'text/plain' }
    const first = { ...own, ...rest, 'x-shop-token': 'token-1' }
    expect(sent.map((headers) => Object.fromEntries(headers))).toEqual([first, first, rest])
  })

  test('to another origin that comes back brings no token along', async () => {
    const { call, own, tokens } = await apis(({ own, other }) => ({
      'GET own/a': [302, `${other}/b`],
      'GET other/b': [302, `${own}/delete-everything`],
    }))
    await call(`${own}/a`)
    expect(tokens()).toEqual([
      ['GET own/a', 'Bearer token-1'],
      ['GET other/b', null],
      ['GET own/delete-everything', null],
    ])
  })

  test('to another origin that is allowed takes the token along', async () => {
    const { call, own, tokens } = await apis(
      ({ other }) => ({ 'GET own/a': [308, `${other}/b`] }),
      ({ own, other }) => ({ origins: [own, other] }),
    )
    expect((await call(`${own}/a`)).status).toBe(200)
    expect(tokens()[1]).toEqual(['GET other/b', 'Bearer token-1'])
  })

  test('to an address whose token is refused there is retried there, not from the beginning', async () => {
    const { call, own, tokens, rejected } = await apis(() => ({
      'POST own/a': [303, '/b'],
      'GET own/b': [401],
    }))
    expect((await call(`${own}/a`, { method: 'POST', body: 'paid once' })).status).toBe(401)
    expect(tokens()).toEqual([
      ['POST own/a', 'Bearer token-1'],
      ['GET own/b', 'Bearer token-1'],
      ['GET own/b', 'Bearer token-2'],
    ])
    expect(rejected).toEqual([1])
  })

  test.each<[number, string, string, string]>([
    [301, 'POST', 'GET own/b', ''],
    [302, 'POST', 'GET own/b', ''],
    [303, 'POST', 'GET own/b', ''],
    [307, 'POST', 'POST own/b', 'text'],
    [308, 'POST', 'POST own/b', 'text'],
    [301, 'PUT', 'PUT own/b', 'text'],
    [302, 'PUT', 'PUT own/b', 'text'],
    [303, 'PUT', 'GET own/b', ''],
    [303, 'DELETE', 'GET own/b', ''],
  ])('%i of a %s with a body is followed as fetch follows it: %s', async (status, method, at, body) => {
    const table = { [`${method} own/a`]: [status, '/b'] as [number, string] }
    const ours = await apis(() => table)
    const ofBody = {
      'content-type': 'text/plain',
      'content-encoding': 'identity',
      'content-language': 'en',
      'content-location': '/text',
      'content-length': '4',
    }
    const init = { method, body: 'text', headers: ofBody }
    await ours.call(`${ours.own}/a`, init)
    expect(ours.seen[1]).toMatchObject({ at, body })
    const told = ({ seen }: typeof ours) => Object.keys(ofBody).map((name) => seen[1]?.headers[name])
    expect(told(ours)).toEqual(Object.values(ofBody).map((value) => (body === '' ? undefined : value)))
    const theirs = await apis(() => table)
    await fetch(`${theirs.own}/a`, init)
    expect(theirs.seen[1]).toMatchObject({ at, body })
    expect(told(theirs)).toEqual(told(ours))
  })

  test.each([302, 303])(
    '%i of a stream leaves that behind, and what follows can be sent again',
    async (status) => {
      const { call, own, tokens } = await apis(() => ({ 'POST own/a': [status, '/b'], 'GET own/b': [401] }))
      const body = new Blob(['text']).stream()
      await call(`${own}/a`, { method: 'POST', body, duplex: 'half' } as RequestInit)
      expect(tokens()).toEqual([
        ['POST own/a', 'Bearer token-1'],
        ['GET own/b', 'Bearer token-1'],
        ['GET own/b', 'Bearer token-2'],
      ])
    },
  )

  test('of a HEAD stays a HEAD', async () => {
    const { call, own, seen } = await apis(() => ({ 'HEAD own/a': [303, '/b'] }))
    await call(`${own}/a`, { method: 'HEAD' })
    expect(seen.map(({ at }) => at)).toEqual(['HEAD own/a', 'HEAD own/b'])
  })

  test('of a Request keeps its method, its headers and how it is to be sent', async () => {
    const over = new AbortController()
    const how = {
      method: 'DELETE',
      headers: { 'x-own': 'kept' },
      cache: 'no-store',
      credentials: 'omit',
      integrity: 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
      keepalive: true,
      mode: 'same-origin',
      referrer: 'about:client',
      referrerPolicy: 'no-referrer',
      signal: over.signal,
    } as const
    const sent: RequestInit[] = []
    const { source } = numberedSource()
    const call = authorizedFetch(source, {
      fetch: async (_, init) => {
        sent.push(init ?? {})
        const location = { location: '/b' }
        return sent.length === 1 ? new Response(null, { status: 307, headers: location }) : new Response('')
      },
    })
    await call(new Request('https://api.example/a', how))
    const { headers, signal, ...rest } = how
    expect(sent[1]).toMatchObject(rest)
    expect(Object.fromEntries(new Headers(sent[1]?.headers))).toEqual({
      authorization: 'Bearer token-1',
      ...headers,
    })
    over.abort(new Error('no longer'))
    expect([signal.aborted, sent[1]?.signal?.reason]).toEqual([true, signal.reason])
  })

  test('that would need a stream a second time fails, and says what would do', async () => {
    const { call, own } = await apis(() => ({ 'POST own/a': [307, '/b'] }))
    const failure = call(`${own}/a`, {
      method: 'POST',
      body: new Blob(['text']).stream(),
      duplex: 'half',
    } as RequestInit)
    await expect(failure).rejects.toThrow('give it as text or bytes')
  })

  test.each<[string, string]>([
    ['at its own origin', 'own'],
    ['at another', 'other'],
  ])('is followed twenty times and no more, %s', async (_, place) => {
    const { call, own, seen } = await apis((origins) => ({
      'GET own/a': [302, `${origins[place as 'own' | 'other']}/a`],
      'GET other/a': [302, '/a'],
    }))
    await expect(call(`${own}/a`)).rejects.toThrow(`more than 20 redirects from ${own}`)
    expect(seen).toHaveLength(21)
  })

  test('counts from the address that redirects', async () => {
    const { call, own, seen } = await apis(({ other }) => ({
      'GET own/a': [302, `${other}/folder/b`],
      'GET other/folder/b': [302, 'c'],
    }))
    expect((await call(`${own}/a`)).url).toMatch(/\/folder\/c$/)
    expect(seen.map(({ at }) => at)).toEqual(['GET own/a', 'GET other/folder/b', 'GET other/folder/c'])
  })

  test('is read no further once it is followed', async () => {
    let unread = 0
    const { source } = numberedSource()
    const body = new ReadableStream({ cancel: () => void unread++ })
    const answers = [new Response(body, { status: 302, headers: { location: '/b' } }), new Response('there')]
    const call = authorizedFetch(source, { fetch: async () => answers.shift() as Response })
    expect(await (await call('https://api.example/a')).text()).toBe('there')
    expect(unread).toBe(1)
  })

  // What every browser makes of a redirect that is to be followed by hand.
  test('that a browser hides is an error which says so', async () => {
    const { source, rejected } = numberedSource()
    const hidden = Object.defineProperty(Response.error(), 'type', { value: 'opaqueredirect' })
    const call = authorizedFetch(source, { fetch: async () => hidden })
    await expect(call('https://api.example/a')).rejects.toThrow(
      'which no browser lets a program follow itself',
    )
    expect(await call('https://api.example/a', { redirect: 'manual' })).toBe(hidden)
    expect(rejected).toEqual([])
  })

  test.each([
    ['file:///etc/passwd', 'no http address'],
    ['http://', 'no http address'],
    ['http://user:password@other.example/', 'user information'],
    ['http://user@other.example/', 'user information'],
    ['http://:password@other.example/', 'user information'],
  ])('to %s fails', async (location, said) => {
    const { call, own, seen } = await apis(() => ({ 'GET own/a': [302, location] }))
    await expect(call(`${own}/a`)).rejects.toThrow(said)
    expect(seen).toHaveLength(1)
  })

  test('without a location, and a status that only looks like one, are answers', async () => {
    const { call, own } = await apis(() => ({
      'GET own/a': [302],
      'GET own/b': [304],
      'GET own/c': [300, '/d'],
    }))
    const { status, redirected } = await call(`${own}/a`)
    expect([status, redirected]).toEqual([302, false])
    expect((await call(`${own}/b`)).status).toBe(304)
    expect((await call(`${own}/c`)).status).toBe(300)
  })
})

describe('what the caller says of redirects holds', () => {
  test.each(['beside', 'in'])('manual gives the redirect itself, %s a Request', async (place) => {
    const { call, own, tokens } = await apis(() => ({ 'GET own/a': [302, '/b'] }))
    const answer = await (place === 'in'
      ? call(new Request(`${own}/a`, { redirect: 'manual' }))
      : call(`${own}/a`, { redirect: 'manual' }))
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '/b'])
    expect(tokens()).toEqual([['GET own/a', 'Bearer token-1']])
  })

  test('error fails', async () => {
    const { call, own, seen } = await apis(() => ({ 'GET own/a': [302, '/b'] }))
    await expect(call(`${own}/a`, { redirect: 'error' })).rejects.toThrow(TypeError)
    expect(seen).toHaveLength(1)
  })
})

import { describe, expect, test } from 'vitest'
import { AccessToken, type TokenPresentation, type TokenSource } from '../../src/grants/token.ts'
import { authorizationHeaders } from '../../src/use/authorization.ts'
import { practised } from '../grants/practised.ts'
import { numberedSource } from './numbered-source.ts'
import { practiceKey } from './refusing-api.ts'

const url = 'https://api.example/users?page=2'

describe('the headers of a request', () => {
  test.each<[string, TokenPresentation | undefined, Record<string, string>]>([
    ['as RFC 6750 has it', undefined, { authorization: 'Bearer token-1' }],
    ['with a scheme of its own', { scheme: 'OAuth' }, { authorization: 'OAuth token-1' }],
    ['with no scheme', { scheme: '' }, { authorization: 'token-1' }],
    ['in a header of its own', { header: 'X-Shop-Token', scheme: '' }, { 'x-shop-token': 'token-1' }],
    ['with a proof', practiceKey(), { authorization: 'Bearer token-1', dpop: 'GET /users?page=2 none' }],
  ])('carry the token of a source %s', async (_, presentation, expected) => {
    const { source } = numberedSource('Bearer', presentation)
    expect(await authorizationHeaders(source, { url })).toEqual(expected)
    expect(await authorizationHeaders(await source.getToken(), { url })).toEqual(expected)
  })

  test('prove the method and address of the request', async () => {
    const { source } = numberedSource('DPoP', practiceKey())
    expect(await authorizationHeaders(source, { method: 'post', url: new URL(url) })).toEqual({
      authorization: 'DPoP token-1',
      dpop: 'POST /users?page=2 none',
    })
  })

  test('say Bearer of a token that says nothing of its type', async () => {
    const { type: _, ...untyped } = await numberedSource().source.getToken()
    const token = new AccessToken('abc', untyped as AccessToken)
    expect(await authorizationHeaders(token, { url })).toEqual({ authorization: 'Bearer abc' })
  })

  test('are waited for as long as the caller likes', async () => {
    const { source, asked } = numberedSource()
    const { signal } = new AbortController()
    await authorizationHeaders(source, { url, signal })
    await authorizationHeaders(source, { url })
    expect(asked).toStrictEqual([{ signal }, undefined])
    const over = AbortSignal.abort(new Error('no longer'))
    await expect(authorizationHeaders(source, { url, signal: over })).rejects.toThrow('no longer')
  })

  test.each<[string, unknown, string]>([
    ['nothing', undefined, 'the token source gave no token, or an empty one'],
    ['an empty token', { value: '' }, 'the token source gave no token, or an empty one'],
    ['a token of two lines', { value: 'a\nb' }, 'the token source gave a token with a character'],
    ['a token of two words', { value: 'a b' }, 'the token source gave a token with a character'],
  ])('are none where the source gives %s', async (_, given, said) => {
    const source = { ...numberedSource().source, getToken: async () => given } as TokenSource
    await expect(authorizationHeaders(source, { url })).rejects.toMatchObject({
      code: 'token_unavailable',
      message: expect.stringContaining(said),
      advice: expect.any(String),
    })
  })

  test('are none of a keeper, and of what is no source', async () => {
    const { keeper } = await practised()
    await expect(authorizationHeaders(keeper as unknown as TokenSource, { url })).rejects.toThrow(
      "authorizationHeaders takes one grant's tokens, not a keeper: pass keeper.source('its name')",
    )
    await expect(authorizationHeaders({} as TokenSource, { url })).rejects.toThrow(
      'authorizationHeaders takes a token source',
    )
  })
})

import { expect, test } from 'vitest'
import { firstAt, valueAt } from '../../src/oauth/json-pointer.ts'

/** RFC 6901 section 5. */
const document = JSON.parse(
  '{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\\\j":5,"k\\"l":6," ":7,"m~n":8,"n":null,"t":""}',
)

test.each([
  ['', document],
  ['/foo', ['bar', 'baz']],
  ['/foo/0', 'bar'],
  ['/', 0],
  ['/a~1b', 1],
  ['/c%d', 2],
  ['/e^f', 3],
  ['/g|h', 4],
  ['/i\\j', 5],
  ['/k"l', 6],
  ['/ ', 7],
  ['/m~0n', 8],
])('%j leads to %j', (pointer, value) => {
  expect(valueAt(document, pointer)).toEqual(value)
})

test.each([
  '/foo/2',
  '/foo/01',
  '/foo/-',
  '/foo/length',
  '/foo/0/length',
  '/missing',
  '/missing/more',
  '/__proto__',
  '/constructor',
  '/foo/__proto__',
  'foo',
  '/n/x',
])('%j leads nowhere', (pointer) => {
  expect(valueAt(document, pointer)).toBeUndefined()
})

test('of several the first that leads to something counts, and null and an empty text are nothing', () => {
  expect(firstAt(document, ['/missing', '/n', '/t', '/foo/1', '/foo/0'])).toBe('baz')
  expect(firstAt(document, '/n')).toBeUndefined()
  expect(firstAt(document, [])).toBeUndefined()
})

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import { root } from './documented-blocks.ts'

const pages = globSync(
  ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'docs/*.md', 'examples/*/README.md', 'model/README.md'],
  { cwd: root },
)
const textOf = (page: string): string => readFileSync(join(root, page), 'utf8')

interface Link {
  readonly from: string
  /** From the root of the repository. */
  readonly to: string
  readonly anchor: string | undefined
}

/** The links of a page that stay in this repository, outside of what it shows as code. */
function linksOf(page: string): Link[] {
  const prose = textOf(page).replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [file = '', anchor] = target.split('#')
      return { from: page, to: file === '' ? page : normalize(join(dirname(page), file)), anchor }
    })
}

/** The anchors that a heading gets where Markdown is shown. */
const anchorsOf = (page: string): string[] =>
  [...textOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

const links = pages.flatMap(linksOf)

test('every link of a page leads to a file, and to a heading where it names one', () => {
  expect(links.length).toBeGreaterThan(60)
  const broken = links.filter(
    ({ to, anchor }) =>
      !existsSync(join(root, to)) || (anchor !== undefined && !anchorsOf(to).includes(anchor)),
  )
  expect(broken).toEqual([])
})

test('the front page leads to every example', () => {
  const examples = globSync('examples/*/README.md', { cwd: root }).sort()
  expect(examples.length).toBeGreaterThanOrEqual(5)
  const linked = links.filter(({ from }) => from === 'README.md').map(({ to }) => to)
  expect(examples.filter((example) => !linked.includes(example))).toEqual([])
})

test('every page is reached from another one', () => {
  const reached = new Set(links.filter(({ from, to }) => from !== to).map(({ to }) => to))
  expect(pages.filter((page) => page !== 'README.md' && !reached.has(page))).toEqual([])
})

test('the page of the library names every way of obtaining a grant', async () => {
  const library: object = await import('evertoken')
  const ways = [
    'authorizationCode',
    'clientCredentials',
    'jwtBearer',
    'passwordCredentials',
    'refreshToken',
    'requestedToken',
    'tokenExchange',
  ]
  expect(ways.filter((way) => !(way in library))).toEqual([])
  const page = textOf('docs/library.md')
  expect(ways.filter((way) => !page.includes(`\n| \`${way}\` |`))).toEqual([])
})

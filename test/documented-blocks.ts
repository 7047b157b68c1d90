import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** A fenced block of a page. */
export interface Block {
  /** `docs/library.md:12`, the line at which its code begins. */
  readonly place: string
  readonly page: string
  /** What stands behind the fence: `ts`, `sh`; empty where nothing does. */
  readonly language: string
  readonly code: string
}

export const root = resolve(import.meta.dirname, '..')

/** What people read: the front pages, docs/ and each example's own page. Generated tables of providers hold no code. */
const pages = globSync(['README.md', 'CONTRIBUTING.md', 'docs/*.md', 'examples/*/README.md'], {
  cwd: root,
}).sort()

/** Every block of every page, in order. */
export const blocks: readonly Block[] = pages.flatMap((page) => {
  const text = readFileSync(join(root, page), 'utf8')
  return [...text.matchAll(/^```(\w*)[^\n]*\n([\s\S]*?)^```$/gm)].map(
    ({ 1: language = '', 2: code = '', index }) => ({
      place: `${page}:${text.slice(0, index).split('\n').length + 1}`,
      page,
      language,
      code,
    }),
  )
})
